/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The images that this host has: metadata as one file per digest, and the map of names to digests.
 * The layers themselves belong to ebbd; only their names are kept here.
 */
#ifndef EBB_API_IMAGES_H
#define EBB_API_IMAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/json.h"
#include "runtime/wire/records.h"

#define IMAGES_MAX       1024
#define DIGEST_TEXT_SIZE (7 + 2 * DIGEST_SIZE + 1) /* "sha256:..." */

struct image {
	uint8_t digest[DIGEST_SIZE];
	uint32_t layer_count;
	uint8_t layers[IMAGE_LAYERS_MAX][DIGEST_SIZE];
	uint64_t bytes, imported_us;
	bool removing; /* some of its layers may be gone already: not for use, only to be removed */
	struct wire_image_config config;
};

struct images;
struct fault;

/* Loads <state>/images; state_dir_fd is borrowed. 0, or -errno with a sentence in f. */
int images_open(int state_dir_fd, struct images **out, struct fault *f);
void images_free(struct images *images);

/* The order of images changes with each images_put and images_forget, and the borrowed pointers are
 * valid until then. images_by_digest returns NULL when there is no such image. */
size_t images_count(const struct images *images);
const struct image *images_at(const struct images *images, size_t index);
const struct image *images_by_digest(const struct images *images, const uint8_t *digest);
/* Finds an image by name, by "sha256:..." or by at least 12 digits of its digest. Images that are
 * being removed are not found. NULL if no image matches, or several do. */
const struct image *images_resolve(const struct images *images, const char *text);
/* The names, from 0 on; NULL behind the last. */
const char *images_name_at(const struct images *images, size_t index);
bool images_named(const struct images *images, const uint8_t *digest);
/* Whether an image that is not being removed has this layer. */
bool images_need_layer(const struct images *images, const uint8_t *layer);

/* Each is durable when it returns 0; -errno otherwise. images_put replaces an image with the same
 * digest. */
int images_put(struct images *images, const struct image *image);
int images_set_name(struct images *images, const char *name, const uint8_t *digest);
int images_set_removing(struct images *images, const uint8_t *digest);
int images_forget(struct images *images, const uint8_t *digest); /* and its names */

/* Imports and removals exclude each other: a removal must not take a layer that an import has just
 * found to be there already. */
enum images_work { IMAGES_IDLE, IMAGES_KEEPING, IMAGES_REMOVING };
bool images_begin(struct images *images, enum images_work work); /* false: the other is under way */
void images_end(struct images *images);

/* Whether name is valid: it has letters, digits and "._/:-", is shorter than IMAGE_NAME_SIZE, and
 * begins with neither "/" nor "-" nor "sha256:". */
bool image_name_valid(const char *name);
/* "sha256:" and 64 hex digits. */
void image_digest_text(const uint8_t *digest, char text[DIGEST_TEXT_SIZE]);
int image_digest_parse(const char *text, uint8_t *digest); /* 0 or -EINVAL */

/* image_file.c: as JSON, into an open object and out of one (0 or -EINVAL). */
void image_write(struct json_out *o, const struct image *image);
void images_write_names(struct json_out *o, const struct images *images, const uint8_t *digest);
int image_read(const struct json *document, struct image *out);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/images.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/state.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define NAMES_FILE        "names.map"
#define PREFIX_DIGITS_MIN 12

struct name {
	char text[IMAGE_NAME_SIZE];
	uint8_t digest[DIGEST_SIZE];
};

struct images {
	int dir_fd;
	struct image *items[IMAGES_MAX];
	size_t count;
	struct name names[IMAGES_MAX];
	size_t name_count;
	enum images_work work;
	unsigned int workers;
};

struct loading {
	struct images *images;
	struct fault *fault;
};

void images_free(struct images *images)
{
	if (!images)
		return;
	for (size_t i = 0; i < images->count; i++)
		free(images->items[i]);
	fd_close(&images->dir_fd);
	free(images);
}

size_t images_count(const struct images *images)
{
	return images->count;
}

const struct image *images_at(const struct images *images, size_t index)
{
	return images->items[index];
}

static struct image *find(const struct images *images, const uint8_t *digest)
{
	for (size_t i = 0; i < images->count; i++)
		if (memcmp(images->items[i]->digest, digest, DIGEST_SIZE) == 0)
			return images->items[i];
	return NULL;
}

const struct image *images_by_digest(const struct images *images, const uint8_t *digest)
{
	return find(images, digest);
}

static const struct image *by_prefix(const struct images *images, const char *digits)
{
	const struct image *found = NULL;
	size_t n = strlen(digits);

	if (n < PREFIX_DIGITS_MIN)
		return NULL;
	for (size_t i = 0; i < images->count; i++) {
		char text[DIGEST_TEXT_SIZE];

		image_digest_text(images->items[i]->digest, text);
		if (strncmp(text + 7, digits, n) != 0)
			continue;
		if (found)
			return NULL; /* several images match, and none of them is preferred */
		found = images->items[i];
	}
	return found;
}

const struct image *images_resolve(const struct images *images, const char *text)
{
	const struct image *found = NULL;

	for (size_t i = 0; i < images->name_count && !found; i++)
		if (strcmp(images->names[i].text, text) == 0)
			found = find(images, images->names[i].digest);
	if (!found)
		found = by_prefix(images, strncmp(text, "sha256:", 7) == 0 ? text + 7 : text);
	return found && !found->removing ? found : NULL;
}

bool images_named(const struct images *images, const uint8_t *digest)
{
	for (size_t i = 0; i < images->name_count; i++)
		if (memcmp(images->names[i].digest, digest, DIGEST_SIZE) == 0)
			return true;
	return false;
}

bool images_need_layer(const struct images *images, const uint8_t *layer)
{
	for (size_t i = 0; i < images->count; i++) {
		const struct image *image = images->items[i];

		for (uint32_t k = 0; k < image->layer_count && !image->removing; k++)
			if (memcmp(image->layers[k], layer, DIGEST_SIZE) == 0)
				return true;
	}
	return false;
}

bool image_name_valid(const char *name)
{
	return *name && strlen(name) < IMAGE_NAME_SIZE && strncmp(name, "sha256:", 7) != 0 &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789._/:-")] == '\0' &&
	       name[0] != '/' && name[0] != '-';
}

const char *images_name_at(const struct images *images, size_t index)
{
	return index < images->name_count ? images->names[index].text : NULL;
}

void images_write_names(struct json_out *o, const struct images *images, const uint8_t *digest)
{
	json_out_array(o, "names");
	for (size_t i = 0; i < images->name_count; i++)
		if (memcmp(images->names[i].digest, digest, DIGEST_SIZE) == 0)
			json_out_string(o, NULL, images->names[i].text);
	json_out_end_array(o);
}

/* ---- writing ---- */

static int save_image(struct images *images, const struct image *image)
{
	char text[DIGEST_TEXT_SIZE], file[DIGEST_TEXT_SIZE + 8];
	struct json_out o;
	int r;

	image_digest_text(image->digest, text);
	snprintf(file, sizeof(file), "%s.json", text + 7);
	json_out_init(&o);
	json_out_object(&o, NULL);
	image_write(&o, image);
	json_out_end_object(&o);
	r = state_write_json(images->dir_fd, file, &o);
	json_out_fini(&o);
	return r;
}

static int save_names(struct images *images)
{
	struct json_out o;
	int r;

	json_out_init(&o);
	json_out_object(&o, NULL);
	for (size_t i = 0; i < images->name_count; i++) {
		char text[DIGEST_TEXT_SIZE];

		image_digest_text(images->names[i].digest, text);
		json_out_string(&o, images->names[i].text, text);
	}
	json_out_end_object(&o);
	r = state_write_json(images->dir_fd, NAMES_FILE, &o);
	json_out_fini(&o);
	return r;
}

static int keep_image(struct images *images, const struct image *image)
{
	struct image *place = find(images, image->digest);

	if (!place) {
		if (images->count == IMAGES_MAX)
			return -EMFILE;
		place = malloc(sizeof(*place));
		if (!place)
			return -ENOMEM;
		images->items[images->count++] = place;
	}
	*place = *image;
	return 0;
}

int images_put(struct images *images, const struct image *image)
{
	bool full = images->count == IMAGES_MAX && !find(images, image->digest);
	int r = full ? -EMFILE : save_image(images, image);

	return r < 0 ? r : keep_image(images, image);
}

static int keep_name(struct images *images, const char *name, const uint8_t *digest)
{
	struct name *place = images->names;
	struct name *end = images->names + images->name_count;

	while (place < end && strcmp(place->text, name) != 0)
		place++;
	if (place == end) {
		if (images->name_count == IMAGES_MAX)
			return -EMFILE;
		images->name_count++;
	}
	memcpy(place->digest, digest, DIGEST_SIZE);
	return text_copy(place->text, sizeof(place->text), name);
}

int images_set_name(struct images *images, const char *name, const uint8_t *digest)
{
	struct name *before = malloc(sizeof(images->names));
	size_t count = images->name_count;
	int r = before ? 0 : -ENOMEM;

	if (r == 0) {
		memcpy(before, images->names, sizeof(images->names));
		r = keep_name(images, name, digest);
	}
	if (r == 0)
		r = save_names(images);
	if (r < 0 && before) { /* a name that is not on the disk is none */
		memcpy(images->names, before, sizeof(images->names));
		images->name_count = count;
	}
	free(before);
	return r;
}

int images_set_removing(struct images *images, const uint8_t *digest)
{
	struct image *image = find(images, digest);
	struct image copy;
	int r;

	if (!image)
		return -ENOENT;
	copy = *image;
	copy.removing = true;
	r = save_image(images, &copy);
	if (r == 0)
		image->removing = true;
	return r;
}

/* The names go first: a name without an image says nothing, an image without its name is lost. */
int images_forget(struct images *images, const uint8_t *digest)
{
	char text[DIGEST_TEXT_SIZE], file[DIGEST_TEXT_SIZE + 8];
	size_t kept = 0;
	int r;

	for (size_t i = 0; i < images->name_count; i++)
		if (memcmp(images->names[i].digest, digest, DIGEST_SIZE) != 0)
			images->names[kept++] = images->names[i];
	if (kept != images->name_count) {
		images->name_count = kept;
		r = save_names(images);
		if (r < 0)
			return r;
	}
	image_digest_text(digest, text);
	snprintf(file, sizeof(file), "%s.json", text + 7);
	r = state_remove(images->dir_fd, file);
	if (r < 0)
		return r;
	for (size_t i = 0; i < images->count; i++) {
		if (memcmp(images->items[i]->digest, digest, DIGEST_SIZE) != 0)
			continue;
		free(images->items[i]);
		images->items[i] = images->items[--images->count];
		break;
	}
	return 0;
}

bool images_begin(struct images *images, enum images_work work)
{
	if (images->work != IMAGES_IDLE && (images->work != work || work == IMAGES_REMOVING))
		return false;
	images->work = work;
	images->workers++;
	return true;
}

void images_end(struct images *images)
{
	must(images->workers > 0);
	if (--images->workers == 0)
		images->work = IMAGES_IDLE;
}

/* ---- loading ---- */

static int load_image(void *ctx, const char *name)
{
	struct loading *l = ctx;
	struct json *document = NULL;
	struct image image;
	int r = state_read_json(l->images->dir_fd, name, &document, l->fault);

	if (r == 0 && (r = image_read(document, &image)) < 0)
		fault_say(l->fault, r, "it does not hold an image's metadata");
	if (r == 0 && (r = keep_image(l->images, &image)) < 0)
		fault_errno(l->fault, r, "it cannot be kept");
	json_free(document);
	if (r < 0)
		fault_at(l->fault, "images/%s", name);
	return r;
}

static int load_names(struct images *images, struct fault *f)
{
	struct json *document = NULL;
	int r = state_read_json(images->dir_fd, NAMES_FILE, &document, f);

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r == 0 && i < json_count(document); i++) {
		const char *name = json_key_at(document, i);
		const char *text = json_string(json_at(document, i));
		uint8_t digest[DIGEST_SIZE];

		if (!name || !text || image_digest_parse(text, digest)) {
			r = fault_say(f, -EINVAL, "it is not a map of names");
		} else if (find(images, digest)) {
			r = keep_name(images, name, digest);
		}
	}
	json_free(document);
	if (r < 0) {
		fault_errno(f, r, "it cannot be kept");
		fault_at(f, "images/%s", NAMES_FILE);
	}
	return r;
}

int images_open(int state_dir_fd, struct images **out, struct fault *f)
{
	struct images *images = calloc(1, sizeof(*images));
	struct loading loading = {images, f};
	int r;

	if (!images)
		return fault_errno(f, -ENOMEM, "images");
	images->dir_fd = state_dir(state_dir_fd, "images");
	r = images->dir_fd < 0 ? images->dir_fd : 0;
	if (r == 0)
		r = state_list(images->dir_fd, ".json", load_image, &loading);
	if (r == 0)
		r = load_names(images, f);
	if (r < 0) {
		fault_errno(f, r, "images");
		images_free(images);
		return r;
	}
	*out = images;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-unpack: one role of an import (records.h, enum wire_unpack_role), then exit.
 *
 * Runs as uid 0 of a user namespace of its own, in a jail made by images/jail.c (no network, no
 * host file system but /usr read-only), and changes its root before it reads the first foreign
 * byte. It never creates a socket, never executes anything and cannot name a file outside its root.
 * Its only output are the files there, the pipes it was given, and the records on
 * UNPACK_CONTROL_FD.
 *
 * Every function returns 0 or -errno. The function that knows most puts the sentence for the user
 * into unpack.err, with unpack_fail().
 */
#ifndef EBB_IMAGES_UNPACK_UNPACK_H
#define EBB_IMAGES_UNPACK_UNPACK_H

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/json.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/unpack_records.h"

#define JSON_BLOB_BYTES_MAX (4u << 20) /* index, manifest, config */
#define JSON_DEPTH_MAX      32u
/* mkfs.erofs puts the name of a directory in front of a path, and wants it below 4096 bytes. */
#define PATH_BYTES_MAX 4000u
#define NAME_BYTES_MAX 254u   /* mkfs.erofs 1.5 cuts longer ones, and then finds no such file */
#define IMAGE_IDS      65536u /* uids and gids an image may use */
/* gzip reaches 1000:1 on zeros; more than that over this much is an attack. */
#define BOMB_RATIO       ((uint64_t)1000)
#define BOMB_BYTES       ((uint64_t)1 << 30)
#define MEMBER_NAME_SIZE 512    /* of a file in the outer archive */
#define MEMBERS_MAX      65536u /* files in the outer archive */

#define BLOCK_BYTES 65536

/* A small file of the archive; text is the owner's to free. */
struct document {
	char *text; /* NUL-terminated, or NULL */
	size_t size;
};

struct unpack {
	int control_fd; /* borrowed */
	int source_fd; /* borrowed; READ: the archive, a regular file; DESCRIBE: the first document;
			* APPLY: the layer's tar */
	int second_fd; /* borrowed; DESCRIBE: the other document, or -1 */
	int tree_fd;   /* borrowed; APPLY: the layers under the overlay, or -1 */
	const struct wire_unpack_job *job;
	uint64_t bytes;   /* unpacked so far, all layers of this process */
	uint64_t entries; /* entries so far */
	uint64_t claimed; /* size of the files as they claim it: mkfs.erofs reads holes too */
	/* READ */
	uint32_t wanted; /* the layer asked for; layer_count when none is any more */
	int flow_fd;     /* where it goes */
	struct document documents[2];
	uint32_t layer_count;
	uint8_t diff_ids[IMAGE_LAYERS_MAX][DIGEST_SIZE]; /* as the config promises them */
	struct wire_image_config config;
	char err[ERROR_TEXT_SIZE];
};

/* Puts the sentence into u->err, unless one is there already, and returns err (negative). */
int unpack_fail(struct unpack *u, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- confine.c ---- */

/* Makes this directory its root, gives up every right but these (bits of CAP_*) and loads the
 * seccomp filter. */
int confine_self(struct unpack *u, const char *root, uint32_t caps);
/* The filter alone. */
int confine_calls(char *err, size_t err_size);

/* ---- member.c: one file inside the outer archive ---- */

struct member {
	struct archive *archive;
	struct archive_entry *entry; /* the archive's */
	uint64_t size;
	char name[MEMBER_NAME_SIZE];
};

/* Finds a file by its exact name, following links inside the archive. -ENOENT without a sentence.
 */
int member_open(struct unpack *u, const char *name, struct member *out);
/* The whole source as one. */
int member_open_source(struct unpack *u, struct member *out);
void member_close(struct member *m);
/* The next bytes. Returns their number, 0 at the end, or -EIO. */
ssize_t member_read(struct unpack *u, struct member *m, void *buf, size_t size);
/* A whole small file, NUL-terminated and freed by the caller. */
int member_load(struct unpack *u, const char *name, char **out, size_t *out_size);

/* ---- blob.c: content-addressed files of the outer archive ---- */

/* OCI descriptor. A size of 0 bytes is "size unknown" for docker archives. */
struct descriptor {
	uint8_t digest[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];
	bool has_size;
	uint64_t size;
	const char *media_type; /* the JSON tree's */
};

/* Reads a descriptor; `what` names it in messages ("manifest", "layer 2"). */
int descriptor_read(struct unpack *u, const char *what, const struct json *v,
		    struct descriptor *out);
/* "sha256:<64 lower-case hex digits>" -> digest. -EINVAL with a sentence. */
int digest_read(struct unpack *u, const char *what, const char *text, uint8_t digest[DIGEST_SIZE]);
/* Whether these bytes are what the descriptor says. */
int blob_verify(struct unpack *u, const char *what, const struct descriptor *d, const char *text,
		size_t size);
/* Loads blobs/sha256/<hex> and the JSON in it, after its size and digest were found right. */
int blob_load_json(struct unpack *u, const char *what, const struct descriptor *d,
		   struct document *out_text, struct json **out);

/* ---- flow.c: READ hands layers out, as they are asked for ---- */

/* Hands out u->documents, once they were found good, and waits for the next wish. */
int flow_begin(struct unpack *u);
/* Decompresses member `name` (a tar) into the flow if layer `index` is asked for, and waits for the
 * next wish. blob: its size and digest, or NULL. */
int flow_layer(struct unpack *u, uint32_t index, const char *name, const struct descriptor *blob);
/* The same for the whole source file, which is one layer of an image that says nothing. */
int flow_source(struct unpack *u);

/* ---- hash.c: HASH ---- */

/* Hashes what flows until nobody wants it to: parses nothing, so its word names pieces. */
int hash_flows(struct unpack *u);

/* ---- layer.c, tar.c: APPLY ---- */

/* Applies the tar of u->source_fd to our root. */
int layer_apply(struct unpack *u);
/* Applies every entry. `what` names the layer in messages. tar_bytes: how many were read so far.
 * *linked: whether files got further names. */
int tar_unpack(struct unpack *u, const char *what, struct archive *tar, const uint64_t *tar_bytes,
	       bool *linked);

/* ---- tidy.c ---- */

/* Removes the notes of overlayfs from the finished tree; opaque directories and whiteouts stay.
 * files: look at files too. */
int tidy(struct unpack *u, int tree_fd, bool files);

/* ---- whiteout.c ---- */

/* The meaning of an entry's path. */
enum whiteout_kind { WHITEOUT_NONE, WHITEOUT_IGNORED, WHITEOUT_FILE, WHITEOUT_OPAQUE };
enum whiteout_kind whiteout_kind(const char *path);
/* The name that a WHITEOUT_FILE hides. */
const char *whiteout_target(const char *path);

/* ---- oci.c, docker.c: the two layouts ---- */

/* READ: hands out the documents and then the layers of u->source_fd, an image-layout of the OCI
 * image-spec (image-layout.md) or an archive of `docker save`. */
int oci_read(struct unpack *u);
int docker_read(struct unpack *u);
/* DESCRIBE, and READ for the sake of its sentences: reads the documents into u. The caller frees
 * out_config; out_user is a string in it. */
int oci_describe(struct unpack *u, const struct json *manifest, const struct document *text,
		 struct json **out_config, const char **out_user);
int docker_describe(struct unpack *u, const struct document *text, struct json **out_config,
		    const char **out_user);
/* This machine's architecture as OCI names it ("amd64"). */
const char *oci_architecture(void);
/* A value that is absent (NULL or "") is this machine's. */
bool platform_is_ours(const char *os, const char *arch);

/* ---- describe.c: DESCRIBE ---- */

/* Reads the documents, verifies what one says of the other, sends UNPACK_IMAGE. */
int describe(struct unpack *u);

/* ---- config.c ---- */

/* Takes entry point, environment and so on; diff_ids into u->diff_ids. `user` is left in out_user
 * (a string of the tree, "" if none) for USER after the layers stand. */
int config_read(struct unpack *u, const struct json *config, const char **out_user);

/* ---- user.c ---- */

/* "name|number[:group|number]" -> uid, gid and additional gids of u->config, looked up in the
 * /etc/passwd and /etc/group of the image, whose root is ours. */
int user_resolve(struct unpack *u, const char *user);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-unpack: verifies one image archive and unpacks its layers, then exits.
 *
 * Runs as uid 0 of a user namespace of its own, in a jail made by images/jail.c (no network, no
 * host file system but /usr read-only), and chroots into its target before it reads the first
 * foreign byte. It never creates a socket, never executes anything and never follows a name of the
 * image out of the layer it is unpacking. Its only output are the files below the target and the
 * records on UNPACK_CONTROL_FD.
 *
 * Every function returns 0 or -errno; the sentence for the user is put into unpack.err by the one
 * who knows most, with unpack_fail().
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
#include "runtime/wire/records.h"

#define JSON_BLOB_BYTES_MAX (4u << 20) /* index, manifest, config */
#define JSON_DEPTH_MAX      32u
#define PATH_BYTES_MAX      4095u
#define NAME_BYTES_MAX      254u /* mkfs.erofs 1.5 cuts longer ones, and then finds no such file */
#define IMAGE_IDS           65536u /* uids and gids an image may use */
/* gzip reaches 1000:1 on zeros; more than that over this much is an attack. */
#define BOMB_RATIO       ((uint64_t)1000)
#define BOMB_BYTES       ((uint64_t)1 << 30)
#define MEMBER_NAME_SIZE 512    /* of a file in the outer archive */
#define MEMBERS_MAX      65536u /* files in the outer archive */

struct unpack {
	int control_fd; /* borrowed */
	int source_fd;  /* borrowed; a regular file */
	const struct wire_unpack_job *job;
	uint64_t bytes;   /* unpacked so far, all layers */
	uint64_t entries; /* entries so far, all layers */
	uint64_t claimed; /* what the files say they hold, all layers: mkfs.erofs reads holes too */
	uint32_t layer_count;
	uint8_t diff_ids[IMAGE_LAYERS_MAX][DIGEST_SIZE]; /* as the config promises them */
	uint8_t digest[DIGEST_SIZE];                     /* of the image */
	struct wire_image_config config;
	char err[ERROR_TEXT_SIZE];
};

/* Puts the sentence into u->err, unless one is there already, and returns err (negative). */
int unpack_fail(struct unpack *u, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- confine.c ---- */

/* Enters the target (whose mount lives as long as target_fd), gives up every right not needed for
 * unpacking and loads the seccomp filter. */
int confine_self(struct unpack *u, int target_fd);

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
void member_close(struct member *m);
/* The next bytes. Returns their number, 0 at the end, or -EIO. */
ssize_t member_read(struct unpack *u, struct member *m, void *buf, size_t size);
/* A whole small file, NUL-terminated and freed by the caller. */
int member_load(struct unpack *u, const char *name, char **out, size_t *out_size);

/* ---- blob.c: content-addressed files of the outer archive ---- */

/* OCI descriptor. What is 0 bytes long is "size unknown" for docker archives. */
struct descriptor {
	uint8_t digest[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];
	bool has_size;
	uint64_t size;
	const char *media_type; /* the JSON tree's */
};

/* Reads a descriptor; what is for messages ("manifest", "layer 2"). */
int descriptor_read(struct unpack *u, const char *what, const struct json *v,
		    struct descriptor *out);
/* "sha256:<64 lower-case hex digits>" -> digest. -EINVAL with a sentence. */
int digest_read(struct unpack *u, const char *what, const char *text, uint8_t digest[DIGEST_SIZE]);
/* Loads blobs/sha256/<hex> as JSON after its size and digest were found right. */
int blob_load_json(struct unpack *u, const char *what, const struct descriptor *d,
		   struct json **out);

/* ---- layer.c ---- */

/* Unpacks member `name` (a tar, plain or compressed) as layer `index` into /layers/<index>,
 * verifying blob (NULL: nothing known) and diff_id (NULL: learn it into u->diff_ids), and reports
 * it. */
int layer_unpack(struct unpack *u, uint32_t index, const char *name, const struct descriptor *blob,
		 const uint8_t *diff_id);
/* The same for the whole source file. */
int layer_unpack_source(struct unpack *u);

/* ---- tar.c: the entries of one layer ---- */

/* Unpacks every entry of the layer into the current directory. what: for messages. */
int tar_unpack(struct unpack *u, const char *what, struct archive *tar);

/* ---- whiteout.c: what a layer takes away from those below it ---- */

struct whiteouts {
	char *names; /* a kind byte and a path, NUL-terminated, one after the other */
	size_t length, capacity;
};

/* What an entry's path means. */
enum whiteout_kind { WHITEOUT_NONE, WHITEOUT_IGNORED, WHITEOUT_FILE, WHITEOUT_OPAQUE };
enum whiteout_kind whiteout_kind(const char *path);
/* Notes it: FILE takes the path to hide, or that of its .wh. entry; OPAQUE its .wh. entry. */
int whiteouts_add(struct whiteouts *w, enum whiteout_kind kind, const char *path);
/* Makes them overlayfs's: character device 0:0, user.overlay.opaque. Deferred to the end of the
 * layer, because a layer's own files win over its whiteouts in whatever order the tar has them. */
int whiteouts_apply(struct unpack *u, const struct whiteouts *w);
void whiteouts_fini(struct whiteouts *w);

/* ---- oci.c, docker.c: the two layouts ---- */

int oci_unpack(struct unpack *u);
int docker_unpack(struct unpack *u);
/* This machine's architecture as OCI names it ("amd64"). */
const char *oci_architecture(void);

/* ---- config.c ---- */

/* Takes entry point, environment and so on; diff_ids into u->diff_ids. `user` is left in out_user
 * (a string of the tree, "" if none) for user_resolve after the layers stand. */
int config_read(struct unpack *u, const struct json *config, const char **out_user);

/* ---- user.c ---- */

/* "name|number[:group|number]" -> uid, gid and additional gids of u->config, looked up in the
 * /etc/passwd and /etc/group which an overlay of the unpacked layers would show. */
int user_resolve(struct unpack *u, const char *user);

#endif

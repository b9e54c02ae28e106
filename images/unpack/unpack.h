/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-unpack: plays one role of an import (enum wire_unpack_role in unpack_records.h), then exits.
 *
 * Runs as uid 0 of a user namespace of its own, in a jail made by images/jail.c (no network, no
 * host file system but /usr read-only), and changes its root before it reads the first foreign
 * byte. It never creates a socket, never executes a program and cannot name a file outside its
 * root. Its only output are the files in that root, the pipes it was given, and the records on
 * UNPACK_CONTROL_FD.
 *
 * A function returns 0 or -errno if its comment says nothing else. The function that knows most
 * about a failure puts the sentence for the user into unpack.err, with unpack_fail().
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
/* mkfs.erofs puts the name of a directory in front of a path; both together must be below 4096
 * bytes. */
#define PATH_BYTES_MAX 4000u
#define NAME_BYTES_MAX 254u   /* mkfs.erofs 1.5 cuts longer ones, and then finds no such file */
#define IMAGE_IDS      65536u /* uids and gids an image may use */
/* gzip reaches 1000:1 on zeros. A higher ratio over more than BOMB_BYTES is taken for an attack. */
#define BOMB_RATIO       ((uint64_t)1000)
#define BOMB_BYTES       ((uint64_t)1 << 30)
#define MEMBER_NAME_SIZE 512    /* of a file in the outer archive */
#define MEMBERS_MAX      65536u /* files in the outer archive */

#define BLOCK_BYTES 65536

/* A small file of the archive; the owner of the struct frees text. */
struct document {
	char *text; /* NUL-terminated, or NULL */
	size_t size;
};

struct unpack {
	int control_fd; /* borrowed */
	int source_fd; /* borrowed; READ: the archive, a regular file; DESCRIBE: the first document;
			* APPLY: the layer's tar; PACK: the pipe that takes the archive */
	int second_fd; /* borrowed; DESCRIBE: the other document, or -1 */
	int tree_fd;   /* borrowed; APPLY: the layers under the overlay, or -1 */
	const struct wire_unpack_job *job;
	uint64_t bytes;   /* unpacked so far, all layers of this process */
	uint64_t entries; /* entries so far */
	uint64_t claimed; /* sum of the files' claimed sizes, as mkfs.erofs reads holes too */
	/* READ */
	uint32_t wanted; /* the layer asked for; layer_count when no further one is */
	int flow_fd;     /* the pipe for that layer */
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

/* Makes a directory the root of this process, gives up every right but these (bits of CAP_*) and
 * loads the seccomp filter. */
int confine_self(struct unpack *u, const char *root, uint32_t caps);
/* Loads the filter alone; a failure puts a sentence into err. */
int confine_calls(char *err, size_t err_size);

/* ---- member.c: one file inside the outer archive ---- */

struct member {
	struct archive *archive;
	struct archive_entry *entry; /* borrowed from archive */
	uint64_t size;
	char name[MEMBER_NAME_SIZE];
};

/* Finds a file by its name; follows links inside the archive. -ENOENT comes without a sentence. The
 * caller closes *out. */
int member_open(struct unpack *u, const char *name, struct member *out);
/* Opens the whole source as if it were one member. */
int member_open_source(struct unpack *u, struct member *out);
void member_close(struct member *m);
/* Reads the next bytes. Returns their number, 0 at the end, or -EIO. */
ssize_t member_read(struct unpack *u, struct member *m, void *buf, size_t size);
/* Reads a whole small file, NUL-terminated; the caller frees *out. */
int member_load(struct unpack *u, const char *name, char **out, size_t *out_size);

/* ---- blob.c: content-addressed files of the outer archive ---- */

/* A descriptor (OCI image-spec descriptor.md). has_size: `size` is known and is checked. */
struct descriptor {
	uint8_t digest[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];
	bool has_size;
	uint64_t size;
	const char *media_type; /* borrowed from the JSON tree */
};

/* Reads a descriptor; `what` names it in messages ("manifest", "layer 2"). */
int descriptor_read(struct unpack *u, const char *what, const struct json *v,
		    struct descriptor *out);
/* Reads "sha256:<64 lower-case hex digits>" into digest. 0, or -EINVAL with a sentence. */
int digest_read(struct unpack *u, const char *what, const char *text, uint8_t digest[DIGEST_SIZE]);
/* Checks bytes against the size and the digest of a descriptor. */
int blob_verify(struct unpack *u, const char *what, const struct descriptor *d, const char *text,
		size_t size);
/* Loads blobs/sha256/<hex>, checks its size and digest, and parses the JSON in it. The caller frees
 * out_text->text and *out. */
int blob_load_json(struct unpack *u, const char *what, const struct descriptor *d,
		   struct document *out_text, struct json **out);

/* ---- flow.c: READ hands layers out, as they are asked for ---- */

/* Hands out u->documents, which were found good, and waits for the next wish. */
int flow_begin(struct unpack *u);
/* Decompresses member `name` (a tar) into the flow if layer `index` is asked for, and waits for the
 * next wish. blob: its size and digest, or NULL. */
int flow_layer(struct unpack *u, uint32_t index, const char *name, const struct descriptor *blob);
/* The same for the whole source file, which is the one layer of an image without documents. */
int flow_source(struct unpack *u);

/* ---- hash.c: HASH ---- */

/* Hashes all layers that flow, until ebbd closes the channel. Parses nothing, so its digests can be
 * believed and name the pieces. */
int hash_flows(struct unpack *u);

/* ---- layer.c, tar.c: APPLY ---- */

/* Applies the tar of u->source_fd to the root of this process. */
int layer_apply(struct unpack *u);
/* Applies every entry. `what` names the layer in messages. *tar_bytes: the bytes of the tar that
 * were read so far. *linked: whether a file got a further name (a hard link). */
int tar_unpack(struct unpack *u, const char *what, struct archive *tar, const uint64_t *tar_bytes,
	       bool *linked);

/* ---- tidy.c ---- */

/* Removes the notes of overlayfs from the finished tree; opaque directories and whiteouts stay.
 * With `files` files are looked at too. */
int tidy(struct unpack *u, int tree_fd, bool files);

/* ---- whiteout.c ---- */

/* The meaning of an entry's path (OCI image-spec layer.md, "Whiteouts"). */
enum whiteout_kind { WHITEOUT_NONE, WHITEOUT_IGNORED, WHITEOUT_FILE, WHITEOUT_OPAQUE };
enum whiteout_kind whiteout_kind(const char *path);
/* The name that a WHITEOUT_FILE hides. */
const char *whiteout_target(const char *path);

/* ---- oci.c, docker.c: the two layouts ---- */

/* READ: hands out the documents and then the layers of u->source_fd, an image-layout of the OCI
 * image-spec (image-layout.md) or an archive of `docker save`. */
int oci_read(struct unpack *u);
int docker_read(struct unpack *u);
/* Reads the documents into u. DESCRIBE calls this, and READ too, for the sake of its sentences. The
 * caller frees *out_config; *out_user is a string in it. */
int oci_describe(struct unpack *u, const struct json *manifest, const struct document *text,
		 struct json **out_config, const char **out_user);
int docker_describe(struct unpack *u, const struct document *text, struct json **out_config,
		    const char **out_user);
/* This machine's architecture as OCI names it ("amd64"). */
const char *oci_architecture(void);
/* Whether this machine can run the image. An absent value (NULL or "") counts as this machine's. */
bool platform_is_ours(const char *os, const char *arch);

/* ---- describe.c: DESCRIBE ---- */

/* Reads the documents, verifies each digest that one gives of the other, sends UNPACK_IMAGE. */
int describe(struct unpack *u);

/* ---- config.c ---- */

/* Takes entry point, environment and so on into u->config, and diff_ids into u->diff_ids. *out_user
 * is the user as the config names it (a string of the JSON tree, "" if none); USER resolves it when
 * the layers stand. */
int config_read(struct unpack *u, const struct json *config, const char **out_user);

/* ---- user.c ---- */

/* Resolves "name|number[:group|number]" into uid, gid and additional gids of u->config, by the
 * /etc/passwd and /etc/group of the image, whose root is the root of this process. */
int user_resolve(struct unpack *u, const char *user);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PACK: the pieces of one image become an OCI archive (image-layout.md in a tar). pack.c has the
 * order of things, pack_tree.c walks through a piece, pack_tar.c writes the tar, pack_words.c
 * writes the documents.
 *
 * An archive names each blob by its digest and size before its bytes. So each piece is read twice:
 * first for both, then for the bytes. The same store gives the same bytes: names are sorted, and
 * only facts of the store are written.
 */
#ifndef EBB_IMAGES_UNPACK_PACK_H
#define EBB_IMAGES_UNPACK_PACK_H

#include <sys/stat.h>

#include "images/unpack/unpack.h"

/* The place where the bytes of a tar go. */
struct sink {
	int fd;              /* borrowed; -1: they are hashed and counted only */
	struct sha256 *hash; /* owned */
	uint64_t bytes;      /* put so far */
	size_t used;         /* of block */
	unsigned char block[BLOCK_BYTES];
};

/* Each 0 or -errno. */
int sink_init(struct sink *s, int fd);
void sink_fini(struct sink *s);
int sink_put(struct sink *s, const void *bytes, size_t size);
/* Zeros up to a whole block of the tar. */
int sink_pad(struct sink *s);
/* Sends what waits, and tells digest and size of all bytes since the last call. */
int sink_end(struct sink *s, uint8_t digest[DIGEST_SIZE], uint64_t *bytes);

/* ---- pack_tar.c ---- */

/* One entry of a tar (POSIX pax). size: of the content, which follows. */
struct tar_entry {
	const char *path;
	const char *link; /* of a hard or a symbolic link, or NULL */
	char type;        /* the typeflag of ustar */
	uint32_t mode, uid, gid;
	uint64_t size;
	struct timespec mtime;
	const char *records; /* finished pax records (tar_record), or NULL */
	size_t records_size;
};

/* A growing text of pax records; the owner frees text. */
struct records {
	char *text;
	size_t size, capacity;
};

/* Adds "<length> <key>=<value>\n". 0 or -ENOMEM. */
int tar_record(struct records *r, const char *key, const void *value, size_t size);
int tar_entry_put(struct sink *s, const struct tar_entry *e);
/* A whole small file, or a directory if bytes is NULL; it belongs to root and has no time. */
int tar_file_put(struct sink *s, const char *path, const void *bytes, size_t size);
/* The end of a tar: two blocks of zeros. */
int tar_end_put(struct sink *s);

/* ---- pack_tree.c ---- */

/* Writes the tree of piece `index` (a directory of that name in the root) as a layer's tar. */
int pack_tree(struct unpack *u, uint32_t index, struct sink *s);

/* ---- pack_words.c ---- */

struct blob {
	uint8_t digest[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];
	uint64_t size;
};

/* The documents of an image of these layers, each JSON; o is initialised, and the caller looks at
 * o->failed and finishes it. */
void pack_config(const struct wire_unpack_image *image, const struct blob *layers,
		 struct json_out *o);
void pack_manifest(const struct blob *config, const struct blob *layers, uint32_t count,
		   struct json_out *o);
void pack_index(const struct blob *manifest, const char *reference, struct json_out *o);

/* ---- pack.c ---- */

/* Writes the archive of the image, which comes as UNPACK_IMAGE, to u->source_fd. */
int pack(struct unpack *u);

#endif

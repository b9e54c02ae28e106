/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store, seen from ebbd (root): pieces by the chain of their layers, mounted once, shared
 * by all instances.
 *
 * Root parses nothing of an image. ebb-unpack (own user namespace, chroot, seccomp, one job)
 * verifies and unpacks archives into a staging directory seen through an id-mapped mount, so that
 * on disk files carry the image's own ids 0..65535; mkfs.erofs, confined the same way, makes one
 * erofs file of each. The store is <dir>/pieces/<key>.erofs, or <dir>/pieces/<key>/ where the
 * kernel has no erofs (store.h). A piece keeps overlay whiteouts (char 0:0) and
 * user.overlay.opaque, so images share pieces and the overlay is mounted with "userxattr". The
 * store directory is 0700. Nothing here logs.
 */
#ifndef EBB_IMAGES_IMAGE_H
#define EBB_IMAGES_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/wire/records.h"

struct fault;
struct image_store;

/* Opens (or makes) the store; dir_fd is borrowed, dir_path its absolute path. unpack_path: the
 * ebb-unpack binary. id_base: host id onto which an unpacker's id 0 is mapped. Removes what an
 * interrupted import left in staging. 0 or -errno with a sentence. */
int image_store_open(const char *dir_path, const char *unpack_path, uint32_t id_base,
		     struct image_store **out, struct fault *f);
/* Unmounts the layers it mounted. NULL is fine. */
void image_store_close(struct image_store *s);
/* The limits of an image; image_store_open sets the defaults of docs/man/ebbd.8. */
struct image_limits {
	uint64_t bytes_max;      /* all files of an image, as they claim */
	uint64_t file_bytes_max; /* one of them */
	uint64_t entries_max;
	uint32_t step_ms; /* of one child of an import: the unpacker, mkfs.erofs, .. */
};
void image_store_limit(struct image_store *s, const struct image_limits *limits);
bool image_store_uses_erofs(const struct image_store *s);

/* One import under way: a confined child and its control socket. */
struct image_import;

/* Starts an import of source_fd (regular file, borrowed). Watch image_import_fd for reading and
 * call image_import_step each time. 0 or -errno. */
int image_import_start(struct image_store *s, const struct wire_image_import *job, int source_fd,
		       struct image_import **out);
int image_import_fd(const struct image_import *i);
/* Takes the next event. 0: not finished; 1: finished, *done filled (done->err says how; on failure
 * nothing is left behind); then call image_import_free. Never blocks long. */
int image_import_step(struct image_import *i, struct wire_image_done *done);
/* After the end: which ebb-unpack died by a signal that nobody sent, and of what; "" if none
 * did. */
const char *image_import_death(const struct image_import *i);
/* Ends it: kills its child and cleans up; image_import_step then says when that is done. */
void image_import_cancel(struct image_import *i);
void image_import_free(
	struct image_import *i); /* kills and cleans up an unfinished one; NULL fine */

/* The root of the layer, in ebbd's mount namespace; mounts it on first use. An O_PATH descriptor,
 * owned by the caller, to clone from with open_tree(2) and the user's own attributes (read-only,
 * nosuid, nodev, id map). -ENOENT: no such layer. */
int image_layer_open(struct image_store *s, const uint8_t key[DIGEST_SIZE]);
/* Removes a layer nobody uses. 0 or -errno; -EBUSY if an overlay still uses it is not an error
 * here: the mount lives on until its last user. */
int image_layer_remove(struct image_store *s, const uint8_t key[DIGEST_SIZE]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store, seen from ebbd (root). A piece is what one layer changes on the layers below it.
 * Pieces are named by the chain of layers up to their own, are mounted once, and are shared by all
 * instances.
 *
 * Root parses nothing of an image. ebb-unpack (own user namespace, chroot, seccomp, one job)
 * verifies archives and unpacks each layer into a staging directory, which it sees through an
 * id-mapped mount, so that files on disk have the image's own ids 0..65535. mkfs.erofs, confined in
 * the same way, makes an erofs file of each piece. The store is <dir>/pieces/<key>.erofs, or
 * <dir>/pieces/<key>/ where the kernel has no erofs (store.h). A piece keeps overlay whiteouts
 * (char 0:0) and user.overlay.opaque, so images can share pieces, and the overlay is mounted with
 * "userxattr" (kernel: Documentation/filesystems/overlayfs.rst). The store directory is 0700.
 * Nothing here logs.
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

/* Opens the store at dir_path (absolute), or makes it. unpack_path: the program ebb-unpack.
 * id_base: the host's id onto which an unpacker's id 0 is mapped. Removes files that an interrupted
 * import left in staging. Blocks on the disk. 0 and *out, or -errno with a sentence in f. */
int image_store_open(const char *dir_path, const char *unpack_path, uint32_t id_base,
		     struct image_store **out, struct fault *f);
/* Unmounts the layers that the store mounted, and frees it. NULL is fine. */
void image_store_close(struct image_store *s);
/* The limits of an image; image_store_open sets the defaults of docs/man/ebbd.8. */
struct image_limits {
	uint64_t bytes_max;      /* sum of the sizes that the files of an image claim */
	uint64_t file_bytes_max; /* the same of one file */
	uint64_t entries_max;
	uint32_t step_ms; /* time for one stage of an import: a layer, mkfs.erofs, .. */
};
void image_store_limit(struct image_store *s, const struct image_limits *limits);
/* 0; -EOPNOTSUPP: the file system of the store cannot be mounted with other ids, so no image can be
 * imported; or -errno. */
int image_store_maps_ids(const struct image_store *s);
bool image_store_uses_erofs(const struct image_store *s);

/* One import under way: a confined child and its control socket. */
struct image_import;

/* Starts an import of source_fd (a regular file, borrowed). The caller watches image_import_fd for
 * reading and calls image_import_step each time. 0 and *out, or -errno. */
int image_import_start(struct image_store *s, const struct wire_image_import *job, int source_fd,
		       struct image_import **out);
int image_import_fd(const struct image_import *i);
/* Takes the next event. Returns 0 while the import goes on. Returns 1 when it has ended: done->err
 * is 0, or the errno of a failure that has left nothing behind; then call image_import_free. Does
 * not block long. */
int image_import_step(struct image_import *i, struct wire_image_done *done);
/* After the end: names the ebb-unpack that crashed or made a call that its filter forbids, and how
 * it died; "" if none did. Borrowed. */
const char *image_import_death(const struct image_import *i);
/* Cancels an import: kills its children and cleans up. image_import_step returns 1 when that is
 * done. */
void image_import_cancel(struct image_import *i);
/* Frees an import; one that has not ended is killed and cleaned up, which blocks. NULL is fine. */
void image_import_free(struct image_import *i);

/* One export under way: a confined child that writes an OCI archive into a pipe. */
struct image_export;

/* Starts an export of these layers (job->layer_count of them is valid) into to_fd, a pipe,
 * borrowed. The caller watches image_export_fd for reading. There is no time limit: the child waits
 * for the reader of the pipe, and ends when that is gone. 0 and *out, or -errno (-ENOENT: a layer
 * is not there). */
int image_export_start(struct image_store *s, const struct wire_image_export *job, int to_fd,
		       struct image_export **out);
int image_export_fd(const struct image_export *e);
/* To be called once, when the descriptor was ready. 0 if the whole archive is in the pipe, or
 * -errno with a sentence. */
int image_export_end(struct image_export *e, char *text, size_t size);
/* Frees an export; one that has not ended is killed, which blocks for some milliseconds. NULL is
 * fine. */
void image_export_free(struct image_export *e);

/* Mounts a layer, for a caller that spreads many over several turns of its loop: one mount takes
 * some 0.3 ms. 0, also when it is mounted already; -ENOENT: it is a plain directory, or there is no
 * such layer; -errno. */
int image_layer_mount(struct image_store *s, const uint8_t key[DIGEST_SIZE]);
/* Opens the root of a layer in ebbd's mount namespace; mounts the layer on first use. Returns
 * an O_PATH descriptor, owned by the caller, who clones it with open_tree(2) and sets
 * attributes of its own on the clone (read-only, nosuid, nodev, id map). -ENOENT: there is no
 * such layer. -errno. */
int image_layer_open(struct image_store *s, const uint8_t key[DIGEST_SIZE]);
/* Removes a layer from the store. 0 or -errno. An overlay that still uses the layer is no
 * error: the layer's mount is detached and lives on until its last user is gone
 * (umount2(2), MNT_DETACH). */
int image_layer_remove(struct image_store *s, const uint8_t key[DIGEST_SIZE]);

#endif

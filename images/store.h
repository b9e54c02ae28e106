/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the image store; only C files of images/ include it. Below dir, all 0700:
 *
 *   pieces/<hex key>.erofs   an erofs file of a piece, or
 *   pieces/<hex key>/	      a plain directory; complete or absent, never half
 *   layers/..		      the same by diff_id, as earlier versions left them: images that
 *			      name them go on working, and no import uses them
 *   mnt/<hex key>/	      where an erofs piece is mounted (private mount namespace of ebbd);
 *			      mnt/<hex diff_id>.old/ for one of layers/
 *   staging/<n>/<layer>/     one import under way: "tree", "work" of overlayfs, "tree.erofs";
 *			      emptied when the store is opened
 *   jail/			  an empty directory on which jail.c builds roots
 */
#ifndef EBB_IMAGES_STORE_H
#define EBB_IMAGES_STORE_H

#include "images/image.h"
#include "runtime/base/filter.h"

#define STORE_PATH_SIZE 4096
#define LAYER_NAME_SIZE (2 * DIGEST_SIZE + 1)
#define EROFS_SUFFIX    ".erofs"
#define BYTES_XATTR     "trusted.ebb.bytes" /* of a piece: the size of its tar, a native uint64_t */

struct image_store {
	char dir[STORE_PATH_SIZE - 256]; /* absolute */
	char jail_dir[STORE_PATH_SIZE];
	int pieces_fd, layers_fd, mnt_fd, staging_fd;
	int unpack_fd; /* the program */
	int mkfs_fd;   /* the program, or -1 */
	int user_ns_fd;
	uint32_t id_base;
	struct filter mkfs_filter;
	bool erofs;
	struct image_limits limits;
	uint64_t next_staging;
};

/* Whether the store has the piece, in either form. *bytes is then the size of its tar, 0 if
 * unknown. */
bool store_has_piece(const struct image_store *s, const char *hex, uint64_t *bytes);

/* Starts mkfs.erofs in a jail (jail.h) that makes "<name>.erofs" of "<name>" in dir_fd; dir_fd and
 * output_fd are borrowed. 0 and an owned pidfd, or -errno. */
int store_spawn_mkfs(struct image_store *s, int dir_fd, const char *name, const char *uuid,
		     int output_fd, int *out_pid_fd);

/* Mounts an erofs file read-only, nosuid, nodev. 0 or -errno. */
int layer_mount_file(const char *file, const char *where);

#endif

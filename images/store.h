/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the image store; only images/ *.c include it. Directories below dir, all 0700:
 *
 *   layers/<hex diff_id>.erofs   one erofs image, or
 *   layers/<hex diff_id>/	  a plain directory; complete or absent, never half
 *   mnt/<hex diff_id>/		  where an erofs layer is mounted (private mount namespace of ebbd)
 *   staging/<n>/		  one import under way; emptied at start
 *   jail/			  an empty directory for jail.c to build on
 */
#ifndef EBB_IMAGES_STORE_H
#define EBB_IMAGES_STORE_H

#include "images/image.h"
#include "runtime/base/filter.h"

#define STORE_PATH_SIZE 4096
#define LAYER_NAME_SIZE (2 * DIGEST_SIZE + 1)
#define EROFS_SUFFIX    ".erofs"

struct image_store {
	char dir[STORE_PATH_SIZE - 256]; /* absolute */
	char jail_dir[STORE_PATH_SIZE];
	int layers_fd, mnt_fd, staging_fd;
	int unpack_fd; /* the program */
	int mkfs_fd;   /* the program, or -1 */
	int user_ns_fd;
	struct filter mkfs_filter;
	bool erofs;
	struct image_limits limits;
	uint64_t next_staging;
};

/* Whether the layer stands in the store in either form. */
bool store_has_layer(const struct image_store *s, const char *hex);

/* Starts mkfs.erofs in the jail on dir_fd: "<name>" -> "<name>.erofs". 0 and a pidfd, or -errno.
 */
int store_spawn_mkfs(struct image_store *s, int dir_fd, const char *name, const char *uuid,
		     int output_fd, int *out_pid_fd);

/* Mounts an erofs file read-only, nosuid, nodev. 0 or -errno. */
int layer_mount_file(const char *file, const char *where);

#endif

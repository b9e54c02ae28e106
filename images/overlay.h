/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts layers on layers inside a jail under construction: as the host's root, in a mount
 * namespace of its own, with an empty tmpfs as working directory. */
#ifndef EBB_IMAGES_OVERLAY_H
#define EBB_IMAGES_OVERLAY_H

#include <stddef.h>
#include <stdint.h>

struct overlay {
	int first_lower_fd; /* detached id-mapped mounts, highest first, in a row; used up */
	size_t lower_count; /* at least 1 */
	int piece_fd;       /* the same of a directory with "tree" and "work", or -1: read-only */
	uint32_t id_base;   /* host id of the mounts' id 0 */
};

/* Attaches it to the new directory `where`. 0 or -errno. */
int overlay_attach(const struct overlay *o, const char *where);

#endif

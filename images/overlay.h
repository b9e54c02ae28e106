/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts an overlay of layers inside a jail that is being built: as the host's root, in a mount
 * namespace of its own, with an empty tmpfs as working directory. */
#ifndef EBB_IMAGES_OVERLAY_H
#define EBB_IMAGES_OVERLAY_H

#include <stddef.h>
#include <stdint.h>

struct overlay {
	int first_lower_fd; /* the first of lower_count descriptors with consecutive numbers:
			     * detached id-mapped mounts, highest first; they get attached */
	size_t lower_count; /* at least 1 */
	int piece_fd;     /* such a mount of a directory with "tree" and "work", or -1: read-only */
	uint32_t id_base; /* the host's id that the mounts show as id 0 */
};

/* Makes the directory `where` and mounts the overlay on it. 0 or -errno. */
int overlay_attach(const struct overlay *o, const char *where);

#endif

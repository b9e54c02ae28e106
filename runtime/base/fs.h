/* SPDX-License-Identifier: Apache-2.0 */
/* File systems that are made before they have a place (fsopen(2), fsmount(2)). */
#ifndef EBB_BASE_FS_H
#define EBB_BASE_FS_H

#include <stddef.h>

struct fs_option {
	const char *key, *value; /* value NULL: a flag */
};

/* Makes a file system of this type. Returns its mount, which is the caller's and is attached
 * nowhere, or -errno. attributes: MOUNT_ATTR_* of mount_setattr(2). */
int fs_make(const char *type, const struct fs_option *options, size_t count,
	    unsigned int attributes);
/* Attaches a detached mount (borrowed) at a path. 0 or -errno. */
int fs_attach(int mount_fd, const char *at);

#endif

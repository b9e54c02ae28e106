// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/zones.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "runtime/base/fd.h"

#define ZONES "/usr/share/zoneinfo"

int zones_open(void)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
						    MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
	SCOPED_FD fd = open_tree(AT_FDCWD, ZONES, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return -errno;
	return keep_fd(&fd);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "runtime/base/fd.h"

static int set_option(int fs_fd, const struct fs_option *o)
{
	unsigned int command = o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

	return fsconfig(fs_fd, command, o->key, o->value, 0) < 0 ? -errno : 0;
}

int fs_make(const char *type, const struct fs_option *options, size_t count,
	    unsigned int attributes)
{
	SCOPED_FD fs_fd = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs_fd < 0)
		return -errno;
	for (size_t i = 0; i < count; i++) {
		int r = set_option(fs_fd, &options[i]);

		if (r < 0)
			return r;
	}
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, attributes);
	return fd < 0 ? -errno : fd;
}

int fs_attach(int mount_fd, const char *at)
{
	return move_mount(mount_fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The socket at which an instance talks to its host. It is made while arming, before there is an
 * image: so an image cannot move it, and root never resolves a path inside an image.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

#define MOUNT_POINT "dev/ebb" /* on the stage */
#define SOCKET_NAME "ipc"

static int mount_own(void)
{
	static const char *const options[][2] = {
		{"mode", "0755"}, {"size", "4k"}, {"nr_inodes", "4"}};
	SCOPED_FD fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
	SCOPED_FD mount_fd = -1;

	if (fs_fd < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (fsconfig(fs_fd, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
			return -errno;
	if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC,
			   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (mount_fd < 0 ||
	    move_mount(mount_fd, "", AT_FDCWD, MOUNT_POINT, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* Every user inside may connect; no process inside can put another socket in its place. */
static int bind_here(int socket_fd)
{
	const struct sockaddr_un at = {.sun_family = AF_UNIX,
				       .sun_path = MOUNT_POINT "/" SOCKET_NAME};
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};

	if (bind(socket_fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    chmod(at.sun_path, 0666) < 0 || listen(socket_fd, SANDBOX_IPC_BACKLOG) < 0 ||
	    mount_setattr(AT_FDCWD, MOUNT_POINT, 0, &read_only, sizeof(read_only)) < 0)
		return -errno;
	return 0;
}

int ipc_bind(struct inside *in)
{
	SCOPED_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : mount_own();

	if (r == 0)
		r = bind_here(fd);
	if (r == 0)
		in->ipc_fd = keep_fd(&fd);
	return r;
}

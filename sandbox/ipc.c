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
#include "runtime/base/fs.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

#define MOUNT_POINT "dev/ebb" /* on the stage */
#define SOCKET_NAME "ipc"

static int mount_own(void)
{
	static const struct fs_option options[] = {
		{"mode", "0755"}, {"size", "4k"}, {"nr_inodes", "4"}};
	SCOPED_FD fd = fs_make("tmpfs", options, ARRAY_LEN(options),
			       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);

	return fd < 0 ? fd : fs_attach(fd, MOUNT_POINT);
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

// SPDX-License-Identifier: Apache-2.0
#include "sandbox/fill.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"

static const char hosts[] = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/* 1: this layer decides, the file is there (or unreachable by plain names: hands off); 0: it
 * decides, the file is missing; -ENOENT: ask the layer below. */
static int layer_has(int layer_fd, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS};
	SCOPED_FD fd = (int)syscall(SYS_openat2, layer_fd, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : 1;
	if (fstat(fd, &st) < 0)
		return 1;
	/* A whiteout, or a placeholder left by a build tool. */
	return !(S_ISCHR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size == 0));
}

static bool image_has(const int *layer_fds, size_t layer_count, const char *path)
{
	for (size_t i = layer_count; i > 0; i--) {
		int r = layer_has(layer_fds[i - 1], path);

		if (r != -ENOENT)
			return r;
	}
	return false;
}

int fill_upper(int scratch_fd, const int *layer_fds, size_t layer_count, uint32_t id_first)
{
	SCOPED_FD fd = -1;

	if (image_has(layer_fds, layer_count, "etc/hosts"))
		return 0;
	if (mkdirat(scratch_fd, "u/etc", 0755) < 0 ||
	    fchownat(scratch_fd, "u/etc", id_first, id_first, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	fd = openat(scratch_fd, "u/etc/hosts", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || fchown(fd, id_first, id_first) < 0)
		return -errno;
	return fd_write_all(fd, hosts, strlen(hosts));
}

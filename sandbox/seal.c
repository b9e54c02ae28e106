// SPDX-License-Identifier: Apache-2.0
/*
 * ebb-init runs from a sealed copy in memory. The seals (fcntl(2), F_ADD_SEALS) keep every process
 * inside from changing the copy, and mode 0111 keeps it from reading the copy. A process whose
 * executable it may not read is not dumpable (PR_SET_DUMPABLE in prctl(2)), here from the first
 * instruction on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "sandbox/inside.h"

#define INIT_BYTES_MAX (1024 * 1024)

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int make_memfd(void)
{
	int fd = memfd_create("ebb-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	/* MFD_EXEC is Linux 6.3; before, every memfd could be executed. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("ebb-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

static int copy_whole(int to_fd, int from_fd, off_t size)
{
	while (size > 0) {
		ssize_t n = sendfile(to_fd, from_fd, NULL, (size_t)size);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		size -= n;
	}
	return 0;
}

int seal_executable(const char *path)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	SCOPED_FD file_fd = open(path, O_RDONLY | O_CLOEXEC);
	SCOPED_FD copy_fd = -1;
	char self[64];
	struct stat st;
	int r, fd;

	if (file_fd < 0 || fstat(file_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > INIT_BYTES_MAX)
		return -ENOEXEC;
	copy_fd = make_memfd();
	if (copy_fd < 0)
		return copy_fd;
	r = copy_whole(copy_fd, file_fd, st.st_size);
	if (r < 0)
		return r;
	if (fchmod(copy_fd, 0111) < 0 || fcntl(copy_fd, F_ADD_SEALS, seals) < 0)
		return -errno;
	/* Sandboxes get an O_PATH descriptor, which can be executed but not read. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", copy_fd);
	fd = open(self, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define FILE_BYTES_MAX (1024 * 1024)

static int read_fd(int fd, char **out, size_t *out_size)
{
	SCOPED_MEM char *text = malloc(FILE_BYTES_MAX + 1);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	n = fd_read_all(fd, text, FILE_BYTES_MAX + 1);
	if (n < 0)
		return (int)n;
	if (n > FILE_BYTES_MAX)
		return -EFBIG;
	text[n] = '\0';
	*out_size = (size_t)n;
	*out = keep_mem(text);
	return 0;
}

int file_read(const char *path, char **out, size_t *out_size)
{
	SCOPED_FD fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					      : open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : read_fd(fd, out, out_size);
}

int file_open_beneath(int dir_fd, const char *name)
{
	struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	SCOPED_FD fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? keep_fd(&fd) : -EINVAL;
}

int file_is_directory_beneath(int dir_fd, const char *name)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	SCOPED_FD fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : 0;
}

int file_read_beneath(int dir_fd, const char *name, char **out, size_t *out_size)
{
	SCOPED_FD fd = file_open_beneath(dir_fd, name);

	return fd < 0 ? fd : read_fd(fd, out, out_size);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define FILE_BYTES_MAX (1024 * 1024)

int file_read(const char *path, char **out, size_t *out_size)
{
	SCOPED_MEM char *text = malloc(FILE_BYTES_MAX + 1);
	SCOPED_FD fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					      : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
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

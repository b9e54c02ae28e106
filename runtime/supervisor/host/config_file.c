// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define FILE_BYTES_MAX 65536
#define LINE_BYTES_MAX 2047

static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n > 0 && strchr(" \t\r", text[n - 1]))
		text[--n] = '\0';
	return text;
}

static int take_line(char *line, size_t size,
		     int (*set)(void *self, const char *key, const char *value, struct fault *f),
		     void *self, struct fault *f)
{
	char *name, *value;

	if (strlen(line) != size)
		return fault_say(f, -EINVAL, "the line has a byte of zero");
	if (size > LINE_BYTES_MAX)
		return fault_say(f, -EINVAL, "the line has more than %d bytes", LINE_BYTES_MAX);
	name = trim(line);
	if (*name == '\0' || *name == '#')
		return 0;
	value = strchr(name, '=');
	if (!value)
		return fault_say(f, -EINVAL, "%.64s is not of the form key = value", name);
	*value++ = '\0';
	return set(self, trim(name), trim(value), f);
}

/* Opens the file without waiting, as a pipe would make us do. */
static int open_file(const char *path, struct fault *f)
{
	SCOPED_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_errno(f, -errno, "%s: cannot be read", path);
	if (!S_ISREG(st.st_mode))
		return fault_say(f, -EINVAL, "%s: is not a file", path);
	return keep_fd(&fd);
}

static int load(const char *path, char *text, struct fault *f)
{
	SCOPED_FD fd = open_file(path, f);
	size_t used = 0;

	while (fd >= 0 && used <= FILE_BYTES_MAX) {
		ssize_t n = read(fd, text + used, FILE_BYTES_MAX + 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_errno(f, -errno, "%s: cannot be read", path);
		if (n == 0)
			return (int)used;
		used += (size_t)n;
	}
	return fd < 0 ? fd
		      : fault_say(f, -EFBIG, "%s: has more than %d bytes", path, FILE_BYTES_MAX);
}

int config_file_read(const char *path,
		     int (*set)(void *self, const char *key, const char *value, struct fault *f),
		     void *self, struct fault *f)
{
	SCOPED_MEM char *text = malloc(FILE_BYTES_MAX + 1);
	int size = text ? load(path, text, f) : fault_errno(f, -ENOMEM, "%s", path), r = 0;
	char *line = text;

	if (size < 0)
		return size;
	text[size] = '\0';
	for (int number = 1; r == 0 && line < text + size; number++) {
		char *end = memchr(line, '\n', (size_t)(text + size - line));

		end = end ? end : text + size;
		*end = '\0';
		r = take_line(line, (size_t)(end - line), set, self, f);
		if (r < 0)
			fault_at(f, "%s:%d", path, number);
		line = end + 1;
	}
	return r;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"

#define FILE_BYTES_MAX (1u << 20)
#define DEPTH_MAX      16
#define TEMPORARY      ".new" /* one writer, so one name will do */

int state_dir(int dir_fd, const char *name)
{
	int fd;

	if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_temporary(int dir_fd, const char *bytes, size_t size)
{
	SCOPED_FD fd = openat(dir_fd, TEMPORARY,
			      O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, bytes, size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

static int state_write(int dir_fd, const char *name, const char *bytes, size_t size)
{
	int r = write_temporary(dir_fd, bytes, size);

	if (r == 0 && renameat(dir_fd, TEMPORARY, dir_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, TEMPORARY, 0);
		return r;
	}
	return fsync(dir_fd) < 0 ? -errno : 0;
}

int state_write_json(int dir_fd, const char *name, const struct json_out *o)
{
	return o->failed ? -ENOMEM : state_write(dir_fd, name, o->text, o->length);
}

int state_read_json(int dir_fd, const char *name, struct json **out, struct fault *f)
{
	SCOPED_MEM char *text = malloc(FILE_BYTES_MAX);
	ssize_t n = text ? fd_read_file_at(dir_fd, name, text, FILE_BYTES_MAX) : -ENOMEM;
	char why[200];
	int r;

	if (n == -ENOENT)
		return -ENOENT;
	if (n < 0)
		return fault_errno(f, (int)n, "it cannot be read");
	r = json_parse(text, (size_t)n, DEPTH_MAX, out, why, sizeof(why));
	return r < 0 ? fault_say(f, r, "%s", why) : 0;
}

int state_remove(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return fsync(dir_fd) < 0 ? -errno : 0;
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t n = strlen(text), s = strlen(suffix);

	return n > s && strcmp(text + n - s, suffix) == 0;
}

int state_list(int dir_fd, const char *suffix, int (*each)(void *ctx, const char *name), void *ctx)
{
	int copy_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy_fd < 0 ? NULL : fdopendir(copy_fd);
	const struct dirent *entry;
	int r = 0, next = 0;

	if (!dir) {
		r = -errno;
		fd_close(&copy_fd);
		return r;
	}
	while (r == 0 && (next = fd_next_entry(dir, &entry)) == 1)
		if (ends_with(entry->d_name, suffix))
			r = each(ctx, entry->d_name);
	closedir(dir);
	return r == 0 ? next : r;
}

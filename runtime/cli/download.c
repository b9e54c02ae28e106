// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/download.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/text.h"

static int part_name(const struct download *d, char *buf, size_t size)
{
	return text_format(buf, size, "%s.part", d->path);
}

static int open_named(struct download *d)
{
	char part[PATH_MAX];
	int r = part_name(d, part, sizeof(part));

	if (r < 0)
		return r;
	d->fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	d->named = d->fd >= 0;
	return d->fd < 0 ? -errno : 0;
}

static int open_nameless(struct download *d)
{
	const char *slash = strrchr(d->path, '/');
	char dir[PATH_MAX] = ".";

	if (slash == d->path)
		(void)text_copy(dir, sizeof(dir), "/");
	else if (slash &&
		 text_format(dir, sizeof(dir), "%.*s", (int)(slash - d->path), d->path) < 0)
		return -ENAMETOOLONG;
	d->fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
	return d->fd < 0 ? -errno : 0;
}

int download_open(struct download *d, const char *path)
{
	struct stat st;
	int r;

	*d = (struct download){.path = path, .fd = STDOUT_FILENO, .direct = true};
	if (!path)
		return 0;
	d->fd = -1;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		d->fd = open(path, O_WRONLY | O_CLOEXEC);
		return d->fd < 0 ? -errno : 0;
	}
	d->direct = false;
	r = open_nameless(d);
	/* An old kernel takes O_TMPFILE for an attempt to write a directory. */
	return r == -EOPNOTSUPP || r == -EISDIR ? open_named(d) : r;
}

int download_put(struct download *d, const void *bytes, size_t size)
{
	d->bytes += size;
	return fd_write_all(d->fd, bytes, size);
}

/* Gives the nameless file a name (open(2), O_TMPFILE). */
static int give_name(struct download *d, const char *part)
{
	char self[48];

	(void)text_format(self, sizeof(self), "/proc/self/fd/%d", d->fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, part, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	d->named = true;
	return 0;
}

int download_keep(struct download *d)
{
	char part[PATH_MAX];
	int r = 0;

	if (d->direct)
		return 0;
	r = part_name(d, part, sizeof(part));
	if (r == 0 && fsync(d->fd) < 0)
		r = -errno;
	if (r == 0 && !d->named)
		r = give_name(d, part);
	if (r == 0 && rename(part, d->path) < 0)
		r = -errno;
	if (r == 0)
		d->named = false;
	return r;
}

void download_close(struct download *d)
{
	char part[PATH_MAX];

	if (d->named && part_name(d, part, sizeof(part)) == 0)
		(void)unlink(part);
	if (d->path)
		fd_close(&d->fd);
}

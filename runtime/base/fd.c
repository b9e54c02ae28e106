// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void fd_close(int *fd)
{
	int kept = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = kept;
}

ssize_t fd_read_all(int fd, void *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)buf + done, size - done);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int fd_write_all(int fd, const void *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, (const char *)buf + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

ssize_t fd_read_file_at(int dir_fd, const char *path, char *buf, size_t size)
{
	SCOPED_FD fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char extra;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fd_read_all(fd, buf, size - 1);
	if (n < 0)
		return n;
	buf[n] = '\0';
	if ((size_t)n == size - 1 && fd_read_all(fd, &extra, 1) > 0)
		return -EFBIG;
	return n;
}

int fd_write_file_at(int dir_fd, const char *path, const char *text)
{
	SCOPED_FD fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
	size_t size = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, size);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

int fd_mkdir_p(int dir_fd, const char *path, mode_t mode)
{
	char part[4096];
	size_t size = strlen(path);

	if (size >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= size; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdirat(dir_fd, part, mode) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* ---- removing a tree ---- */

/* The directories above the one being emptied. Two descriptors serve a tree of any depth. A
 * stranger may have made the tree, so each step back checks that it reached the same directory. */
struct descent {
	struct stat *above;
	size_t depth, room;
};

static int note_above(struct descent *d, int dir_fd)
{
	size_t room = d->room ? 2 * d->room : 64;

	if (d->depth == d->room) {
		struct stat *above = realloc(d->above, room * sizeof(*above));

		if (!above)
			return -ENOMEM;
		d->above = above;
		d->room = room;
	}
	return fstat(dir_fd, &d->above[d->depth++]) < 0 ? -errno : 0;
}

/* Removes one entry. 1: it is gone; 0: it is a directory that is not empty; or -errno. */
static int remove_one(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 1;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 1;
	return errno == ENOTEMPTY || errno == EEXIST ? 0 : -errno;
}

int fd_next_entry(DIR *list, const struct dirent **out)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(list);
		if (!entry)
			return -errno;
	} while (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	*out = entry;
	return 1;
}

/* Removes the entries of a directory. 1: it is empty; 0: *out_fd is a child directory that is not
 * empty, now the caller's; or -errno. */
static int remove_flat(int dir_fd, int *out_fd)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);
	const struct dirent *entry;
	int r = list ? 1 : -errno, next = 0;

	if (!list)
		fd_close(&list_fd);
	while (r == 1 && (next = fd_next_entry(list, &entry)) == 1) {
		r = remove_one(dir_fd, entry->d_name);
		if (r != 0)
			continue;
		*out_fd = openat(dir_fd, entry->d_name,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = *out_fd < 0 ? -errno : 0;
	}
	if (list)
		closedir(list);
	return r == 1 && next < 0 ? next : r;
}

static int ascend(struct descent *d, int *dir_fd)
{
	SCOPED_FD up_fd = openat(*dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct stat *was = &d->above[--d->depth];
	struct stat st;

	if (up_fd < 0 || fstat(up_fd, &st) < 0)
		return -errno;
	if (st.st_ino != was->st_ino || st.st_dev != was->st_dev)
		return -ESTALE; /* the directory was moved meanwhile */
	fd_close(dir_fd);
	*dir_fd = keep_fd(&up_fd);
	return 0;
}

static int empty_tree(int top_fd)
{
	SCOPED_FD dir_fd = fcntl(top_fd, F_DUPFD_CLOEXEC, 0);
	struct descent d = {0};
	int r = dir_fd < 0 ? -errno : 0;

	while (r == 0) {
		int child_fd = -1;

		r = remove_flat(dir_fd, &child_fd);
		if (r == 1 && d.depth == 0)
			break;
		if (r == 1) {
			r = ascend(&d, &dir_fd);
		} else if (r == 0) {
			r = note_above(&d, dir_fd);
			fd_close(&dir_fd);
			dir_fd = child_fd;
		}
	}
	free(d.above);
	return r < 0 ? r : 0;
}

int fd_rmtree_at(int dir_fd, const char *path)
{
	SCOPED_FD top_fd = -1;
	int r = remove_one(dir_fd, path);

	if (r != 0)
		return r < 0 ? r : 0;
	top_fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top_fd < 0)
		return -errno;
	r = empty_tree(top_fd);
	if (r < 0)
		return r;
	return unlinkat(dir_fd, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

int fd_set_cloexec(int fd, int on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_close_from(unsigned int first)
{
	return syscall(SYS_close_range, first, ~0U, 0) < 0 ? -errno : 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

static int remove_children(int dir_fd);

static int remove_entry(int dir_fd, const char *name)
{
	SCOPED_FD child_fd = -1;
	int r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	child_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child_fd < 0)
		return -errno;
	r = remove_children(child_fd);
	if (r < 0)
		return r;
	return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

static int remove_children(int dir_fd)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list;
	const struct dirent *entry;
	int r = 0;

	if (list_fd < 0)
		return -errno;
	list = fdopendir(list_fd);
	if (!list) {
		r = -errno;
		fd_close(&list_fd);
		return r;
	}
	while (r == 0 && (entry = readdir(list)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_entry(dir_fd, entry->d_name);
	closedir(list);
	return r;
}

int fd_rmtree_at(int dir_fd, const char *path)
{
	return remove_entry(dir_fd, path);
}

int fd_set_cloexec(int fd, int on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_close_from(unsigned int first)
{
	return syscall(SYS_close_range, first, ~0U, 0) < 0 ? -errno : 0;
}

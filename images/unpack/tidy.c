// SPDX-License-Identifier: Apache-2.0
/*
 * Makes a piece for the store of the tree that overlayfs has written. Removes the extended
 * attributes in which overlayfs notes from where it copied a directory or a file up; opaque
 * directories and whiteouts stay. A new file has no such note. So files are looked at only if the
 * layer gave a file a further name (a hard link), because that copies a lower file up.
 */
#include "images/unpack/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/base/fd.h"

#define XATTR_LIST_MAX 65536

static int tidy_xattrs(int fd)
{
	static char list[XATTR_LIST_MAX];
	ssize_t n = flistxattr(fd, list, sizeof(list));

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(list + at) + 1) {
		const char *name = list + at;

		if (strncmp(name, "user.overlay.", 13) == 0 &&
		    strcmp(name, "user.overlay.opaque") != 0 && fremovexattr(fd, name) < 0)
			return -errno;
	}
	return n < 0 && errno != ENOTSUP ? -errno : 0;
}

static int tidy_directory(int dir_fd, bool files);

static int tidy_entry(int dir_fd, const struct dirent *entry, bool files)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	SCOPED_FD fd = -1;
	struct stat st;

	if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) && !(files && S_ISREG(st.st_mode)))
		return 0;
	fd = openat(dir_fd, entry->d_name, S_ISDIR(st.st_mode) ? flags | O_DIRECTORY : flags);
	if (fd < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? tidy_directory(fd, files) : tidy_xattrs(fd);
}

static int tidy_directory(int dir_fd, bool files)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);
	const struct dirent *entry;
	int r = list ? tidy_xattrs(dir_fd) : -errno, next = 0;

	while (r == 0 && (next = fd_next_entry(list, &entry)) == 1)
		if (files || entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
			r = tidy_entry(dir_fd, entry, files);
	if (list)
		closedir(list);
	else
		fd_close(&list_fd);
	return r == 0 ? next : r;
}

int tidy(struct unpack *u, int tree_fd, bool files)
{
	int r = tidy_directory(tree_fd, files);

	return r < 0 ? unpack_fail(u, r, "layer %u: its tree: %s", u->job->layer + 1, strerror(-r))
		     : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A variable whose name ends in _fd owns its descriptor; -1 says that it was closed or moved.
 * Nothing here logs or exits. Functions return 0 or a meaning >= 0, or -errno.
 */
#ifndef EBB_BASE_FD_H
#define EBB_BASE_FD_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Closes *fd unless it is negative, and sets it to -1. Keeps errno. */
void fd_close(int *fd);

/* A descriptor closed when its scope ends: SCOPED_FD dir_fd = open(...); */
#define SCOPED_FD __attribute__((cleanup(fd_close))) int

/* Moves a descriptor out of a scoped variable: *out = keep_fd(&dir_fd); */
static inline int keep_fd(int *fd)
{
	int kept = *fd;

	*fd = -1;
	return kept;
}

/* Reads until size bytes or end of file. Returns the bytes read or -errno. May block. */
ssize_t fd_read_all(int fd, void *buf, size_t size);
/* Writes all size bytes. Returns 0 or -errno. May block. */
int fd_write_all(int fd, const void *buf, size_t size);
/* Reads a small file relative to dir_fd as a NUL-terminated string. Returns its length or -errno;
 * -EFBIG if it does not fit. */
ssize_t fd_read_file_at(int dir_fd, const char *path, char *buf, size_t size);
/* Writes text to an existing file (cgroup, procfs) in one write(2). Returns 0 or -errno. */
int fd_write_file_at(int dir_fd, const char *path, const char *text);
/* Makes a directory and its parents, each with this mode less the umask. Existing ones are fine. 0
 * or -errno. */
int fd_mkdir_p(int dir_fd, const char *path, mode_t mode);
/* Removes the tree dir_fd/path. Follows no symbolic link and never leaves the tree. A path that
 * does not exist is fine. 0 or -errno. */
int fd_rmtree_at(int dir_fd, const char *path);
/* The next entry of a directory except "." and "..". 1 and *out (valid until the next call), 0 at
 * the end, or -errno: the listing broke off and is not a whole one (readdir(3)). */
int fd_next_entry(DIR *list, const struct dirent **out);
/* Sets FD_CLOEXEC (on = 1) or clears it (0). 0 or -errno. */
int fd_set_cloexec(int fd, int on);
/* Closes every descriptor >= first (close_range(2)). 0 or -errno. */
int fd_close_from(unsigned int first);

#endif

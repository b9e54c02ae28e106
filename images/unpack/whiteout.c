// SPDX-License-Identifier: Apache-2.0
#include "images/unpack/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define PREFIX         ".wh."
#define OPAQUE         ".wh..wh..opq"
#define AUFS_PREFIX    ".wh..wh." /* bookkeeping of aufs, meaningless elsewhere */
#define LIST_BYTES_MAX ((size_t)64 << 20)

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

enum whiteout_kind whiteout_kind(const char *path)
{
	const char *name = base_name(path);

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return WHITEOUT_NONE;
	if (strcmp(name, OPAQUE) == 0)
		return WHITEOUT_OPAQUE;
	if (strncmp(name, AUFS_PREFIX, strlen(AUFS_PREFIX)) == 0 || !name[strlen(PREFIX)] ||
	    strcmp(name + strlen(PREFIX), ".") == 0 || strcmp(name + strlen(PREFIX), "..") == 0)
		return WHITEOUT_IGNORED;
	return WHITEOUT_FILE;
}

static int reserve(struct whiteouts *w, size_t more)
{
	size_t capacity = w->capacity ? w->capacity : 4096;
	char *names;

	if (w->length + more > LIST_BYTES_MAX)
		return -ENOMEM;
	while (capacity < w->length + more)
		capacity *= 2;
	if (capacity == w->capacity)
		return 0;
	names = realloc(w->names, capacity);
	if (!names)
		return -ENOMEM;
	w->names = names;
	w->capacity = capacity;
	return 0;
}

/* Keeps "<kind><directory/>" "<name>": for an opaque one the name is "". */
int whiteouts_add(struct whiteouts *w, enum whiteout_kind kind, const char *path)
{
	const char *name = base_name(path);
	size_t dir_size = (size_t)(name - path);
	int r;

	if (kind == WHITEOUT_OPAQUE)
		name = "";
	else if (whiteout_kind(path) == WHITEOUT_FILE)
		name += strlen(PREFIX);
	r = reserve(w, 1 + dir_size + 1 + strlen(name) + 1);
	if (r < 0)
		return r;
	w->names[w->length++] = (char)kind;
	memcpy(w->names + w->length, path, dir_size);
	w->length += dir_size;
	w->names[w->length++] = '\0';
	memcpy(w->names + w->length, name, strlen(name) + 1);
	w->length += strlen(name) + 1;
	return 0;
}

/* The directory below the layer's root, made if missing. -ENOTDIR: a file or a symbolic link of
 * this layer stands there, so what is below in other layers is hidden already. */
static int open_dir(const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	const char *at = *path ? path : ".";
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, at, &how, sizeof(how));
	int r;

	if (fd >= 0)
		return fd;
	if (errno == ELOOP)
		return -ENOTDIR;
	if (errno != ENOENT)
		return -errno;
	r = fd_mkdir_p(AT_FDCWD, path, 0755);
	if (r < 0)
		return r;
	fd = (int)syscall(SYS_openat2, AT_FDCWD, at, &how, sizeof(how));
	if (fd >= 0)
		return fd;
	return errno == ELOOP ? -ENOTDIR : -errno;
}

static int set_opaque(int dir_fd)
{
	return fsetxattr(dir_fd, "user.overlay.opaque", "y", 1, 0) < 0 ? -errno : 0;
}

static int hide(int dir_fd, const char *name)
{
	SCOPED_FD child_fd = -1;
	struct stat st;

	if (mknodat(dir_fd, name, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return 0; /* this layer's own file hides the lower one */
	child_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return child_fd < 0 ? -errno : set_opaque(child_fd);
}

static int apply_one(enum whiteout_kind kind, const char *dir, const char *name)
{
	SCOPED_FD dir_fd = open_dir(dir);

	if (dir_fd == -ENOTDIR)
		return 0;
	if (dir_fd < 0)
		return dir_fd;
	return kind == WHITEOUT_OPAQUE ? set_opaque(dir_fd) : hide(dir_fd, name);
}

int whiteouts_apply(struct unpack *u, const struct whiteouts *w)
{
	const char *at = w->names;

	while (at && at < w->names + w->length) {
		enum whiteout_kind kind = (enum whiteout_kind) * at;
		const char *dir = at + 1;
		const char *name = dir + strlen(dir) + 1;
		int r = apply_one(kind, dir, name);

		if (r < 0)
			return unpack_fail(u, r, "whiteout of %.160s%.160s: %s", dir, name,
					   strerror(-r));
		at = name + strlen(name) + 1;
	}
	return 0;
}

void whiteouts_fini(struct whiteouts *w)
{
	free(w->names);
	*w = (struct whiteouts){0};
}

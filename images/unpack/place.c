// SPDX-License-Identifier: Apache-2.0
#include "images/unpack/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define LINKS_MAX  40 /* as many as the kernel follows (path_resolution(7)) */
#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* A path that is being resolved: its resolved part, and the rest. */
struct walk {
	struct spot *at;
	char rest[2 * PATH_BYTES_MAX + 2];
	unsigned int links;
	bool make;
	const struct timespec *implied;
};

static int to_root(struct walk *w)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	fd_close(&w->at->fd);
	w->at->fd = fd;
	w->at->path[0] = '\0';
	return 0;
}

static int step_up(struct walk *w)
{
	char *slash = strrchr(w->at->path, '/');
	int fd;

	if (!w->at->path[0])
		return 0; /* ".." of the root is the root */
	fd = openat(w->at->fd, "..", OPEN_FLAGS);
	if (fd < 0)
		return -errno;
	fd_close(&w->at->fd);
	w->at->fd = fd;
	*(slash ? slash : w->at->path) = '\0';
	return 0;
}

static int step_down(struct walk *w, const char *name)
{
	size_t n = strlen(w->at->path);
	int fd = openat(w->at->fd, name, OPEN_FLAGS);

	if (fd < 0)
		return -errno;
	fd_close(&w->at->fd);
	w->at->fd = fd;
	return text_format(w->at->path + n, sizeof(w->at->path) - n, "%s%s", n ? "/" : "", name);
}

/* Puts the target of a link in front of the rest of the path. */
static int step_link(struct walk *w, const char *name)
{
	char joined[sizeof(w->rest)], target[PATH_MAX];
	ssize_t n = readlinkat(w->at->fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return errno == EINVAL ? -ENOTDIR : -errno;
	target[n] = '\0';
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (text_format(joined, sizeof(joined), "%s/%s", target, w->rest) < 0)
		return -ENAMETOOLONG;
	memcpy(w->rest, joined, sizeof(joined));
	return target[0] == '/' ? to_root(w) : 0;
}

/* Makes a directory that no layer brought: owner root, mode 0755, with the time of the entry for
 * which it is made. The time of the parent stays. */
static int make_implied(struct walk *w, const char *name)
{
	const struct timespec own[2] = {*w->implied, *w->implied};
	struct timespec times[2];
	struct stat st;

	if (fstat(w->at->fd, &st) < 0 || mkdirat(w->at->fd, name, 0755) < 0)
		return -errno;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (utimensat(w->at->fd, name, own, AT_SYMLINK_NOFOLLOW) < 0 ||
	    futimens(w->at->fd, times) < 0)
		return -errno;
	return 0;
}

static int step(struct walk *w, const char *name)
{
	int r;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0)
		return step_up(w);
	r = step_down(w, name);
	if (r == -ENOTDIR || r == -ELOOP)
		return step_link(w, name);
	if (r != -ENOENT || !w->make)
		return r;
	r = make_implied(w, name);
	return r < 0 ? r : step_down(w, name);
}

static int walk(struct walk *w)
{
	int r = to_root(w);

	while (r == 0) {
		char name[NAME_BYTES_MAX + 1];
		char *at = w->rest + strspn(w->rest, "/");
		size_t n = strcspn(at, "/");

		if (n == 0)
			return 0;
		if (n >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, at, n);
		name[n] = '\0';
		memmove(w->rest, at + n, strlen(at + n) + 1);
		r = step(w, name);
	}
	fd_close(&w->at->fd);
	return r;
}

int place_find(const char *path, struct spot *out)
{
	struct walk w = {.at = out};

	out->fd = -1;
	return text_copy(w.rest, sizeof(w.rest), path) < 0 ? -ENAMETOOLONG : walk(&w);
}

/* ---- the present directory ---- */

int place_init(struct place *p, bool lower)
{
	*p = (struct place){.touched = touched_new(), .lower = lower, .at.fd = -1};
	return p->touched ? 0 : -ENOMEM;
}

void place_fini(struct place *p)
{
	fd_close(&p->at.fd);
	touched_free(p->touched);
}

int place_leave(struct place *p)
{
	int r = 0;

	/* Only a changed directory gets its times back: overlayfs would copy an unchanged
	 * one up. */
	if (p->at.fd >= 0 && p->changed && futimens(p->at.fd, p->times) < 0)
		r = -errno;
	p->changed = false;
	fd_close(&p->at.fd);
	return r;
}

static int note_times(struct place *p)
{
	struct stat st;

	if (fstat(p->at.fd, &st) < 0)
		return -errno;
	p->times[0] = st.st_atim;
	p->times[1] = st.st_mtim;
	return 0;
}

int place_enter(struct place *p, const char *path, bool make, const char **out_name)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	struct walk w = {.at = &p->at, .make = make, .implied = &p->implied};
	int r;

	*out_name = slash ? slash + 1 : path;
	if (p->at.fd >= 0 && !p->stale && strlen(p->asked) == n && memcmp(p->asked, path, n) == 0)
		return 0;
	r = place_leave(p);
	if (r < 0)
		return r;
	memcpy(p->asked, path, n);
	p->asked[n] = '\0';
	memcpy(w.rest, p->asked, n + 1);
	p->stale = false;
	r = walk(&w);
	return r < 0 ? r : note_times(p);
}

static int path_of(const struct place *p, const char *name, char path[PATH_BYTES_MAX + 1])
{
	return text_format(path, PATH_BYTES_MAX + 1, "%s%s%s", p->at.path,
			   p->at.path[0] && *name ? "/" : "", name);
}

int place_touch(struct place *p, const char *name)
{
	char path[PATH_BYTES_MAX + 1];
	int r = path_of(p, name, path);

	p->changed = true;
	return r < 0 ? r : touched_add(p->touched, path);
}

int place_clear(struct place *p, const char *name, bool keep_directory)
{
	struct stat st;
	int r;

	if (fstatat(p->at.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (keep_directory && S_ISDIR(st.st_mode))
		return 1;
	r = fd_rmtree_at(p->at.fd, name);
	p->changed = true;
	/* The removed entry may have been a link on the path to the present directory. */
	p->stale = true;
	return r;
}

/* ---- whiteouts ---- */

static int hide_in(const struct place *p, int dir_fd, char *path);

/* Removes an entry of the layers below. An entry of this layer stays; a directory of this layer, or
 * on the path to one of its entries, stays without the other entries in it. */
static int hide_one(const struct place *p, int dir_fd, const char *name, char *path)
{
	SCOPED_FD child_fd = -1;

	if (!touched_has(p->touched, path))
		return fd_rmtree_at(dir_fd, name);
	child_fd = openat(dir_fd, name, OPEN_FLAGS);
	if (child_fd < 0)
		return errno == ENOTDIR || errno == ELOOP || errno == ENOENT ? 0 : -errno;
	return hide_in(p, child_fd, path);
}

/* Hides all entries of a directory. path is the path of the directory, with room for the names that
 * are added to it meanwhile. */
static int hide_all(const struct place *p, int dir_fd, DIR *list, char *path)
{
	size_t n = strlen(path);
	const struct dirent *entry;
	int r = 0, next = 0;

	while (r == 0 && (next = fd_next_entry(list, &entry)) == 1) {
		r = text_format(path + n, PATH_BYTES_MAX + 1 - n, "%s%s", n ? "/" : "",
				entry->d_name);
		if (r == 0)
			r = hide_one(p, dir_fd, entry->d_name, path);
		path[n] = '\0';
	}
	return r == 0 ? next : r;
}

static int hide_in(const struct place *p, int dir_fd, char *path)
{
	int list_fd = openat(dir_fd, ".", OPEN_FLAGS);
	DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct timespec times[2];
	struct stat st;
	int r = list && fstat(dir_fd, &st) == 0 ? 0 : -errno;

	if (r == 0)
		r = hide_all(p, dir_fd, list, path);
	if (list)
		closedir(list);
	else
		fd_close(&list_fd);
	if (r < 0)
		return r;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return futimens(dir_fd, times) < 0 ? -errno : 0;
}

int place_hide(struct place *p, const char *name)
{
	char path[PATH_BYTES_MAX + 1];
	struct stat st;
	int r = path_of(p, name, path);

	if (r < 0)
		return r;
	if (!*name)
		return hide_in(p, p->at.fd, path);
	if (fstatat(p->at.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = hide_one(p, p->at.fd, name, path);
	p->changed = p->stale = true;
	return r;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Emptying and removing whole trees. Every walk is depth first and never touches the tree's own
 * directory: a cgroup.kill there would poison later CLONE_INTO_CGROUP children below it.
 */
#include "cgroups/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define DEPTH_MAX  8u /* ours is 2 */
#define LEAF_DEPTH 2u

struct walk {
	/* Called after the children of name were visited. parent_fd is borrowed. */
	int (*visit)(struct walk *w, int parent_fd, const char *name, unsigned int depth);
	uint64_t deadline_ns;
	unsigned int leaves;
	/* The entries that it passes by; NULL: none. dir: of the leaves. */
	bool (*keep)(void *self, const char *path);
	void *self;
	const char *dir;
};

static int walk_dir(struct walk *w, int dir_fd, unsigned int depth);

static int walk_child(struct walk *w, int parent_fd, const char *name, unsigned int depth)
{
	SCOPED_FD dir_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (dir_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (depth > DEPTH_MAX)
		return -ELOOP;
	r = walk_dir(w, dir_fd, depth);
	return r < 0 ? r : w->visit(w, parent_fd, name, depth);
}

static bool is_kept(const struct walk *w, const char *name, unsigned int depth)
{
	char path[512];

	return w->keep && depth == 0 &&
	       (text_format(path, sizeof(path), "%s/%s", w->dir, name) < 0 ||
		w->keep(w->self, path));
}

static int walk_dir(struct walk *w, int dir_fd, unsigned int depth)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *list;
	int r = 0, next = 0;

	list = list_fd < 0 ? NULL : fdopendir(list_fd);
	if (!list) {
		r = -errno;
		fd_close(&list_fd);
		return r;
	}
	while (r == 0 && (next = fd_next_entry(list, &entry)) == 1)
		if (entry->d_type == DT_DIR && !is_kept(w, entry->d_name, depth))
			r = walk_child(w, dir_fd, entry->d_name, depth + 1);
	closedir(list);
	return r == 0 ? next : r;
}

static int visit_remove(struct walk *w, int parent_fd, const char *name, unsigned int depth)
{
	return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

void cgroup_tree_remove(struct cgroup_tree *t)
{
	if (t)
		cgroup_own_leave(t);
	for (unsigned int i = 0; t && i < t->count; i++) {
		struct walk w = {.visit = visit_remove};

		walk_dir(&w, t->at[i].tree_fd, 0);
		unlinkat(t->at[i].base_fd, t->name, AT_REMOVEDIR);
	}
}

/* kernfs counts sub-directories in st_nlink. */
static bool is_leaf(int dir_fd)
{
	struct stat st;

	return fstat(dir_fd, &st) == 0 && st.st_nlink <= 2;
}

/* First round: everybody dies at the same time. */
static int visit_kill(struct walk *w, int parent_fd, const char *name, unsigned int depth)
{
	SCOPED_FD dir_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	w->leaves += depth == LEAF_DEPTH;
	r = fd_write_file_at(dir_fd, "cgroup.freeze", "0");
	if (r == 0 && is_leaf(dir_fd))
		r = fd_write_file_at(dir_fd, "cgroup.kill", "1");
	return r;
}

static int left_ms(const struct walk *w)
{
	uint64_t now_ns = clock_mono_ns();

	return now_ns >= w->deadline_ns ? 0 : (int)((w->deadline_ns - now_ns) / NS_PER_MS) + 1;
}

static int wait_empty(const struct walk *w, int dir_fd)
{
	SCOPED_FD events_fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	if (events_fd < 0)
		return -errno;
	for (;;) {
		struct pollfd p = {.fd = events_fd, .events = POLLPRI};
		uint64_t populated;
		int r = cgroup_field_read(events_fd, "populated", &populated);

		if (r < 0 || populated == 0)
			return r;
		if (left_ms(w) == 0)
			return -ETIMEDOUT;
		poll(&p, 1, left_ms(w));
	}
}

/* A directory can stay busy for some milliseconds after its last process died. */
static int remove_until(const struct walk *w, int parent_fd, const char *name)
{
	while (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -errno;
		if (left_ms(w) == 0)
			return -ETIMEDOUT;
		poll(NULL, 0, 1);
	}
	return 0;
}

/* Second round; the children are gone, so a directory above leaves is a leaf now. */
static int visit_end(struct walk *w, int parent_fd, const char *name, unsigned int depth)
{
	SCOPED_FD dir_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = fd_write_file_at(dir_fd, "cgroup.kill", "1");
	if (r == 0)
		r = wait_empty(w, dir_fd);
	return r < 0 ? r : remove_until(w, parent_fd, name);
}

static int visit_remove_v1(struct walk *w, int parent_fd, const char *name, unsigned int depth)
{
	return remove_until(w, parent_fd, name);
}

int cgroup_tree_purge(struct cgroup_tree *t, uint32_t timeout_ms)
{
	struct walk w = {.visit = visit_kill,
			 .deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS};
	int r;

	must(t->count > 0); /* walks begin below the tree, never at it */
	/* First: the caller itself may be there, and in v2 the walk kills all that is there. */
	cgroup_own_leave(t);
	r = walk_dir(&w, t->at[0].tree_fd, 0);
	w.visit = visit_end;
	if (r == 0)
		r = walk_dir(&w, t->at[0].tree_fd, 0);
	w.visit = visit_remove_v1;
	for (unsigned int i = 1; r == 0 && i < t->count; i++)
		r = walk_dir(&w, t->at[i].tree_fd, 0);
	return r < 0 ? r : (int)w.leaves;
}

int cgroup_tree_purge_but(struct cgroup_tree *t, const char *dir, uint32_t timeout_ms,
			  bool (*keep)(void *self, const char *path), void *self)
{
	struct walk w = {.deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS,
			 .keep = keep,
			 .self = self,
			 .dir = dir};
	int (*const visits[])(struct walk * w, int parent_fd, const char *name,
			      unsigned int depth) = {visit_kill, visit_end, visit_remove_v1};
	int r = 0;

	/* v2 twice, to kill and to wait; then the rest in v1. */
	for (unsigned int i = 0; r == 0 && i <= t->count; i++) {
		SCOPED_FD dir_fd = openat(t->at[i < 2 ? 0 : i - 1].tree_fd, dir,
					  O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		w.visit = visits[i < 2 ? i : 2];
		if (dir_fd >= 0)
			r = walk_dir(&w, dir_fd, 0);
		else if (errno != ENOENT)
			r = -errno;
	}
	return r < 0 ? r : (int)w.leaves;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * One instance's directories, the same path in every hierarchy.
 *
 * A process is moved in cgroup2 first and into v1 afterwards, so each process of a v1 leaf is also
 * in the cgroup2 leaf: cgroup.kill there reaches all of them.
 */
#include "cgroups/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define DIR_MODE 0755

static bool name_is_fine(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && !strchr(name, '\n') &&
	       strncmp(name, "cgroup.", 7) != 0;
}

/* "tasks" is a file in every v1 directory. A directory that would have this name gets a dot, which
 * no name of a service has. */
static int service_dir(const char *service, char *out, size_t size)
{
	return text_format(out, size, "%s%s", service, strcmp(service, "tasks") == 0 ? ".d" : "");
}

static int make_leaf(const struct cgroup_tree *t, unsigned int i, const char *dir, const char *path)
{
	int tree_fd = t->at[i].tree_fd;
	enum cgroup_controller failed;

	must(i < t->count && tree_fd >= 0);
	if (mkdirat(tree_fd, dir, DIR_MODE) < 0 && errno != EEXIST)
		return -errno;
	if (i == 0) {
		SCOPED_FD dir_fd = openat(tree_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r = dir_fd < 0 ? -errno : cgroup_controllers_enable(t, dir_fd, &failed);

		if (r < 0)
			return r;
	}
	return mkdirat(tree_fd, path, DIR_MODE) < 0 ? -errno : 0;
}

/* The directory above goes with its last leaf; while other leaves are in it rmdir says EBUSY. */
static void remove_service(const struct cgroup_tree *t, const char *path)
{
	char dir[sizeof(((struct cgroup *)0)->path)];

	if (text_format(dir, sizeof(dir), "%.*s", (int)strcspn(path, "/"), path) < 0)
		return;
	for (unsigned int i = 0; i < t->count; i++)
		unlinkat(t->at[i].tree_fd, dir, AT_REMOVEDIR);
}

/* Removes the leaf from the first `count` hierarchies. Goes on after an error; returns the
 * first. */
static int remove_leaf(const struct cgroup_tree *t, const char *path, unsigned int count)
{
	int r = 0;

	must(count <= t->count && *path);
	for (unsigned int i = 0; i < count; i++)
		if (unlinkat(t->at[i].tree_fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT && r == 0)
			r = -errno;
	return r;
}

static int make_everywhere(const struct cgroup_tree *t, const char *dir, const char *path)
{
	for (unsigned int i = 0; i < t->count; i++) {
		int r = make_leaf(t, i, dir, path);

		if (r == 0)
			continue;
		remove_leaf(t, path, i);
		remove_service(t, path);
		return r;
	}
	return 0;
}

static int open_at(int dir_fd, const char *name, int flags, int *out_fd)
{
	*out_fd = openat(dir_fd, name, flags | O_CLOEXEC);
	return *out_fd < 0 ? -errno : 0;
}

static int open_files(const struct cgroup_tree *t, struct cgroup *g)
{
	struct stat st;
	int r;

	must(*g->path && g->dir_fd < 0);
	r = open_at(t->at[0].tree_fd, g->path, O_RDONLY | O_DIRECTORY, &g->dir_fd);

	if (r == 0)
		r = open_at(g->dir_fd, "cgroup.freeze", O_WRONLY, &g->freeze_fd);
	if (r == 0)
		r = open_at(g->dir_fd, "cgroup.events", O_RDONLY, &g->events_fd);
	if (r == 0)
		r = open_at(g->dir_fd, "cpu.stat", O_RDONLY, &g->stat_fd);
	if (r == 0 && fstat(g->dir_fd, &st) < 0)
		r = -errno;
	if (r == 0)
		g->id = st.st_ino;
	return r;
}

int cgroup_create(struct cgroup_tree *t, const char *service, const char *instance,
		  const struct cgroup_limits *limits, struct cgroup *out)
{
	struct cgroup g = {.dir_fd = -1, .freeze_fd = -1, .events_fd = -1, .stat_fd = -1};
	char dir[256];
	int r;

	if (!name_is_fine(service) || !name_is_fine(instance))
		return -EINVAL;
	r = service_dir(service, dir, sizeof(dir));
	if (r == 0)
		r = text_format(g.path, sizeof(g.path), "%s/%s", dir, instance);
	if (r == 0)
		r = make_everywhere(t, dir, g.path);
	if (r < 0)
		return r;
	r = cgroup_limits_write(t, g.path, limits);
	if (r == 0)
		r = open_files(t, &g);
	if (r < 0) {
		cgroup_fini(&g);
		cgroup_remove(t, &g);
		return r;
	}
	*out = g;
	return 0;
}

int cgroup_set_limits(struct cgroup_tree *t, const struct cgroup *g,
		      const struct cgroup_limits *limits)
{
	return cgroup_limits_write(t, g->path, limits);
}

int cgroup_joins(struct cgroup_tree *t, const struct cgroup *g, int fds[CGROUP_JOINS_MAX])
{
	char file[640];
	int count = 0;
	int r = text_format(file, sizeof(file), "%s/cgroup.procs", g->path);

	_Static_assert(CGROUP_JOINS_MAX >= CGROUP_CONTROLLER_COUNT, "a v1 hierarchy each");
	must(t->count <= 1 + CGROUP_CONTROLLER_COUNT);
	for (unsigned int i = 1; r == 0 && i < t->count; i++) {
		fds[count] = openat(t->at[i].tree_fd, file, O_WRONLY | O_CLOEXEC);
		if (fds[count] < 0)
			r = -errno;
		else
			count++;
	}
	while (r < 0 && count > 0)
		fd_close(&fds[--count]);
	return r < 0 ? r : count;
}

int cgroup_attach(struct cgroup_tree *t, const struct cgroup *g, pid_t pid)
{
	char file[640], text[24];
	int r = text_format(file, sizeof(file), "%s/cgroup.procs", g->path);

	if (r == 0)
		r = text_format(text, sizeof(text), "%d", (int)pid);
	for (unsigned int i = 0; r == 0 && i < t->count; i++)
		r = fd_write_file_at(t->at[i].tree_fd, file, text);
	return r;
}

void cgroup_fini(struct cgroup *g)
{
	fd_close(&g->dir_fd);
	fd_close(&g->freeze_fd);
	fd_close(&g->events_fd);
	fd_close(&g->stat_fd);
}

int cgroup_remove(struct cgroup_tree *t, struct cgroup *g)
{
	int r = remove_leaf(t, g->path, t->count);

	if (r == 0)
		remove_service(t, g->path);
	return r;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Where ebb's cgroups are: <base>/<name> in cgroup2 and in each v1 hierarchy that has a controller
 * which cgroup2 lacks here. Documentation/admin-guide/cgroup-v2.rst, "Delegation" and "No Internal
 * Process Constraint".
 */
#include "cgroups/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define DIR_MODE 0755

#define X(id, name) [CGROUP_##id] = name,
static const char *const controller_names[] = {CGROUP_CONTROLLERS(X)};
#undef X

int cgroup_controllers_enable(const struct cgroup_tree *t, int dir_fd,
			      enum cgroup_controller *failed)
{
	for (unsigned int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
		char text[32];
		int r;

		if (t->home[c] != 0)
			continue;
		r = text_format(text, sizeof(text), "+%s", controller_names[c]);
		if (r == 0)
			r = fd_write_file_at(dir_fd, "cgroup.subtree_control", text);
		if (r < 0) {
			*failed = (enum cgroup_controller)c;
			return r;
		}
	}
	return 0;
}

/* Moves ebbd out of the base: the kernel enables no controller for the children of a directory that
 * holds processes. */
static int leave_base(int base_fd)
{
	if (mkdirat(base_fd, CGROUP_SUPERVISOR_LEAF, DIR_MODE) < 0 && errno != EEXIST)
		return -errno;
	return fd_write_file_at(base_fd, CGROUP_SUPERVISOR_LEAF "/cgroup.procs", "0");
}

static int enable_in_base(struct cgroup_tree *t, bool inside, struct fault *f)
{
	struct cgroup_hierarchy *base = &t->at[0];
	enum cgroup_controller failed;
	int r = cgroup_controllers_enable(t, base->base_fd, &failed);

	if (r == -EBUSY && inside) {
		r = leave_base(base->base_fd);
		if (r < 0)
			return fault_errno(f, r, "cannot move ebbd into %s/" CGROUP_SUPERVISOR_LEAF,
					   base->path);
		r = cgroup_controllers_enable(t, base->base_fd, &failed);
	}
	if (r == -EBUSY) {
		fault_say(f, r,
			  "%s holds other processes, so controller '%s' cannot be enabled there",
			  base->path, controller_names[failed]);
		fault_mend(f, "give ebbd a cgroup of its own (systemd: Delegate=yes)");
	} else if (r < 0) {
		fault_errno(f, r, "cannot enable controller '%s' in %s/cgroup.subtree_control",
			    controller_names[failed], base->path);
		fault_mend(f, "run ebbd as root and, in a container, with a writable cgroup file "
			      "system");
	}
	return r;
}

static int open_tree_dir(struct cgroup_hierarchy *h, const char *name, struct fault *f)
{
	int r = mkdirat(h->base_fd, name, DIR_MODE) < 0 && errno != EEXIST ? -errno : 0;

	if (r < 0) {
		fault_errno(f, r, "cannot make cgroup %s/%s", h->path, name);
		fault_mend(f, "run ebbd as root with a writable cgroup file system");
		return r;
	}
	h->tree_fd = openat(h->base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return h->tree_fd < 0 ? fault_errno(f, -errno, "cannot open cgroup %s/%s", h->path, name)
			      : 0;
}

static int say_missing(const struct cgroup_tree *t, const char *name, struct fault *f)
{
	fault_say(
		f, -ENOENT,
		"cgroup controller '%s' is neither available in %s/cgroup.controllers nor mounted "
		"as cgroup v1",
		name, t->at[0].path);
	fault_mend(f,
		   "delegate it (systemd: Delegate=yes), or mount it: mkdir -p /sys/fs/cgroup/%s "
		   "&& mount -t cgroup -o %s %s /sys/fs/cgroup/%s",
		   name, name, name, name);
	return -ENOENT;
}

/* The v1 hierarchy of a controller; several may share one (cpu,cpuacct). */
static int open_v1(struct cgroup_tree *t, enum cgroup_controller c, struct fault *f)
{
	const char *name = controller_names[c];
	struct cgroup_hierarchy *h = &t->at[t->count];
	struct cgroup_mount m;
	struct stat st;

	must(t->count > 0 &&
	     t->count < ARRAY_LEN(t->at)); /* one more at most for each controller */
	if (cgroup_mount_find("cgroup", name, &m) < 0)
		return say_missing(t, name, f);
	if (fstat(m.dir_fd, &st) < 0)
		st.st_dev = 0;
	for (unsigned int i = 1; i < t->count; i++) {
		if (t->at[i].dev != st.st_dev)
			continue;
		fd_close(&m.dir_fd);
		t->home[c] = (unsigned char)i;
		return 0;
	}
	*h = (struct cgroup_hierarchy){.base_fd = m.dir_fd, .tree_fd = -1, .dev = st.st_dev};
	memcpy(h->path, m.path, sizeof(h->path));
	t->home[c] = (unsigned char)t->count++;
	return open_tree_dir(h, t->name, f);
}

/* Decides where each controller lives: in cgroup2 if the base has it, else in v1, else nowhere. */
static int find_controllers(struct cgroup_tree *t, struct fault *f)
{
	char list[512];
	ssize_t n = fd_read_file_at(t->at[0].base_fd, "cgroup.controllers", list, sizeof(list));

	if (n < 0)
		return fault_errno(f, (int)n, "cannot read %s/cgroup.controllers", t->at[0].path);
	for (unsigned int c = 0; c < CGROUP_CONTROLLER_COUNT; c++) {
		int r = 0;

		if (cgroup_list_has(list, controller_names[c], " \n"))
			t->home[c] = 0;
		else
			r = open_v1(t, (enum cgroup_controller)c, f);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_file(const struct cgroup_tree *t, const char *name)
{
	return faccessat(t->at[0].tree_fd, name, F_OK, 0) == 0;
}

static int probe(struct cgroup_tree *t, struct fault *f)
{
	char text[512];

	if (!has_file(t, "cgroup.kill") || !has_file(t, "cgroup.freeze")) {
		fault_say(f, -EOPNOTSUPP, "this kernel has no cgroup.freeze or cgroup.kill in %s",
			  t->at[0].path);
		fault_mend(f, "Linux 5.14 or newer is needed");
		return -EOPNOTSUPP;
	}
	t->abilities = (struct cgroup_abilities){
		.hybrid = t->count > 1,
		.memory = true,
		.cpu = true,
		.pids = true,
		.memory_high = has_file(t, "memory.high"),
		.oom_group = has_file(t, "memory.oom.group"),
		.frozen_time = fd_read_file_at(t->at[0].tree_fd, "cgroup.stat.local", text,
					       sizeof(text)) > 0 &&
			       strstr(text, "frozen_usec"),
	};
	return 0;
}

static int open_v2(struct cgroup_tree *t, bool *inside, struct fault *f)
{
	struct cgroup_mount m;
	int r = cgroup_mount_find("cgroup2", NULL, &m);

	if (r < 0 && r != -ENOENT)
		return fault_errno(f, r, "cannot use the cgroup2 file system");
	if (r < 0) {
		fault_say(f, r, "no cgroup2 file system is mounted");
		fault_mend(f, "mount one: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 "
			      "cgroup2 /sys/fs/cgroup/unified");
		return r;
	}
	t->at[0] = (struct cgroup_hierarchy){.base_fd = -1, .tree_fd = -1};
	t->count = 1;
	return cgroup_base_find(&m, &t->at[0], inside);
}

static int open_all(struct cgroup_tree *t, struct fault *f)
{
	enum cgroup_controller failed;
	bool inside = false;
	int r = open_v2(t, &inside, f);

	if (r == 0)
		r = find_controllers(t, f);
	if (r == 0)
		r = enable_in_base(t, inside, f);
	if (r == 0)
		r = open_tree_dir(&t->at[0], t->name, f);
	if (r < 0)
		return r;
	must(t->at[0].tree_fd >= 0);
	r = cgroup_controllers_enable(t, t->at[0].tree_fd, &failed);
	if (r < 0)
		return fault_errno(f, r, "cannot enable controller '%s' in %s/%s",
				   controller_names[failed], t->at[0].path, t->name);
	return probe(t, f);
}

static bool name_is_fine(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') &&
	       strcmp(name, CGROUP_SUPERVISOR_LEAF) != 0;
}

static int take_name(struct cgroup_tree *t, const char *name, struct fault *f)
{
	int r = name_is_fine(name) ? text_copy(t->name, sizeof(t->name), name) : -EINVAL;

	if (r < 0) {
		fault_say(f, r, "'%s' is no name for a cgroup tree", name);
		fault_mend(f, "use letters and digits");
	}
	return r;
}

int cgroup_tree_open(const char *name, struct cgroup_tree **out, struct fault *f)
{
	struct cgroup_tree *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return fault_errno(f, -ENOMEM, "cgroup tree '%s'", name);
	r = take_name(t, name, f);
	if (r == 0)
		r = open_all(t, f);
	if (r < 0) {
		fault_errno(f, r, "cgroup tree '%s' cannot be opened", name);
		/* Empty directories only: a tree that an earlier ebbd left in use stays. */
		for (unsigned int i = 0; i < t->count; i++)
			unlinkat(t->at[i].base_fd, t->name, AT_REMOVEDIR);
		cgroup_tree_close(t);
		return r;
	}
	*out = t;
	return 0;
}

int cgroup_tree_hold(struct cgroup_tree *t)
{
	const struct cgroup_hierarchy *h = &t->at[0];
	struct stat held, named;

	if (flock(h->tree_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(h->tree_fd, &held) < 0)
		return -errno;
	if (fstatat(h->base_fd, t->name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	return held.st_ino == named.st_ino ? 0 : -ESTALE;
}

void cgroup_tree_close(struct cgroup_tree *t)
{
	for (unsigned int i = 0; t && i < t->count; i++) {
		fd_close(&t->at[i].base_fd);
		fd_close(&t->at[i].tree_fd);
	}
	free(t);
}

struct cgroup_abilities cgroup_abilities(const struct cgroup_tree *t)
{
	return t->abilities;
}

int cgroup_tree_fd(const struct cgroup_tree *t)
{
	return t->at[0].tree_fd;
}

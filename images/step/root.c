// SPDX-License-Identifier: Apache-2.0
/*
 * A sandbox of a build sees a read-only root (a base, or /usr of the host), a memory file system of
 * bounded size that all steps of this ebb-step share, /dev with five nodes, and /proc, masked as
 * that of an instance. There is no /sys.
 *
 * Everything is opened by its path first. Then, for a user, files are made with the id that the
 * program will have, because the user's own id need not exist inside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "images/step/step.h"
#include "runtime/base/fd.h"
#include "runtime/base/fs.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define PLAIN (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define DEEP  (recursive ? AT_RECURSIVE : 0u)

/* Makes a detached view of a path. With `recursive` the mounts below the path are part of it: a
 * user may not uncover the directories below them (mount_namespaces(7)). */
static int clone_path(const char *path, uint64_t attributes, bool recursive)
{
	struct mount_attr attr = {.attr_set = attributes};
	SCOPED_FD fd = open_tree(AT_FDCWD, path,
				 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT | DEEP);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | DEEP, &attr, sizeof(attr)) < 0)
		return -errno;
	return keep_fd(&fd);
}

/* ---- the memory file system: work/scratch/0.. for each --scratch ---- */

static int mount_memory(const struct step_plan *plan, uid_t owner)
{
	char size[32], files[32], id[16];
	const struct fs_option options[] = {
		{"mode", "0755"}, {"size", size}, {"nr_inodes", files}, {"uid", id}, {"gid", id}};

	snprintf(size, sizeof(size), "%llu", (unsigned long long)plan->size_bytes);
	snprintf(files, sizeof(files), "%llu", (unsigned long long)plan->files);
	snprintf(id, sizeof(id), "%u", owner);
	return fs_make("tmpfs", options, ARRAY_LEN(options), PLAIN);
}

static int make_scratch_dirs(const struct step_plan *plan, int scratch_fd, uid_t owner)
{
	for (unsigned int i = 0; i < plan->scratch_count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		if (mkdirat(scratch_fd, name, 0700) < 0 ||
		    fchownat(scratch_fd, name, owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	return 0;
}

int scratch_mount(const struct step_plan *plan, const struct step_ids *ids, const char **where)
{
	uid_t owner = ids->privileged ? ids->first + STEP_USER : STEP_USER;
	char path[4096];
	SCOPED_FD fd = -1;
	int r;

	*where = "private mounts";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	*where = "memory file system";
	r = text_format(path, sizeof(path), "%s/scratch", plan->work);
	if (r < 0)
		return r;
	fd = mount_memory(plan, owner);
	if (fd < 0)
		return fd;
	r = fs_attach(fd, path);
	if (r < 0)
		return r;
	if (!ids->privileged) {
		(void)setfsgid(owner);
		(void)setfsuid(owner);
	}
	r = make_scratch_dirs(plan, fd, owner);
	if (!ids->privileged) {
		(void)setfsgid(getegid());
		(void)setfsuid(geteuid());
	}
	return r;
}

/* ---- the root ---- */

static const char *const tops[] = {"/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin"};
static const char *const nodes[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
				    "/dev/urandom"};
static const char *const masked[] = {
	"proc/acpi",        "proc/asound",      "proc/interrupts",  "proc/kallsyms",
	"proc/kcore",       "proc/keys",        "proc/key-users",   "proc/kmsg",
	"proc/kpagecgroup", "proc/kpagecount",  "proc/kpageflags",  "proc/latency_stats",
	"proc/modules",     "proc/sched_debug", "proc/scsi",        "proc/slabinfo",
	"proc/timer_list",  "proc/timer_stats", "proc/vmallocinfo", "proc/locks",
};
static const char *const read_only[] = {
	"proc/bus", "proc/driver", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger",
};
static const struct {
	const char *name, *target;
} dev_links[] = {
	{"dev/fd", "/proc/self/fd"},
	{"dev/stdin", "/proc/self/fd/0"},
	{"dev/stdout", "/proc/self/fd/1"},
	{"dev/stderr", "/proc/self/fd/2"},
};

/* Descriptors of everything that the sandbox shows, owned; -1 where there is none. */
struct view {
	int root_fd, work_fd;
	int tops[ARRAY_LEN(tops)], nodes[ARRAY_LEN(nodes)];
	int scratch[STEP_LIST_MAX], binds[STEP_LIST_MAX];
};

static int open_root(const struct step_plan *plan, const struct step_run *run, bool recursive)
{
	const struct fs_option options[] = {{"mode", "0755"}, {"size", "1m"}, {"nr_inodes", "512"}};

	if (run->root)
		return clone_path(run->root, PLAIN | MOUNT_ATTR_RDONLY, recursive);
	return fs_make("tmpfs", options, ARRAY_LEN(options), PLAIN);
}

static int open_tops(struct view *v, bool recursive)
{
	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		struct stat st;

		if (lstat(tops[i], &st) < 0 || !S_ISDIR(st.st_mode))
			continue; /* a link into /usr, which is made anew later; or absent */
		v->tops[i] = clone_path(tops[i], PLAIN | MOUNT_ATTR_RDONLY, recursive);
		if (v->tops[i] < 0)
			return v->tops[i];
	}
	return 0;
}

static int open_view(struct view *v, const struct step_plan *plan, const struct step_run *run,
		     bool recursive)
{
	char path[4096];
	int r;

	memset(v, 0xff, sizeof(*v));
	r = text_format(path, sizeof(path), "%s/root", plan->work);
	v->work_fd = r < 0 ? r : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	v->root_fd = open_root(plan, run, recursive);
	if (v->work_fd < 0 || v->root_fd < 0)
		return v->work_fd < 0 ? -errno : v->root_fd;
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		v->nodes[i] =
			clone_path(nodes[i], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, recursive);
		if (v->nodes[i] < 0)
			return v->nodes[i];
	}
	for (unsigned int i = 0; i < plan->scratch_count; i++) {
		(void)text_format(path, sizeof(path), "%s/scratch/%u", plan->work, i);
		v->scratch[i] = clone_path(path, PLAIN, recursive);
		if (v->scratch[i] < 0)
			return v->scratch[i];
	}
	for (unsigned int i = 0; !run->root && i < plan->bind_count; i++) {
		v->binds[i] = clone_path(plan->binds[i].from, PLAIN | MOUNT_ATTR_RDONLY, recursive);
		if (v->binds[i] < 0)
			return v->binds[i];
	}
	return run->root ? 0 : open_tops(v, recursive);
}

/* ---- putting it together; the working directory is the new root ---- */

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Makes the place for a mount, with its parents, on a root in memory; a base has the
 * place already. */
static int make_place(const char *path, bool directory)
{
	char parent[256];
	const char *slash = strrchr(path, '/');
	int r = 0, fd;

	if (slash) {
		r = text_format(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		if (r == 0)
			r = fd_mkdir_p(AT_FDCWD, parent, 0755);
	}
	if (r < 0)
		return r;
	if (directory)
		return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 && errno != EEXIST)
		return -errno;
	fd_close(&fd);
	return 0;
}

static int place(int fd, const char *path, bool may_make)
{
	int r = may_make ? make_place(path, is_directory(fd)) : 0;

	return r < 0 ? r : fs_attach(fd, path);
}

static int place_tops(const struct view *v)
{
	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		char target[256];
		ssize_t n = readlink(tops[i], target, sizeof(target) - 1);
		int r = 0;

		if (v->tops[i] >= 0)
			r = place(v->tops[i], tops[i] + 1, true);
		else if (n > 0) {
			target[n] = '\0';
			r = symlink(target, tops[i] + 1) < 0 ? -errno : 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int place_dev(const struct view *v, bool make)
{
	const struct fs_option options[] = {{"mode", "0755"}, {"size", "64k"}, {"nr_inodes", "64"}};
	SCOPED_FD fd = fs_make("tmpfs", options, ARRAY_LEN(options),
			       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	int r = fd < 0 ? fd : place(fd, "dev", make);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(nodes); i++)
		r = place(v->nodes[i], nodes[i] + 1, true);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(dev_links); i++)
		if (symlink(dev_links[i].target, dev_links[i].name) < 0)
			r = -errno;
	if (r == 0 && mkdir("dev/shm", 0755) < 0)
		r = -errno;
	return r;
}

/* Puts a read-only view of `from` on top of `at`. A path that this kernel lacks needs no cover. */
static int cover(const char *from, const char *at)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC |
					      MOUNT_ATTR_RDONLY};
	SCOPED_FD fd = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return fs_attach(fd, at);
}

static int place_proc(bool make)
{
	SCOPED_FD fd = fs_make("proc", NULL, 0, PLAIN | MOUNT_ATTR_NOEXEC);
	int r = fd < 0 ? fd : place(fd, "proc", make);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(read_only); i++)
		r = cover(read_only[i], read_only[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(masked); i++) {
		struct stat st;

		if (lstat(masked[i], &st) == 0)
			r = cover(S_ISDIR(st.st_mode) ? "dev/shm" : "dev/null", masked[i]);
	}
	return r;
}

/* Mounts the parts of the memory file system. A base is read-only and has only the places of its
 * runtime, such as /app and /tmp. */
static int place_scratch(const struct step_plan *plan, const struct view *v, bool make)
{
	for (unsigned int i = 0; i < plan->scratch_count; i++) {
		const struct step_scratch *s = &plan->scratch[i];
		int r = place(v->scratch[i], make ? s->in_host : s->in_base, make);

		if (r < 0 && !(r == -ENOENT && !make))
			return r;
	}
	for (unsigned int i = 0; i < plan->bind_count; i++) {
		int r = v->binds[i] < 0 ? 0 : place(v->binds[i], plan->binds[i].path, make);

		if (r < 0)
			return r;
	}
	return 0;
}

/* pivot_root(".", ".") stacks the old root upon the new one (pivot_root(2), NOTES); the unmount
 * takes the old root away. */
static int pivot(const struct step_run *run)
{
	struct mount_attr attr = {.attr_set = PLAIN | MOUNT_ATTR_RDONLY};

	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0 || mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0 ||
	    mount_setattr(AT_FDCWD, "/dev", 0, &(struct mount_attr){.attr_set = MOUNT_ATTR_RDONLY},
			  sizeof(attr)) < 0)
		return -errno;
	return chdir(run->cwd) < 0 ? -errno : 0;
}

static int build_root(const struct step_plan *plan, const struct step_run *run,
		      const struct view *v, const char **where)
{
	bool make = !run->root;
	int r;

	*where = "root";
	if (move_mount(v->root_fd, "", v->work_fd, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ||
	    fchdir(v->root_fd) < 0)
		return -errno;
	r = make ? place_tops(v) : 0;
	if (r == 0) {
		*where = "/dev";
		r = place_dev(v, make);
	}
	if (r == 0) {
		*where = "/proc";
		r = place_proc(make);
	}
	if (r == 0) {
		*where = "scratch";
		r = place_scratch(plan, v, make);
	}
	if (r == 0) {
		*where = "pivot_root";
		r = pivot(run);
	}
	return r;
}

int root_enter(const struct step_plan *plan, const struct step_run *run, const char **where)
{
	bool is_root = geteuid() == 0;
	struct view v;
	int r;

	*where = "view";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = open_view(&v, plan, run, !is_root);
	if (r < 0)
		return r;
	if (!is_root) {
		(void)setfsgid(STEP_USER);
		(void)setfsuid(STEP_USER);
	}
	return build_root(plan, run, &v, where);
}

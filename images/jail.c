// SPDX-License-Identifier: Apache-2.0
#include "images/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "images/child.h"
#include "images/overlay.h"
#include "runtime/base/fd.h"
#include "runtime/base/fs.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/base/turn.h"

#define NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* The child's descriptors. Behind 0, 1 and 2 stand these; all but CONTROL_FD close at exec. */
enum { CONTROL_FD = 3, EXE_FD, USER_NS_FD, WORK_FD, PIECE_FD, PLACED_FDS };
#define STACK_BYTES ((rlim_t)64 << 20)
#define LOWER_FD    (PLACED_FDS) /* the first of the lower layers */

/* ---- the user namespace ---- */

static int write_map(int pid, const char *name, uint32_t id_base)
{
	char path[64], text[64];

	(void)text_format(path, sizeof(path), "/proc/%d/%s", pid, name);
	(void)text_format(text, sizeof(text), "0 %u 65536", id_base);
	return fd_write_file_at(AT_FDCWD, path, text);
}

int jail_user_ns(uint32_t id_base, int *out_fd)
{
	int pid_fd = -1, fd = -1, r;
	char path[64];
	int pid = child_fork(CLONE_NEWUSER, &pid_fd);

	if (pid < 0)
		return pid;
	if (pid == 0)
		for (;;)
			pause();
	r = write_map(pid, "uid_map", id_base);
	if (r == 0)
		r = write_map(pid, "gid_map", id_base);
	(void)text_format(path, sizeof(path), "/proc/%d/ns/user", pid);
	if (r == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	child_kill(&pid_fd);
	if (r == 0)
		*out_fd = fd;
	return r;
}

/* Makes a detached clone of the directory's mount, in which ids 0..65535 on disk appear as the ids
 * 0..65535 of the user namespace (mount_setattr(2), MOUNT_ATTR_IDMAP). A file system that cannot do
 * that (overlayfs, NFS) says EINVAL, as for anything else that is wrong. */
static int id_map(int dir_fd, int user_ns_fd, uint64_t attributes, int *out_fd)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    MOUNT_ATTR_NOEXEC | attributes,
		.propagation = MS_PRIVATE,
		.userns_fd = (uint64_t)user_ns_fd,
	};
	SCOPED_FD tree_fd =
		open_tree(dir_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree_fd < 0)
		return -errno;
	if (mount_setattr(tree_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return errno == EINVAL ? -EOPNOTSUPP : -errno;
	*out_fd = keep_fd(&tree_fd);
	return 0;
}

int jail_can_map(int dir_fd, int user_ns_fd)
{
	SCOPED_FD fd = -1;

	return id_map(dir_fd, user_ns_fd, 0, &fd);
}

/* ---- steps of the child: each 0 or -errno ---- */

/* Moves the descriptors to their numbers. The control channel and the directories may be absent
 * (-1): the number of an absent one is closed. */
static int place_fds(const struct jail_command *c)
{
	size_t lower_count = c->root ? c->root->lower_count : 0, count = PLACED_FDS + lower_count;
	int fds[PLACED_FDS + JAIL_LOWER_MAX] = {
		open("/dev/null", O_RDONLY | O_CLOEXEC),
		c->output_fd,
		c->output_fd,
		c->control_fd,
		c->exe_fd,
		c->user_ns_fd,
		c->dir_fd,
		c->root ? c->root->piece_fd : -1,
	};

	if (fds[0] < 0)
		return -errno;
	if (lower_count > 0)
		memcpy(fds + LOWER_FD, c->root->lower_fds, lower_count * sizeof(int));
	/* First each is moved above all numbers that are taken below. */
	for (size_t i = 0; i < count; i++) {
		bool absent = fds[i] < 0;

		fds[i] = absent ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, (int)count);
		if (fds[i] < 0 && !absent)
			return -errno;
	}
	for (int i = 0; i < (int)count; i++) {
		if (fds[i] < 0)
			close(i);
		else if (dup3(fds[i], i, i > CONTROL_FD ? O_CLOEXEC : 0) < 0)
			return -errno;
	}
	return fd_close_from((unsigned int)count);
}

static int attach(int mount_fd, const char *where)
{
	if (mkdir(where, 0755) < 0)
		return -errno;
	return fs_attach(mount_fd, where);
}

static int attach_host_dir(const char *path)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	SCOPED_FD tree_fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree_fd < 0 || mount_setattr(tree_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return attach(tree_fd, path + 1);
}

/* Copies a top entry such as "/lib" into the root: on a merged system it is a link into /usr, on
 * others a directory. One that is absent is left out. */
static int copy_top(const char *path)
{
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return errno == EINVAL ? attach_host_dir(path) : -errno;
	target[n] = '\0';
	return symlink(target, path + 1) < 0 ? -errno : 0;
}

static int build_root(const struct jail_command *c)
{
	static const char *const tops[] = {"/usr", "/lib", "/lib64", "/lib32"};

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", c->mount_point, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755") <
		    0 ||
	    chdir(c->mount_point) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		int r = copy_top(tops[i]);

		if (r < 0)
			return r;
	}
	if (c->dir_fd < 0)
		return mkdir("work", 0755) < 0 ? -errno : 0;
	return attach(WORK_FD, "work");
}

static int attach_apart(size_t count)
{
	if (mkdir("root", 0755) < 0)
		return -errno;
	for (size_t i = 0; i < count; i++) {
		char where[24];
		int r;

		(void)text_format(where, sizeof(where), "root/%zu", i);
		r = attach(LOWER_FD + (int)(count - 1 - i), where);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The overlay is made at this step, while the child has the right to mount. */
static int build_overlay(const struct jail_command *c)
{
	const struct overlay o = {
		.first_lower_fd = LOWER_FD,
		.lower_count = c->root ? c->root->lower_count : 0,
		.piece_fd = c->root && c->root->piece_fd >= 0 ? PIECE_FD : -1,
		.id_base = c->root ? c->root->id_base : 0,
	};

	if (!c->root)
		return 0;
	return c->root->apart ? attach_apart(o.lower_count) : overlay_attach(&o, "root");
}

/* pivot_root(".", ".") stacks the old root upon the new one (pivot_root(2), NOTES); the unmount
 * takes the old root away. */
static int enter_root(const struct jail_command *c)
{
	const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;

	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    mount(NULL, "/", NULL, flags, NULL) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

/* With a limit of 1 a crash starts no program of the host's core_pattern, and with 0 it does
 * (core(5)). */
static int limit_cores(const struct jail_command *c)
{
	const struct rlimit one = {1, 1};

	return setrlimit(RLIMIT_CORE, &one) < 0 ? -errno : 0;
}

static int join_ids(const struct jail_command *c)
{
	if (setns(USER_NS_FD, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return -errno;
	return 0;
}

static int keep_caps(const struct jail_command *c)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = c->caps, .permitted = c->caps}};

	for (unsigned long cap = 0; cap < 64; cap++)
		if ((cap >= 32 || !(c->caps >> cap & 1)) && prctl(PR_CAPBSET_DROP, cap) < 0 &&
		    errno != EINVAL)
			return -errno;
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Work on images gets the CPU only after instances and gateways. Where ebbd itself stands further
 * behind, it stays there: going forward takes a right. */
static int step_back(const struct jail_command *c)
{
	if (getpriority(PRIO_PROCESS, 0) < 10 && setpriority(PRIO_PROCESS, 0, 10) < 0)
		return -errno;
	return turn_set(TURN_OF_OTHERS_US);
}

static int no_new_privs(const struct jail_command *c)
{
	/* The death signal is set again, because the change of ids has cleared it (prctl(2)). */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return 0;
}

static int seccomp(const struct jail_command *c)
{
	return c->filter ? filter_load(c->filter) : 0;
}

static int execute(const struct jail_command *c)
{
	char *env[] = {NULL};

	(void)syscall(SYS_execveat, EXE_FD, "", c->argv, env, AT_EMPTY_PATH);
	return -errno;
}

/* mkfs.erofs keeps a path on its stack for each directory above the present one. The deepest tree
 * that a path can reach needs 9 MiB of stack. */
static int deepen_stack(const struct jail_command *unused)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_STACK, &l) < 0)
		return -errno;
	l.rlim_cur = l.rlim_max < STACK_BYTES ? l.rlim_max : STACK_BYTES;
	return setrlimit(RLIMIT_STACK, &l) < 0 ? -errno : 0;
}

/* The order matters: mounts are made as the host's root, then ids change, then rights are
 * given up. */
static const struct {
	const char *name;
	int (*run)(const struct jail_command *c);
} steps[] = {
	{"descriptors", place_fds},  {"root", build_root},           {"overlay", build_overlay},
	{"pivot_root", enter_root},  {"cores", limit_cores},         {"user namespace", join_ids},
	{"capabilities", keep_caps}, {"no_new_privs", no_new_privs}, {"priority", step_back},
	{"stack", deepen_stack},     {"seccomp", seccomp},           {"execve", execute},
};

__attribute__((noreturn)) static void run_child(const struct jail_command *c)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		int r = steps[i].run(c);

		if (r == 0)
			continue;
		dprintf(STDERR_FILENO, "jail step %s: %s\n", steps[i].name, strerror(-r));
		break;
	}
	_exit(JAIL_SETUP_FAILED);
}

/* ---- mounts made by the parent: a mount can only be cloned inside its own mount namespace ---- */

struct mapped {
	struct jail_command command;
	struct jail_root root;
	int work_fd, piece_fd;
	int lower_fds[JAIL_LOWER_MAX];
};

static int map_root(struct mapped *m, const struct jail_command *c)
{
	int r = 0;

	if (c->root->lower_count == 0 || c->root->lower_count > JAIL_LOWER_MAX)
		return -EINVAL;
	m->root = *c->root;
	m->root.lower_fds = m->lower_fds;
	m->root.lower_count = 0;
	m->command.root = &m->root;
	if (c->root->piece_fd >= 0)
		r = id_map(c->root->piece_fd, c->user_ns_fd, 0, &m->piece_fd);
	m->root.piece_fd = m->piece_fd;
	for (size_t i = 0; i < c->root->lower_count && r == 0; i++) {
		r = id_map(c->root->lower_fds[i], c->user_ns_fd, MOUNT_ATTR_RDONLY,
			   &m->lower_fds[i]);
		if (r == 0)
			m->root.lower_count++;
	}
	return r;
}

static void unmap(struct mapped *m)
{
	for (size_t i = 0; i < m->root.lower_count; i++)
		fd_close(&m->lower_fds[i]);
	fd_close(&m->work_fd);
	fd_close(&m->piece_fd);
}

int jail_spawn(const struct jail_command *c, int *out_pid_fd)
{
	struct mapped m = {.command = *c, .work_fd = -1, .piece_fd = -1};
	int r = 0;

	if (c->dir_fd >= 0)
		r = id_map(c->dir_fd, c->user_ns_fd, 0, &m.work_fd);
	m.command.dir_fd = m.work_fd;
	if (r == 0 && c->root)
		r = map_root(&m, c);
	if (r == 0) {
		r = child_fork(NAMESPACES, out_pid_fd);
		if (r == 0)
			run_child(&m.command);
	}
	unmap(&m);
	return r < 0 ? r : 0;
}

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
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* Where the child keeps what; all but the first four close at exec. */
enum { CONTROL_FD = 3, EXE_FD, USER_NS_FD, WORK_FD, PLACED_FDS };

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

int jail_idmap(int dir_fd, int user_ns_fd, int *out_fd)
{
	struct mount_attr attr = {
		.attr_set =
			MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
		.userns_fd = (uint64_t)user_ns_fd,
	};
	SCOPED_FD tree_fd =
		open_tree(dir_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree_fd < 0 || mount_setattr(tree_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	*out_fd = keep_fd(&tree_fd);
	return 0;
}

/* ---- steps of the child: each 0 or -errno ---- */

static int place_fds(const struct jail_command *c)
{
	const int sources[PLACED_FDS] = {
		open("/dev/null", O_RDONLY | O_CLOEXEC),
		c->output_fd,
		c->output_fd,
		c->control_fd,
		c->exe_fd,
		c->user_ns_fd,
		c->dir_fd,
	};
	int copies[PLACED_FDS];

	/* First out of the way of the numbers they go to. */
	for (int i = 0; i < PLACED_FDS; i++) {
		copies[i] = sources[i] < 0 ? -1 : fcntl(sources[i], F_DUPFD_CLOEXEC, PLACED_FDS);
		if (copies[i] < 0 && i != CONTROL_FD)
			return sources[i] < 0 ? -EBADF : -errno;
	}
	for (int i = 0; i < PLACED_FDS; i++) {
		if (copies[i] < 0)
			close(i);
		else if (dup3(copies[i], i, i > CONTROL_FD ? O_CLOEXEC : 0) < 0)
			return -errno;
	}
	return fd_close_from(PLACED_FDS);
}

static int attach(int mount_fd, const char *where)
{
	if (mkdir(where, 0755) < 0)
		return -errno;
	return move_mount(mount_fd, "", AT_FDCWD, where, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
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

/* "/lib" is a link into /usr on merged systems and a directory on others; absent is fine. */
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
	return attach(WORK_FD, "work");
}

/* pivot_root(".", ".") stacks the old root upon the new one; the unmount takes it away. */
static int enter_root(const struct jail_command *c)
{
	const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;

	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    mount(NULL, "/", NULL, flags, NULL) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
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

/* What an image costs comes after what instances and gateways do. */
static int step_back(const struct jail_command *c)
{
	return setpriority(PRIO_PROCESS, 0, 10) < 0 ? -errno : 0;
}

static int no_new_privs(const struct jail_command *c)
{
	/* The death signal again: a change of ids clears it. */
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

/* The order is the meaning: mounts as the host's root, then ids, then rights. */
static const struct {
	const char *name;
	int (*run)(const struct jail_command *c);
} steps[] = {
	{"descriptors", place_fds},   {"root", build_root},        {"pivot_root", enter_root},
	{"user namespace", join_ids}, {"capabilities", keep_caps}, {"no_new_privs", no_new_privs},
	{"priority", step_back},      {"seccomp", seccomp},        {"execve", execute},
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

int jail_spawn(const struct jail_command *c, int *out_pid_fd)
{
	struct jail_command mapped = *c;
	SCOPED_FD work_fd = -1;
	/* Here, not in the child: a mount can only be cloned from inside its own mount namespace.
	 */
	int r = jail_idmap(c->dir_fd, c->user_ns_fd, &work_fd);

	if (r < 0)
		return r;
	mapped.dir_fd = work_fd;
	r = child_fork(NAMESPACES, out_pid_fd);
	if (r == 0)
		run_child(&mapped);
	return r < 0 ? r : 0;
}

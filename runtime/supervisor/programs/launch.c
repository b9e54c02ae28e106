// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/programs/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

/* clang-format off */
#define LAUNCH_STEPS(X) \
	X(NAMESPACES) X(ROOT) X(PIVOT) X(FDS) X(IDS) X(CAPS) X(EXEC)
/* clang-format on */
#define X(name) STEP_##name,
enum launch_step { LAUNCH_STEPS(X) STEP_COUNT };
#undef X
#define X(name) [STEP_##name] = #name,
static const char *const step_names[STEP_COUNT] = {LAUNCH_STEPS(X)};
#undef X

/* A dying child writes this to its status pipe; it is small enough to be atomic. */
struct launch_fault {
	int32_t error;
	uint32_t step;
};

/* The child's view of what it works with; descriptors are above the ones it will end up with. */
struct child {
	const struct launch *launch;
	int binary_fd, status_fd, control_fd, extra_fd, log_fd;
};

static int enter_namespaces(struct child *c)
{
	const int network = c->launch->rules_network ? 0 : CLONE_NEWNET;

	if (unshare(CLONE_NEWNS | network | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return -errno;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

static int make_root(struct child *c)
{
	const struct launch *l = c->launch;
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (!l->root_dir)
		return mount("ebb", l->stage_dir, "tmpfs", flags | MS_RDONLY, "size=4k,mode=0555") <
				       0
			       ? -errno
			       : 0;
	if (mount(l->root_dir, l->stage_dir, NULL, MS_BIND, NULL) < 0)
		return -errno;
	return mount(NULL, l->stage_dir, NULL, MS_BIND | MS_REMOUNT | flags, NULL) < 0 ? -errno : 0;
}

static int pivot(struct child *c)
{
	if (chdir(c->launch->stage_dir) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

/* Descriptors 1 and 2 are its log, 3 is control, 4 is extra; binary and status stay until exec
 * closes them. */
static int place_fds(struct child *c)
{
	if (dup2(c->log_fd, 1) < 0 || dup2(c->log_fd, 2) < 0 || dup2(c->control_fd, 3) < 0)
		return -errno;
	if (c->extra_fd >= 0 && dup2(c->extra_fd, 4) < 0)
		return -errno;
	if (c->extra_fd < 0)
		close(4);
	if (syscall(SYS_close_range, 5, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0)
		return -errno;
	return 0;
}

static int drop_ids(struct child *c)
{
	uint32_t id = c->launch->uid;

	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0)
		return -errno;
	/* setresuid(2) would take CAP_NET_ADMIN away; drop_caps leaves nothing else. */
	if (c->launch->rules_network && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	return setresuid(id, id, id) < 0 ? -errno : 0;
}

static int drop_caps(struct child *c)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const uint32_t kept = c->launch->rules_network ? 1u << CAP_NET_ADMIN : 0;
	struct __user_cap_data_struct sets[2] = {
		{.effective = kept, .permitted = kept, .inheritable = kept}, {0}};

	/* drop_bounding_and_ids dropped the bounding set while the ids still allowed it; this drops
	 * the other sets. */
	if (syscall(SYS_capset, &header, sets) < 0)
		return -errno;
	if (kept && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int drop_bounding_and_ids(struct child *c)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		/* A capability that is to survive exec must stay in the bounding set
		 * (capabilities(7)). */
		if (c->launch->rules_network && cap == CAP_NET_ADMIN)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return drop_ids(c);
}

static int execute(struct child *c)
{
	/* ebbd drops the lines below its log_level, which may change while the program runs. */
	char level[] = "EBB_LOG=debug";
	char *argv[] = {(char *)(uintptr_t)c->launch->name, NULL};
	char *envp[] = {level, NULL};

	syscall(SYS_execveat, c->binary_fd, "", argv, envp, AT_EMPTY_PATH);
	return -errno;
}

static int (*const steps[STEP_COUNT])(struct child *c) = {
	[STEP_NAMESPACES] = enter_namespaces,
	[STEP_ROOT] = make_root,
	[STEP_PIVOT] = pivot,
	[STEP_FDS] = place_fds,
	[STEP_IDS] = drop_bounding_and_ids,
	[STEP_CAPS] = drop_caps,
	[STEP_EXEC] = execute,
};

/* Sanitizer builds are dynamic and need the loader's files, so they keep the host's root; they are
 * for tests only, and say so. */
#ifdef __SANITIZE_ADDRESS__
#define SKIP_STEP(s) ((s) == STEP_ROOT || (s) == STEP_PIVOT)
#else
#define SKIP_STEP(s) false
#endif

static void __attribute__((noreturn)) child_main(struct child *c)
{
	sigset_t none;

	/* A session of its own: Ctrl-C on ebbd's terminal is for ebbd, which then stops us in
	 * order. */
	(void)setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (uint32_t step = 0; step < STEP_COUNT; step++) {
		struct launch_fault fault = {.step = step};

		if (SKIP_STEP(step))
			continue;
		fault.error = steps[step](c);
		if (fault.error < 0) {
			(void)fd_write_all(c->status_fd, &fault, sizeof(fault));
			break;
		}
	}
	_exit(127);
}

/* The child puts descriptors on 1 to 4, so those that it copies from have to be above. */
static int high_fd(int fd, int *out_fd)
{
	int r = fcntl(fd, F_DUPFD_CLOEXEC, 16);

	if (r < 0)
		return -errno;
	*out_fd = r;
	return 0;
}

static void child_close(struct child *c)
{
	fd_close(&c->binary_fd);
	fd_close(&c->status_fd);
	fd_close(&c->control_fd);
	fd_close(&c->extra_fd);
	fd_close(&c->log_fd);
}

/* All that it needs, or nothing: a child without its status pipe would look started even if it
 * fails. */
static int child_open(struct child *c, int *out_status_fd)
{
	const struct launch *l = c->launch;
	SCOPED_FD binary_fd = open(l->binary, O_RDONLY | O_CLOEXEC);
	SCOPED_FD status_fd = -1, child_status_fd = -1;
	int pipe_fds[2], r = binary_fd < 0 ? -errno : high_fd(binary_fd, &c->binary_fd);

	if (r == 0)
		r = high_fd(l->control_fd, &c->control_fd);
	if (r == 0)
		r = high_fd(l->log_fd, &c->log_fd);
	if (r == 0 && l->extra_fd >= 0)
		r = high_fd(l->extra_fd, &c->extra_fd);
	if (r == 0 && pipe2(pipe_fds, O_CLOEXEC) < 0)
		r = -errno;
	if (r < 0)
		return r;
	status_fd = pipe_fds[0];
	child_status_fd = pipe_fds[1];
	r = high_fd(child_status_fd, &c->status_fd);
	if (r == 0)
		*out_status_fd = keep_fd(&status_fd);
	return r;
}

static int await_exec(int status_fd, const char **out_step)
{
	_Static_assert(sizeof(struct launch_fault) <= PIPE_BUF, "written at once");
	struct launch_fault fault;
	ssize_t n = fd_read_all(status_fd, &fault, sizeof(fault));

	if (n == 0)
		return 0; /* closed by exec */
	if (n != (ssize_t)sizeof(fault) || fault.step >= STEP_COUNT)
		return -EIO;
	*out_step = step_names[fault.step];
	return fault.error;
}

int launch_program(const struct launch *l, pid_t *out_pid, int *out_pid_fd, const char **out_step)
{
	SCOPED_FD status_fd = -1, pid_fd = -1;
	struct child child = {.launch = l,
			      .binary_fd = -1,
			      .status_fd = -1,
			      .control_fd = -1,
			      .extra_fd = -1,
			      .log_fd = -1};
	pid_t pid;
	int r;

	must(l->uid > 0 && l->control_fd >= 0 && l->log_fd >= 0); /* no program of ours is root */
	*out_step = "OPEN";
	r = child_open(&child, &status_fd);
	pid = r < 0 ? -1 : fork();
	if (r == 0 && pid < 0)
		r = -errno;
	if (pid == 0)
		child_main(&child);
	child_close(&child);
	if (r < 0)
		return r;
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	r = pid_fd < 0 ? -errno : await_exec(status_fd, out_step);
	if (r < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	*out_pid = pid;
	*out_pid_fd = keep_fd(&pid_fd);
	return 0;
}

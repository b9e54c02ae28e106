// SPDX-License-Identifier: Apache-2.0
/* PID 1 of a sandbox from the claim until it becomes ebb-init. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "sandbox/inside.h"

static int receive_claim(struct inside *in)
{
	struct claim *c = in->claim;
	const struct iovec parts[] = {{&c->head, sizeof(c->head)}, {&c->exec, sizeof(c->exec)}};
	int fds[CLAIM_FDS_MAX] = {-1, -1, -1, -1};
	size_t fd_count = 0;
	ssize_t n = message_recv(in->control_fd, parts, ARRAY_LEN(parts), fds, ARRAY_LEN(fds),
				 &fd_count, 0);

	if (n != sizeof(c->head) + sizeof(c->exec) ||
	    fd_count != 2u + !!c->head.has_listen + !!c->head.has_start ||
	    !text_terminated(c->head.instance_id, sizeof(c->head.instance_id)))
		return -EPIPE;
	if (c->exec.uid != 0)
		c->exec.capabilities = 0;
	c->root_fd = fds[0];
	c->output_fd = fds[1];
	c->listen_fd = c->head.has_listen ? fds[2] : -1;
	c->start_fd = c->head.has_start ? fds[fd_count - 1] : -1;
	return 0;
}

/* From here on the sandbox does not end with the zygote. */
static int leave_zygote(struct inside *in)
{
	size_t length = strnlen(in->claim->head.instance_id, HOST_NAME_CHARS);

	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		return -errno;
	if (length > 0 && sethostname(in->claim->head.instance_id, length) < 0)
		return -errno;
	return 0;
}

static int move_root(struct inside *in)
{
	if (move_mount(in->claim->root_fd, "", AT_FDCWD, "/root", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* Opens a mount point, which sandbox_root() made in the upper layer. No link is followed, so the
 * image cannot lead it elsewhere. */
static int open_mount_point(int root_fd, const char *name)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS |
					  RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
	long fd = syscall(SYS_openat2, root_fd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int move_tree(int root_fd, int tree_fd, const char *name)
{
	SCOPED_FD point_fd = open_mount_point(root_fd, name);

	if (point_fd < 0)
		return point_fd;
	if (move_mount(tree_fd, "", point_fd, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static int move_trees(struct inside *in)
{
	const struct {
		const char *name;
		int tree_fd;
	} trees[] = {{"proc", in->proc_fd}, {"sys", in->sys_fd}, {"dev", in->dev_fd}};

	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		int r = move_tree(in->claim->root_fd, trees[i].tree_fd, trees[i].name);

		if (r < 0)
			return r;
	}
	return 0;
}

/* pivot_root(".", ".") stacks the old root, the stage, upon the new one (pivot_root(2), NOTES). The
 * function's process is in the same mount namespace, so its root changes too. */
static int pivot(struct inside *in)
{
	if (fchdir(in->claim->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno;
	return 0;
}

/* The unmount waits for the kernel's readers (0.1 ms), so it runs while the function starts. For
 * that moment the function could find the stage's empty, read-only directories at "/..", and
 * nothing else. */
static int drop_stage(struct inside *in)
{
	return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? -errno : 0;
}

static int make_cwd(struct inside *in)
{
	const char *path = in->claim->exec.cwd;
	struct stat st;

	if (!text_terminated(path, sizeof(in->claim->exec.cwd)) || path[0] != '/')
		return -EINVAL;
	if (stat(path, &st) == 0 || errno != ENOENT)
		return 0; /* the function itself enters the directory, and fails if it cannot */
	return fd_mkdir_p(AT_FDCWD, path, 0755);
}

static int let_go(struct inside *in)
{
	must(in->go_fd >= 0 && in->claim->root_fd >= 0);
	return eventfd_write(in->go_fd, 1) < 0 ? -errno : 0;
}

/* Meanwhile the function runs already, or starts without further help. */
static int become_init(struct inside *in)
{
	char pid[16], stop_signal[16];
	char *const argv[] = {"ebb-init", pid, stop_signal, NULL};
	char *const envp[] = {NULL};
	int r = fd_set_cloexec(in->control_fd, 0);

	must(in->control_fd == CONTROL_FD && in->function_pid > 1); /* as ebb-init expects */
	snprintf(pid, sizeof(pid), "%d", in->function_pid);
	snprintf(stop_signal, sizeof(stop_signal), "%u", in->claim->exec.stop_signal);
	if (r == 0)
		r = filter_load(&in->shared->init_filter);
	if (r < 0)
		return r;
	execveat(in->shared->init_fd, "", argv, envp, AT_EMPTY_PATH);
	return -errno;
}

static const struct step claim_steps[] = {
	{SANDBOX_HOSTNAME, leave_zygote}, {SANDBOX_MOVE_ROOT, move_root},
	{SANDBOX_MOUNTS, move_trees},     {SANDBOX_PIVOT, pivot},
	{SANDBOX_SYSFS, shown_fill},      {SANDBOX_CWD, make_cwd},
	{SANDBOX_FORK, let_go},           {SANDBOX_PIVOT, drop_stage},
	{SANDBOX_CAPS, narrow_init},      {SANDBOX_GROUPS, drop_ids},
	{SANDBOX_CAPS, drop_init_caps},   {SANDBOX_INIT, become_init},
};

static void on_function_gone(int signal_number)
{
	_exit(1);
}

/* A parked sandbox ends when the function's process ends, because ebbd watches PID 1 only. From the
 * claim on ebb-init reports how the function ended, and expects all signals to be blocked. */
static int heed_function(int how)
{
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	return sigprocmask(how, &child, NULL) < 0 ? -errno : 0;
}

static int await_claim(struct inside *in)
{
	int r = signal(SIGCHLD, on_function_gone) == SIG_ERR ? -errno : heed_function(SIG_UNBLOCK);

	if (r == 0)
		r = receive_claim(in);
	return r < 0 ? r : heed_function(SIG_BLOCK);
}

void claim_main(struct inside *in)
{
	struct sandbox_word fault;

	/* End of file means that ebbd does not want this sandbox any more. */
	if (await_claim(in) < 0)
		_exit(1);
	(void)steps_run(in, claim_steps, ARRAY_LEN(claim_steps), &fault);
	/* become_init does not return, so a step has failed. The end of PID 1 ends all processes of
	 * the sandbox. */
	step_report(in->control_fd, &fault);
	_exit(1);
}

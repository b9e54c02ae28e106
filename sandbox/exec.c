// SPDX-License-Identifier: Apache-2.0
/*
 * A command that joins a running sandbox: two processes, both born in the sandbox's cgroups.
 *
 * The zygote clones the first one (join_main). It calls setns(2) for all namespaces. A pid
 * namespace then applies to its children only (pid_namespaces(7)), so no process inside can see
 * join_main. It forks the command (command_main), waits for it, and ends it when ebbd's end of the
 * session closes. It hears nothing from inside but how the command ended.
 *
 * The command gives up the rights that the function gave up, in the same steps. Until its execve(2)
 * no process inside can look into it: it is not dumpable, and its memory belongs to the host's user
 * namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

#define SANDBOX_NAMESPACES                                                                         \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)
#define HIGH_FD 64 /* above all descriptors that the zygote has open while it clones */

/* The descriptors of a request, in this order: cgroup2 directory, pidfd of PID 1, session, streams
 * (none with a tty, else three), cgroup.procs files to join. */
enum { GOT_CGROUP, GOT_PID, GOT_SESSION, GOT_STREAMS };
_Static_assert(HIGH_FD > CONTROL_FD, "keep_only() closes what lies between");

/* Moves the wanted descriptors to HIGH_FD and above, and closes all other ones of the zygote. */
static int keep_only(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (fds[i] < 0)
			return -errno;
	}
	return close_range(CONTROL_FD, HIGH_FD - 1, 0) < 0 ? -errno : 0;
}

/* Joins the cgroups of v1 hierarchies, which CLONE_INTO_CGROUP does not reach. "0" stands for the
 * process that writes it. */
static int join_cgroups(const int *join_fds, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = fd_write_all(join_fds[i], "0", 1);
	return r;
}

static int enter(int pid_fd)
{
	if (setns(pid_fd, SANDBOX_NAMESPACES) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return 0;
}

/* ---- the command ---- */

static int bound_capabilities(struct inside *in)
{
	must(!in->no_caps);
	in->no_caps = cap_init();
	return in->no_caps ? drop_bounding_set() : -ENOMEM;
}

/* Opens a pty of the instance's own devpts and gives it to the command's user. ebbd gets
 * *master_fd. */
static int open_terminal(const struct zygote_request *request, int *master_fd)
{
	const struct winsize size = {.ws_row = (unsigned short)request->rows,
				     .ws_col = (unsigned short)request->columns};
	SCOPED_FD master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	SCOPED_FD slave = -1;
	int unlock = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || ioctl(slave, TIOCSWINSZ, &size) < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		return -errno;
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return -errno;
	*master_fd = keep_fd(&master);
	return 0;
}

static int take_streams(struct inside *in)
{
	struct sandbox_word started = {.says = SANDBOX_SAYS_STARTED};
	struct iovec part = {&started, sizeof(started)};
	SCOPED_FD master_fd = -1;
	int r = 0;

	for (int fd = 0; fd <= 2 && !in->join->request.tty; fd++)
		if (dup2(in->join->streams[fd], fd) < 0)
			return -errno;
	if (in->join->request.tty)
		r = open_terminal(&in->join->request, &master_fd);
	return r < 0 ? r : message_send(in->control_fd, &part, 1, &master_fd, master_fd >= 0, 0);
}

/* Sets the death signal and "dumpable" after the change of ids, which resets both (prctl(2)). */
static int stay_with_parent(struct inside *in)
{
	(void)in;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return 0;
}

static int load_filter(struct inside *in)
{
	return filter_load(&in->shared->function_filter);
}

static const struct step command_steps[] = {
	{SANDBOX_RLIMITS, function_limit},  {SANDBOX_CAPS, bound_capabilities},
	{SANDBOX_CAPS, narrow_function},    {SANDBOX_GROUPS, drop_ids},
	{SANDBOX_CAPS, drop_function_caps}, {SANDBOX_CLONE, stay_with_parent},
	{SANDBOX_DEV, take_streams},        {SANDBOX_DEV, function_close_others},
	{SANDBOX_CWD, function_enter_cwd},  {SANDBOX_NO_NEW_PRIVS, drop_new_privs},
	{SANDBOX_SECCOMP, load_filter},     {SANDBOX_STRICT, function_load_strict},
	{SANDBOX_EXEC, function_execute},
};

__attribute__((noreturn)) static void command_main(struct inside *in)
{
	struct sandbox_word fault;

	(void)setsid();
	(void)steps_run(in, command_steps, ARRAY_LEN(command_steps), &fault);
	step_report(in->control_fd, &fault);
	_exit(1);
}

/* ---- the process that waits for it ---- */

static int fork_command(struct inside *in, int *pid_fd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD, .pidfd = (uintptr_t)pid_fd, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		command_main(in);
	return pid < 0 ? -errno : (int)pid;
}

static void tell_end(int session_fd, pid_t pid)
{
	struct sandbox_word word = {.says = SANDBOX_SAYS_EXIT};
	struct iovec part = {&word, sizeof(word)};
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	word.a = WIFSIGNALED(status);
	word.b = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	(void)message_send(session_fd, &part, 1, NULL, 0, 0);
}

/* Takes a word of ebbd: sends its signal to the command. When ebbd has closed its end, kills the
 * command and its process group, and answers false. */
static bool hear(int session_fd, pid_t pid)
{
	struct sandbox_word word;
	struct iovec part = {&word, sizeof(word)};
	size_t none;
	ssize_t n = message_recv(session_fd, &part, 1, NULL, 0, &none, 0);

	if (n == sizeof(word)) {
		(void)kill(pid, (int)word.a);
		return true;
	}
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	return false;
}

static void attend(int session_fd, int pid_fd, pid_t pid)
{
	struct pollfd watched[] = {{.fd = session_fd, .events = POLLIN},
				   {.fd = pid_fd, .events = POLLIN}};

	for (;;) {
		if (poll(watched, ARRAY_LEN(watched), -1) < 0 && errno != EINTR)
			return;
		if (watched[1].revents)
			break;
		/* An end of the session is reported for ever: after it only the command is
		 * watched. */
		if (watched[0].revents && !hear(session_fd, pid))
			watched[0].fd = -1;
	}
	tell_end(session_fd, pid);
}

__attribute__((noreturn)) static void fail(int session_fd, enum sandbox_step step, int err)
{
	struct sandbox_word fault = step_fault(step, err);

	step_report(session_fd, &fault);
	_exit(1);
}

__attribute__((noreturn)) static void join_main(const struct shared *shared, struct join *join,
						int *fds, size_t fd_count)
{
	struct inside in = {.shared = shared, .claim = &join->claim, .join = join};
	size_t streams = join->request.tty ? 0 : 3;
	int pid_fd = -1, r = keep_only(fds, fd_count), pid;

	must(fd_count >= GOT_STREAMS + streams); /* join_spawn() has looked */
	in.control_fd = fds[GOT_SESSION];
	in.ring_fd = -1;
	join->claim.listen_fd = join->claim.start_fd = -1;
	memcpy(join->streams, fds + GOT_STREAMS, streams * sizeof(int));
	if (r < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NAME, "ebb:exec") < 0)
		fail(in.control_fd, SANDBOX_CLONE, r < 0 ? r : -errno);
	r = join_cgroups(fds + GOT_STREAMS + streams, fd_count - GOT_STREAMS - streams);
	if (r < 0)
		fail(in.control_fd, SANDBOX_CGROUPS, r);
	r = enter(fds[GOT_PID]);
	if (r < 0)
		fail(in.control_fd, SANDBOX_CLONE, r);
	pid = fork_command(&in, &pid_fd);
	if (pid < 0)
		fail(in.control_fd, SANDBOX_FORK, pid);
	for (size_t i = 0; i < fd_count; i++)
		if (i != GOT_SESSION)
			fd_close(&fds[i]);
	attend(in.control_fd, pid_fd, pid);
	_exit(0);
}

void join_spawn(const struct shared *shared, struct join *join, int *fds, size_t fd_count)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
	struct sandbox_word fault;
	long pid;

	if (fd_count < GOT_STREAMS + (join->request.tty ? 0u : 3u))
		return;
	args.cgroup = (uint64_t)fds[GOT_CGROUP];
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		join_main(shared, join, fds, fd_count);
	if (pid > 0)
		return;
	fault = step_fault(SANDBOX_CLONE, -errno);
	step_report(fds[GOT_SESSION], &fault);
}

// SPDX-License-Identifier: Apache-2.0
#include "images/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/filter.h"
#include "runtime/base/text.h"

/* Without __WALL, waitid(2) does not wait for children that send no signal at their end, and ours
 * send none (child.h). */
#define WAIT_FLAGS (WEXITED | __WALL)

static void reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int child_fork(uint64_t namespaces, int *out_pid_fd)
{
	int pid_fd = -1;
	struct clone_args args = {
		.flags = namespaces | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pid_fd,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		reset_signals();
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		return 0;
	}
	*out_pid_fd = pid_fd;
	return (int)pid;
}

/* Closes every descriptor but 2 and fd, which becomes 0. 0 or -errno. */
static int keep_only(int fd)
{
	if (fd != 0 && dup2(fd, 0) < 0)
		return -errno;
	close(1);
	return fd_close_from(3);
}

int child_run(int (*work)(int fd, const void *self), int fd, const void *self, int *out_pid_fd)
{
	int r = child_fork(0, out_pid_fd);

	if (r != 0)
		return r < 0 ? r : 0;
	r = keep_only(fd);
	if (r == 0)
		r = work(0, self);
	_exit(r < 0 ? -r & 0x7f : 0);
}

int child_reap(int pid_fd, int *out_status)
{
	siginfo_t info = {0};

	if (waitid(P_PIDFD, (id_t)pid_fd, &info, WAIT_FLAGS | WNOHANG) < 0)
		return -errno;
	if (info.si_pid == 0)
		return 0;
	*out_status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status & 0x7f;
	return 1;
}

void child_kill(int *pid_fd)
{
	siginfo_t info;

	if (*pid_fd < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, *pid_fd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)*pid_fd, &info, WAIT_FLAGS) < 0 && errno == EINTR)
		;
	fd_close(pid_fd);
}

void child_describe_end(int output_fd, int status, char *buf, size_t size)
{
	char said[200] = "";
	long call = -1;
	off_t end = lseek(output_fd, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(said) - 1 ? end - (off_t)sizeof(said) + 1 : 0;
	ssize_t n = pread(output_fd, said, sizeof(said) - 1, from);

	for (n = n < 0 ? 0 : n; n > 0 && said[n - 1] == '\n'; n--)
		;
	said[n < 0 ? 0 : n] = '\0';
	for (char *c = said; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	if (!WIFSIGNALED(status))
		(void)text_format(buf, size, "exit %d%s%s", WEXITSTATUS(status),
				  said[0] ? ": " : "", said);
	else if (WTERMSIG(status) == SIGSYS && (call = filter_said(said)) >= 0)
		(void)text_format(buf, size, "ended by SIGSYS: its filter forbids %s (call %ld)",
				  filter_call_name(call), call);
	else
		(void)text_format(buf, size, "ended by SIG%s%s%s",
				  sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status))
								 : "?",
				  said[0] ? ": " : "", said);
}

// SPDX-License-Identifier: Apache-2.0
/* ebb-step: runs one program after the other until one fails. The exit code is that of the last
 * one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/step/step.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/ids.h"
#include "runtime/base/mem.h"

FILTER_EMBED(step_policy, "images/step/step.policy");

#define SANDBOX_NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

struct step {
	struct step_plan plan;
	struct step_ids ids;
	struct step_group *group; /* or NULL: limits by process only */
	struct filter filter;
	int signal_fd;
	int ended; /* 128 + the number of the signal that ended ebb-step, or 0 */
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "ebb-step: %s: %s\n", what, why);
	return STEP_SETUP_FAILED;
}

/* Prints a fault; where: the step that failed. */
static int fail_at(struct fault *f, const char *where)
{
	char text[FAULT_TEXT_SIZE];

	fault_at(f, "%s", where);
	fprintf(stderr, "ebb-step: %s\n", fault_text(f, text));
	return STEP_SETUP_FAILED;
}

static int watch_signals(void)
{
	sigset_t ends;
	int fd;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* The child's pid with its pidfd, or -errno. The child never returns. */
static int start(struct step *s, const struct step_run *run, int *out_pid_fd, int *out_go_fd)
{
	struct step_place place = {
		.plan = &s->plan, .run = run, .ids = &s->ids, .filter = &s->filter};
	struct clone_args args = {
		.flags = SANDBOX_NAMESPACES | CLONE_PIDFD | (run->host_net ? 0 : CLONE_NEWNET),
		.pidfd = (uint64_t)(uintptr_t)out_pid_fd,
		.exit_signal = SIGCHLD,
	};
	int ends[2];
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		fd_close(&ends[1]);
		place.go_fd = ends[0];
		inside_run(&place);
	}
	fd_close(&ends[0]);
	*out_go_fd = ends[1];
	return pid < 0 ? -errno : (int)pid;
}

/* Waits until the sandbox ends by itself, its time is up, or a signal tells ebb-step to end. */
static int await(struct step *s, const struct step_run *run, int pid_fd)
{
	struct pollfd fds[] = {{.fd = pid_fd, .events = POLLIN},
			       {.fd = s->signal_fd, .events = POLLIN}};
	int n;

	do
		n = poll(fds, ARRAY_LEN(fds),
			 (int)(run->seconds > 1000000 ? -1 : (int)run->seconds * 1000));
	while (n < 0 && errno == EINTR);
	if (n > 0 && fds[0].revents)
		return 0;
	(void)syscall(SYS_pidfd_send_signal, pid_fd, SIGKILL, NULL, 0);
	if (n == 0) {
		fprintf(stderr, "ebb-step: stopped after %llu s\n",
			(unsigned long long)run->seconds);
		return STEP_TIME_UP;
	}
	s->ended = 128 + SIGTERM;
	return s->ended;
}

static int collect(struct step *s, int pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return STEP_SETUP_FAILED;
	if (group_ran_out(s->group))
		fprintf(stderr, "ebb-step: out of memory: %llu MB are given to it\n",
			(unsigned long long)(s->plan.memory_bytes >> 20));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_one(struct step *s, const struct step_run *run)
{
	SCOPED_FD pid_fd = -1;
	SCOPED_FD go_fd = -1;
	int pid = start(s, run, &pid_fd, &go_fd);
	int r = 0, ended, status;

	if (pid < 0)
		return fail("cannot make namespaces", strerror(-pid));
	if (s->group)
		r = group_join(s->group, pid);
	if (r < 0)
		fail("cannot enter the control group", strerror(-r));
	else
		r = fd_write_all(go_fd, "g", 1);
	fd_close(&go_fd); /* without the byte the child ends */
	ended = await(s, run, pid_fd);
	status = collect(s, pid);
	if (r < 0)
		return STEP_SETUP_FAILED;
	return ended ? ended : status;
}

/* Makes this process end with its caller; -ESRCH if the caller ended before this call. */
static int die_with(pid_t parent)
{
	return prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent ? -ESRCH : 0;
}

/* Takes a range of ids, and the control groups that bear its number. */
static int take_place(struct step *s, struct fault *f, const char **where)
{
	unsigned int from = 0;
	int r;

	do {
		*f = (struct fault){0};
		*where = "ids";
		r = ids_open(&s->ids, from, f);
		if (r < 0 || !s->ids.privileged || !s->plan.cgroups)
			return r;
		*where = "limits (EBB_BUILD_CGROUPS=no builds without)";
		r = group_open(&s->plan, &s->ids, &s->group, f);
		from = s->ids.slot + 1;
		if (r == -EBUSY)
			ids_close(&s->ids);
	} while (r == -EBUSY && from < BUILD_RANGES);
	return r;
}

static int prepare(struct step *s)
{
	pid_t parent = getppid();
	const char *where = "";
	struct fault fault = {0};
	char why[256];
	int r = filter_compile(step_policy_start, (size_t)(step_policy_end - step_policy_start),
			       &s->filter, why, sizeof(why));

	if (r < 0)
		return fail("policy", why);
	s->signal_fd = watch_signals();
	if (s->signal_fd < 0)
		return fail("signals", strerror(-s->signal_fd));
	if (die_with(parent) < 0)
		return fail("death signal", "the caller of this build is gone");
	r = take_place(s, &fault, &where);
	if (r < 0)
		return fail_at(&fault, where);
	/* The death signal is set again: entering a user namespace has cleared it. */
	if (die_with(parent) < 0)
		return fail("death signal", "the caller of this build is gone");
	if (unshare(CLONE_NEWNS) < 0)
		return fail("cannot make namespaces", strerror(errno));
	r = scratch_mount(&s->plan, &s->ids, &where);
	return r < 0 ? fail(where, strerror(-r)) : 0;
}

int main(int argc, char **argv)
{
	struct step s = {.signal_fd = -1, .ids = {.user_ns_fd = -1, .slot_fd = -1}};
	char text[FAULT_TEXT_SIZE];
	struct fault fault = {0};
	int r;

	if (plan_parse(argc, argv, &s.plan, &fault) < 0) {
		fprintf(stderr, "ebb-step: %s\n", fault_text(&fault, text));
		plan_fini(&s.plan);
		return 2;
	}
	r = prepare(&s);
	for (unsigned int i = 0; r == 0 && i < s.plan.run_count; i++) {
		r = run_one(&s, &s.plan.runs[i]);
		if (s.plan.runs[i].may_fail && r != STEP_SETUP_FAILED && s.ended == 0)
			r = 0;
	}
	group_close(s.group);
	ids_close(&s.ids);
	filter_fini(&s.filter);
	fd_close(&s.signal_fd);
	plan_fini(&s.plan);
	return r;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The zygote's process: clones sandboxes, maps their ids, hands them to ebbd, reaps them.
 *
 * It arms one sandbox at a time; further requests wait in the socket. The zygote ends when ebbd
 * closes its end of the socket, and parked sandboxes end with the zygote (PR_SET_PDEATHSIG in
 * arm.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/turn.h"
#include "sandbox/inside.h"

#define SANDBOX_NAMESPACES                                                                         \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)

/* A child being armed. */
struct newborn {
	pid_t pid, function_pid;
	int pid_fd, control_fd; /* control_fd: the end of ebbd's side */
	int user_ns_fd, net_ns_fd;
	int ipc_fd, own_fd;
};

static void newborn_fini(struct newborn *n)
{
	fd_close(&n->pid_fd);
	fd_close(&n->control_fd);
	fd_close(&n->user_ns_fd);
	fd_close(&n->net_ns_fd);
	fd_close(&n->ipc_fd);
	fd_close(&n->own_fd);
}

/* The kernel counts many objects of a user namespace (inotify, signals, timers, message queues,
 * namespaces) for the uid that made the namespace, in the user namespace around it. If all
 * sandboxes were cloned under root's uid, one instance could use up the share of all others and of
 * the host's root. So a sandbox is cloned under the first id of its own range. The zygote keeps its
 * capabilities under that id (SECBIT_NO_SETUID_FIXUP in set_up). */
static int become_owner(uid_t uid)
{
	return setresuid((uid_t)-1, uid, (uid_t)-1) < 0 ? -errno : 0;
}

static int clone_as(uid_t owner, struct clone_args *args, long *out_pid)
{
	int r = become_owner(owner);

	if (r < 0)
		return r;
	*out_pid = syscall(SYS_clone3, args, sizeof(*args));
	if (*out_pid == 0)
		return 0;
	r = *out_pid < 0 ? -errno : 0;
	/* A zygote that cannot become root again cannot go on. */
	must(become_owner(0) == 0);
	return r;
}

static uint32_t first_id(const struct shared *shared, const struct zygote_request *request)
{
	return shared->id_base + request->range * IDS_PER_RANGE;
}

/* fds: as arm() has them; the newborn closes its copies. */
static int clone_newborn(const struct shared *shared, const struct zygote_request *request,
			 const int *fds, size_t fd_count, struct newborn *n)
{
	uid_t owner = first_id(shared, request);
	struct clone_args args = {
		.flags = SANDBOX_NAMESPACES | CLONE_INTO_CGROUP | CLONE_PIDFD,
		.pidfd = (uintptr_t)&n->pid_fd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)fds[0],
	};
	SCOPED_FD child_end_fd = -1;
	int pair[2];
	long pid;
	int r;

	if (shared->fail_step == SANDBOX_CLONE)
		return -EIO;
	n->own_fd = template_own(owner);
	if (n->own_fd < 0)
		return n->own_fd;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	n->control_fd = pair[0];
	child_end_fd = pair[1];
	r = clone_as(owner, &args, &pid);
	if (r < 0)
		return r;
	if (pid == 0) {
		/* Takes the place of the zygote's own control socket. */
		if (dup3(child_end_fd, CONTROL_FD, O_CLOEXEC) < 0)
			_exit(1);
		fd_close(&child_end_fd);
		fd_close(&n->control_fd);
		for (size_t i = 0; i < fd_count; i++)
			(void)close(fds[i]);
		arm_main(shared, request, n->own_fd);
	}
	n->pid = (pid_t)pid;
	return 0;
}

static int write_map(pid_t pid, const char *name, uint32_t first)
{
	char path[64], map[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	snprintf(map, sizeof(map), "0 %u %u\n", first, IDS_PER_RANGE);
	return fd_write_file_at(AT_FDCWD, path, map);
}

static int open_ns(pid_t pid, const char *name, int *out_fd)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*out_fd = fd;
	return 0;
}

static int map_ids(const struct shared *shared, uint32_t first, struct newborn *n)
{
	int r = shared->fail_step == SANDBOX_IDMAP ? -EIO : write_map(n->pid, "uid_map", first);

	if (r == 0)
		r = write_map(n->pid, "gid_map", first);
	if (r == 0)
		r = open_ns(n->pid, "user", &n->user_ns_fd);
	if (r == 0)
		r = open_ns(n->pid, "net", &n->net_ns_fd);
	return r;
}

/* Takes the sender and at most one descriptor: the sender still runs ebb's own code. */
static void take_control(struct msghdr *m, pid_t *out_sender, int *out_fd)
{
	struct ucred sender;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS)
			memcpy(out_fd, CMSG_DATA(c), sizeof(*out_fd));
		if (c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&sender, CMSG_DATA(c), sizeof(sender));
		*out_sender = sender.pid;
	}
}

/* Receives a word and the pid of its sender, which the kernel tells (SCM_CREDENTIALS, unix(7)) as
 * seen in the zygote's pid namespace. */
static bool hear(int socket_fd, struct sandbox_word *word, pid_t *out_sender, int *out_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
	} from = {0};
	struct iovec part = {word, sizeof(*word)};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = from.bytes,
			   .msg_controllen = sizeof(from.bytes)};
	ssize_t n;

	*out_sender = 0;
	do
		n = recvmsg(socket_fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return false;
	take_control(&m, out_sender, out_fd);
	return n == sizeof(*word) && *out_sender > 0;
}

static int ask_for_senders(int socket_fd, int on)
{
	return setsockopt(socket_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 0;
}

/* Sends the child the word that it waits for. Then the child's own child says that all is armed, or
 * one of the two names the step that failed. */
static int hear_armed(struct newborn *n, struct sandbox_word *fault)
{
	struct sandbox_word word = {.says = SAYS_ARMED};
	struct iovec part = {&word, sizeof(word)};
	int r = ask_for_senders(n->control_fd, 1);

	if (r == 0)
		r = message_send(n->control_fd, &part, 1, NULL, 0, 0);
	if (r == 0 && !hear(n->control_fd, &word, &n->function_pid, &n->ipc_fd))
		r = -ECHILD;
	if (r == 0)
		r = ask_for_senders(n->control_fd, 0);
	if (r == 0 && word.says == SAYS_ARMED && n->ipc_fd >= 0)
		return 0;
	*fault = r == 0 ? word : step_fault(SANDBOX_PARK, r);
	return -ECANCELED;
}

/* Moves the child into the cgroups of v1 hierarchies, which CLONE_INTO_CGROUP does not reach. The
 * child has no children yet; those that it makes later are born in its cgroups. */
static int join_cgroups(const struct shared *shared, pid_t pid, const int *join_fds, size_t count)
{
	char text[16];
	int r = shared->fail_step == SANDBOX_CGROUPS ? -EIO : 0;

	snprintf(text, sizeof(text), "%d", (int)pid);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = fd_write_all(join_fds[i], text, strlen(text));
	return r;
}

static int timed(const struct shared *shared, enum sandbox_step step, uint64_t *begun_ns, int r,
		 struct sandbox_word *fault)
{
	step_timed(shared, step, *begun_ns);
	*begun_ns = clock_mono_ns();
	if (r < 0)
		*fault = step_fault(step, r);
	return r;
}

/* fds: the cgroup2 directory, then the cgroups to join. */
static int arm(const struct shared *shared, const struct zygote_request *request, const int *fds,
	       size_t fd_count, struct newborn *n, struct sandbox_word *fault)
{
	uint64_t begun_ns = clock_mono_ns();
	int r = timed(shared, SANDBOX_CLONE, &begun_ns,
		      clone_newborn(shared, request, fds, fd_count, n), fault);

	if (r == 0)
		r = timed(shared, SANDBOX_CGROUPS, &begun_ns,
			  join_cgroups(shared, n->pid, fds + 1, fd_count - 1), fault);
	if (r == 0)
		r = timed(shared, SANDBOX_IDMAP, &begun_ns,
			  map_ids(shared, first_id(shared, request), n), fault);
	return r < 0 ? r : hear_armed(n, fault);
}

static int say(const struct zygote_reply *reply, const int *fds, size_t fd_count)
{
	struct iovec part = {(void *)reply, sizeof(*reply)};

	return message_send(CONTROL_FD, &part, 1, fds, fd_count, 0);
}

/* Sends the answer. A sandbox whose descriptors cannot be sent has failed, and ebbd is told so. A
 * zygote that cannot even send that ends, which ebbd sees as end of file. */
static void answer(struct newborn *n, struct zygote_reply *reply)
{
	const int fds[ZYGOTE_REPLY_FDS] = {n->pid_fd, n->control_fd, n->user_ns_fd, n->net_ns_fd,
					   n->ipc_fd};
	int r = say(reply, fds, reply->pid ? ZYGOTE_REPLY_FDS : 0);

	if (r == 0)
		return;
	if (n->pid_fd >= 0)
		(void)pidfd_send_signal(n->pid_fd, SIGKILL, NULL, 0);
	reply->pid = 0;
	reply->fault = step_fault(SANDBOX_PARK, r);
	if (say(reply, NULL, 0) < 0)
		_exit(1);
}

static void on_arm(const struct shared *shared, const struct zygote_request *request,
		   const int *fds, size_t fd_count)
{
	struct newborn n = {.pid_fd = -1,
			    .control_fd = -1,
			    .user_ns_fd = -1,
			    .net_ns_fd = -1,
			    .ipc_fd = -1,
			    .own_fd = -1};
	uint64_t start_ns = clock_mono_ns();
	struct zygote_reply reply = {.range = request->range,
				     .id_first = first_id(shared, request)};
	int r = arm(shared, request, fds, fd_count, &n, &reply.fault);

	reply.function_pid = n.function_pid;
	if (r == 0)
		reply.pid = n.pid;
	else if (n.pid_fd >= 0)
		(void)pidfd_send_signal(n.pid_fd, SIGKILL, NULL, 0);
	reply.arm_ns = clock_mono_ns() - start_ns;
	answer(&n, &reply);
	newborn_fini(&n);
}

/* Receives a request into *join and carries it out. 0, or -errno when ebbd is gone. */
static int on_request(const struct shared *shared, struct join *join)
{
	struct claim *claim = &join->claim;
	const struct iovec parts[] = {{&join->request, sizeof(join->request)},
				      {&claim->head, sizeof(claim->head)},
				      {&claim->exec, sizeof(claim->exec)}};
	int fds[JOIN_FDS_MAX];
	size_t fd_count = 0;
	ssize_t size = message_recv(CONTROL_FD, parts, ARRAY_LEN(parts), fds, ARRAY_LEN(fds),
				    &fd_count, 0);
	bool whole = size == sizeof(join->request) + sizeof(claim->head) + sizeof(claim->exec);

	if (size < 0)
		return (int)size;
	if (whole && join->request.join)
		join_spawn(shared, join, fds, fd_count);
	else if (size == sizeof(join->request) && !join->request.join && fd_count >= 1)
		on_arm(shared, &join->request, fds, fd_count);
	else
		return -EPIPE;
	for (size_t i = 0; i < fd_count; i++)
		fd_close(&fds[i]);
	return 0;
}

static void reap(int signal_fd)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) > 0)
		;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Makes the null device of the zygote's root the standard streams of all processes that it clones,
 * until they get streams of their own. */
static int close_streams(void)
{
	SCOPED_FD null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return -errno;
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null_fd, fd) < 0)
			return -errno;
	return 0;
}

/* Gives a signal its default action, because ebbd's parent may have ignored it. Calls the
 * kernel directly: libc refuses signals 32 and 33. SIGKILL and SIGSTOP end with EINVAL, which
 * is ignored. */
static void reset_signal(int number)
{
	const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} by_default = {.handler = SIG_DFL};

	(void)syscall(SYS_rt_sigaction, number, &by_default, NULL, sizeof(by_default.mask));
}

/* Sets the limits of a whole instance, so that they do not depend on the host's. A user namespace
 * gets the limits of the process that makes it (the kernel's ucounts), and every process of an
 * instance inherits them. */
static int limit_instances(void)
{
	static const struct {
		int resource;
		rlim_t most;
	} limits[] = {
		{RLIMIT_SIGPENDING, 4096}, /* queued signals and POSIX timers */
		{RLIMIT_MSGQUEUE, 819200}, /* bytes of POSIX queues: the kernel's own default */
		{RLIMIT_MEMLOCK, 8 << 20},
		{RLIMIT_RTPRIO, 0},
		{RLIMIT_NICE, 0},
		/* With 1 a core_pattern that is a pipe runs no program on the host (core(5)), and a
		 * core file is never written, because none is so small. The policy lets nobody
		 * change it. */
		{RLIMIT_CORE, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		const struct rlimit l = {limits[i].most, limits[i].most};

		if (setrlimit(limits[i].resource, &l) < 0)
			return -errno;
	}
	return 0;
}

/* Sets the zygote up. All signals are blocked, because each PID 1 inherits that and ebb-init
 * expects it; none is ignored. */
static int set_up(const struct shared *shared, int *out_signal_fd)
{
	sigset_t all, child;
	int fd, r;

	sigfillset(&all);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return -errno;
	for (int s = 1; s < NSIG; s++)
		reset_signal(s);
	umask(022);
	/* ebb's own processes inside a sandbox must not be looked into from inside. */
	if (prctl(PR_SET_NAME, "ebbd:zygote") < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0)
		return -errno;
	r = limit_instances();
	if (r == 0)
		r = turn_set(TURN_OF_INSTANCE_US);
	if (r == 0)
		r = template_enter();
	if (r < 0)
		return r;
	r = close_streams();
	if (r < 0)
		return r;
	fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	*out_signal_fd = fd;
	return filter_load(&shared->zygote_filter);
}

int zygote_say_ready(const struct fault *fault)
{
	struct iovec part = {(void *)fault, sizeof(*fault)};

	return message_send(CONTROL_FD, &part, 1, NULL, 0, 0);
}

void zygote_main(const struct shared *shared)
{
	struct fault fault = {0};
	struct join *join = calloc(1, sizeof(*join));
	int signal_fd = -1;
	int r = join ? set_up(shared, &signal_fd) : -ENOMEM;
	struct pollfd watched[] = {{.fd = CONTROL_FD, .events = POLLIN},
				   {.fd = signal_fd, .events = POLLIN}};

	if (r < 0) {
		fault_errno(&fault, r, "the zygote cannot make its root");
		fault_mend(&fault, "it needs root and CAP_SYS_ADMIN in the host's user namespace");
	}
	if (zygote_say_ready(&fault) < 0 || r < 0)
		_exit(1);
	while (r == 0) {
		if (poll(watched, ARRAY_LEN(watched), -1) < 0 && errno != EINTR)
			break;
		if (watched[1].revents)
			reap(signal_fd);
		if (watched[0].revents)
			r = on_request(shared, join);
	}
	_exit(0);
}

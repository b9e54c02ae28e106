// SPDX-License-Identifier: Apache-2.0
/*
 * The first process of a sandbox. It waits until it is in its control group, builds the root, gives
 * up every right, starts the program and reaps. When it ends, the kernel kills the rest of the pid
 * namespace (pid_namespaces(7)).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/step/step.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

struct inside {
	const struct step_place *p;
	const char *where;
};

static int wait_for_go(struct inside *in)
{
	char byte;

	return fd_read_all(in->p->go_fd, &byte, 1) == 1 ? 0 : -ECANCELED;
}

static int leave_session(struct inside *in)
{
	return setsid() < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static int enter_root(struct inside *in)
{
	return root_enter(in->p->plan, in->p->run, &in->where);
}

static int lo_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	SCOPED_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* Sends a listener of the sandbox's own network namespace to the relay, which itself never enters
 * the namespace. */
static int send_listener(int channel_fd)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(3128),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = {0};
	struct iovec byte = {.iov_base = (char *)"l", .iov_len = 1};
	struct msghdr message = {.msg_iov = &byte,
				 .msg_iovlen = 1,
				 .msg_control = control.space,
				 .msg_controllen = sizeof(control.space)};
	SCOPED_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 64) < 0)
		return -errno;
	control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
					.cmsg_level = SOL_SOCKET,
					.cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(channel_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int set_network(struct inside *in)
{
	const struct step_run *run = in->p->run;
	int r;

	if (sethostname("build", 5) < 0 || setdomainname("", 0) < 0)
		return -errno;
	if (run->host_net)
		return 0;
	r = lo_up();
	return r == 0 && run->listen_out >= 0 ? send_listener(run->listen_out) : r;
}

static int set_limits(struct inside *in)
{
	const struct step_plan *plan = in->p->plan;
	const struct {
		int what;
		rlim_t value;
	} limits[] = {
		{RLIMIT_FSIZE, plan->size_bytes},
		{RLIMIT_CORE, 1}, /* with 0 a crash starts the program of core_pattern, core(5) */
		{RLIMIT_NOFILE, 4096},
		{RLIMIT_NPROC, plan->pids},
		{RLIMIT_MEMLOCK, 65536},
		{RLIMIT_SIGPENDING, 1024},
		{RLIMIT_MSGQUEUE, 0},
		{RLIMIT_CPU, in->p->run->seconds * 4},
		/* A limit of each process, for a user, who may not make a control group. */
		{RLIMIT_DATA, in->p->ids->privileged ? RLIM_INFINITY : plan->memory_bytes},
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct rlimit l = {.rlim_cur = limits[i].value, .rlim_max = limits[i].value}, now;

		if (getrlimit((__rlimit_resource_t)limits[i].what, &now) < 0)
			return -errno;
		if (!in->p->ids->privileged && now.rlim_max < l.rlim_max)
			l = now;
		if (setrlimit((__rlimit_resource_t)limits[i].what, &l) < 0)
			return -errno;
	}
	return 0;
}

/* If only the user's own id is mapped, /proc/PID/setgroups says "deny" and the groups cannot be
 * given up (user_namespaces(7)): EPERM. */
static int drop_ids(struct inside *in)
{
	const struct step_ids *ids = in->p->ids;

	if (ids->privileged && setns(ids->user_ns_fd, CLONE_NEWUSER) < 0)
		return -errno;
	if (setgroups(0, NULL) < 0 && (ids->privileged || errno != EPERM))
		return -errno;
	if (setresgid(STEP_USER, STEP_USER, STEP_USER) < 0 ||
	    setresuid(STEP_USER, STEP_USER, STEP_USER) < 0)
		return -errno;
	return 0;
}

static int drop_caps(struct inside *in)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	/* The change of ids may have taken CAP_SETPCAP: EPERM. Then it has taken all other
	 * capabilities too, and an execve(2) under this id gives none back. If CAP_SETPCAP is left,
	 * the bounding set, which limits the capabilities that execve(2) can give, is emptied. */
	if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 && errno != EPERM)
		return -errno;
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EINVAL && errno != EPERM)
			return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

static int no_new_privs(struct inside *in)
{
	/* A change of ids clears the death signal and sets "dumpable" to the value of
	 * fs.suid_dumpable (prctl(2)), so both are set again here. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static bool is_kept(const struct step_run *run, int fd)
{
	for (unsigned int i = 0; i < run->keep_count; i++)
		if (run->keep[i] == fd)
			return true;
	return fd <= STDERR_FILENO;
}

/* Closes every descriptor that the program does not get. Its standard input is /dev/null, unless it
 * gets a descriptor 0. */
static int close_rest(struct inside *in)
{
	SCOPED_FD null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	bool has_input = false;
	int last = STDERR_FILENO;

	for (unsigned int i = 0; i < in->p->run->keep_count; i++) {
		int fd = in->p->run->keep[i];

		has_input = has_input || fd == 0;
		last = fd > last ? fd : last;
		if (fcntl(fd, F_SETFD, 0) < 0)
			return -errno;
	}
	if (null_fd < 0 || (!has_input && dup2(null_fd, 0) < 0) || dup2(2, 1) < 0)
		return -errno;
	for (int fd = STDERR_FILENO + 1; fd <= last; fd++)
		if (fd != null_fd && !is_kept(in->p->run, fd))
			close(fd);
	if (null_fd > last)
		fd_close(&null_fd);
	else
		null_fd = is_kept(in->p->run, null_fd) ? -1 : null_fd;
	return fd_close_from((unsigned int)last + 1);
}

static int load_filter(struct inside *in)
{
	return filter_load(in->p->filter);
}

/* The order matters. */
static const struct {
	const char *name;
	int (*run)(struct inside *in);
} steps[] = {
	{"control group", wait_for_go}, {"session", leave_session},   {"mounts", enter_root},
	{"network", set_network},       {"limits", set_limits},       {"ids", drop_ids},
	{"capabilities", drop_caps},    {"privileges", no_new_privs}, {"descriptors", close_rest},
	{"seccomp", load_filter},
};

static int reap_until(pid_t program)
{
	int status;

	for (;;) {
		pid_t pid = waitpid(-1, &status, 0);

		if (pid < 0 && errno != EINTR)
			return STEP_SETUP_FAILED;
		if (pid == program)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

static void execute(const struct step_run *run)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &by_default, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execve(run->argv[0], run->argv, (char *const *)run->env);
	dprintf(STDERR_FILENO, "ebb-step: cannot execute %s: %s\n", run->argv[0], strerror(errno));
}

void inside_run(const struct step_place *place)
{
	struct inside in = {.p = place};
	pid_t program;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		int r = steps[i].run(&in);

		if (r == 0)
			continue;
		dprintf(STDERR_FILENO, "ebb-step: cannot set up the sandbox: %s%s%s: %s\n",
			steps[i].name, in.where ? ", " : "", in.where ? in.where : "",
			strerror(-r));
		_exit(STEP_SETUP_FAILED);
	}
	program = fork();
	if (program == 0) {
		execute(place->run);
		_exit(126);
	}
	_exit(program < 0 ? STEP_SETUP_FAILED : reap_until(program));
}

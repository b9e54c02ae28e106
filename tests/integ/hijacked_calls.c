// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * Each of ebb's filtered programs in an attacker's hands. The real program is linked with
 * --wrap=filter_apply (build/MODE/tests/hijacked): at the moment when it loads its filter this code
 * runs in its place, with its ids, root and descriptors. It makes its attempts and then loads the
 * filter as the program does, so ebb lives on and the test sees every program in one ebbd. For each
 * group it says to stderr how many attempts it made, and which of them were not refused:
 *
 *   confined  before the filter, against ebbd's confinement alone
 *   number    every system call by its number, with arguments that mean nothing
 *   argument  calls with arguments that no filter of ebb may let through
 *   reach     allowed calls that ask for things of others
 *
 * A call that the filter refuses raises SIGSYS and did nothing; the handler goes back to the attempt.
 */
/* clang-format on */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/filter.h"
#include "runtime/base/mem.h"

#define NUMBERS   512
#define URETPROBE 335
#define UPROBE    336
#define FDS       64
#define NOBODY    0x3ffffff0 /* no process has this number */
#define ABOVE     "../../../../../../../../"
#define HIGH      (1L << 32) /* a bit that the kernel does not read where an argument is an int */
#define SPARE     ((void *)-1L)
#define REFUSED   LONG_MIN

int __real_filter_apply(const char *text, size_t size, char *err, size_t err_size);
int __wrap_filter_apply(const char *text, size_t size, char *err, size_t err_size);

/* The findings of one group, written at its end, for a log has a bound. */
struct found {
	const char *group;
	unsigned int count;
	char names[3000];
};

static __thread sigjmp_buf attempt;

/* It does not return, because most filters forbid rt_sigreturn(2). */
static void on_refused(int signal_number)
{
	(void)signal_number;
	siglongjmp(attempt, 1);
}

/* The result of a system call, or REFUSED. */
#define CALL(...) (sigsetjmp(attempt, 1) ? REFUSED : syscall(__VA_ARGS__))

/* An attempt is over: r is its result, and a refused one has none. */
static void note(struct found *f, const char *name, int got)
{
	size_t at = strlen(f->names);

	f->count++;
	if (got)
		(void)snprintf(f->names + at, sizeof(f->names) - at, "%s%s", at ? "," : "", name);
}

static void say(const struct found *f)
{
	char line[sizeof(f->names) + 100];
	int n = snprintf(line, sizeof(line), "level=info event=attempts group=%s tried=%u got=%s\n",
			 f->group, f->count, f->names[0] ? f->names : "nothing");

	(void)!write(STDERR_FILENO, line, (size_t)n);
}

/* ---- rights that ebbd's confinement leaves ---- */

static int connects(int family, const void *address, socklen_t size)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int got = fd >= 0 && connect(fd, address, size) == 0;

	if (fd >= 0)
		close(fd);
	return got;
}

static int connects_to_host(void)
{
	struct sockaddr_un witness = {.sun_family = AF_UNIX, .sun_path = "\0ebb-hijack-witness"};

	return connects(AF_UNIX, &witness,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 19));
}

static int looks_into(pid_t pid)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};

	return process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0 || errno != EPERM;
}

static int has_capability(void)
{
	for (int cap = 0; cap < 41; cap++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0 ||
		    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0)
			return 1;
	return 0;
}

/* Each is true if something was got. */
/* clang-format off */
#define CONFINED(X) \
	X(root_id, getuid() == 0 || geteuid() == 0 || getgid() == 0) \
	X(privileges, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) \
	X(capability, has_capability()) \
	X(setuid, syscall(SYS_setuid, 0) == 0) \
	X(setgid, syscall(SYS_setgid, 0) == 0) \
	X(proc, open("/proc/self/status", O_RDONLY) >= 0) \
	X(password, open("/etc/passwd", O_RDONLY) >= 0) \
	X(dotdot, open("/" ABOVE "etc/passwd", O_RDONLY) >= 0) \
	X(device, mknod("/x", S_IFCHR | 0600, 0x103) == 0) \
	X(mount, mount("x", "/", "tmpfs", 0, NULL) == 0) \
	X(chroot, chroot("/") == 0) \
	X(namespace, setns(3, 0) == 0) \
	X(kill_ebbd, parent > 0 && kill(parent, 0) == 0) \
	X(kill_first, getpid() != 1 && kill(1, 0) == 0) \
	X(look_into_ebbd, parent > 0 && looks_into(parent)) \
	X(take_of_ebbd, syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, parent, 0), 3, 0) >= 0) \
	X(limit_ebbd, parent > 0 && prlimit(parent, RLIMIT_NOFILE, &(struct rlimit){9, 9}, NULL) == 0) \
	X(slow_ebbd, parent > 0 && setpriority(PRIO_PROCESS, (id_t)parent, 19) == 0) \
	X(host_socket, connects_to_host())
/* clang-format on */

/* parent: ebbd; 0 in a namespace of processes of its own. */
static void try_confinement(pid_t parent)
{
	struct found f = {.group = "confined"};

#define X(name, got) note(&f, #name, got);
	CONFINED(X)
#undef X
	say(&f);
}

/* ---- under the filter ---- */

/* These end the process, or its stack, wherever they are allowed. The kernel's own trampolines of
 * probes pass every filter (Linux 6.13), and who calls them himself gets SIGILL. */
static int is_end(long number)
{
	static const long ends[] = {SYS_exit, SYS_exit_group, SYS_rt_sigreturn, URETPROBE, UPROBE};

	for (size_t n = 0; n < ARRAY_LEN(ends); n++)
		if (number == ends[n])
			return 1;
	return 0;
}

static void try_number(struct found *f, long number)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "%s", filter_call_name(number));
	if (strcmp(name, "?") == 0)
		(void)snprintf(name, sizeof(name), "%ld", number);
	note(f, name, CALL(number, -1L, -1L, -1L, -1L, -1L, -1L) != REFUSED);
}

static void try_numbers(void)
{
	struct found f = {.group = "number"};

	for (volatile long number = 0; number < NUMBERS; number++)
		if (!is_end(number))
			try_number(&f, number);
	say(&f);
}

/* clang-format off */
#define ARGUMENTS(X) \
	X(socket_unix, SYS_socket, AF_UNIX, SOCK_STREAM, 0) \
	X(socket_inet, SYS_socket, AF_INET, SOCK_STREAM, 0) \
	X(socket_inet6, SYS_socket, AF_INET6, SOCK_STREAM, 0) \
	X(socket_netlink, SYS_socket, AF_NETLINK, SOCK_RAW, 0) \
	X(socket_packet, SYS_socket, 17, SOCK_RAW, 0) \
	X(socket_vsock, SYS_socket, 40, SOCK_STREAM, 0) \
	X(socket_alg, SYS_socket, 38, SOCK_SEQPACKET, 0) \
	X(socket_unix_high, SYS_socket, AF_UNIX | HIGH, SOCK_STREAM, 0) \
	X(mmap_exec, SYS_mmap, NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) \
	X(mmap_write_exec, SYS_mmap, NULL, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) \
	X(mmap_exec_high, SYS_mmap, NULL, 4096, PROT_EXEC | HIGH, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) \
	X(mprotect_exec, SYS_mprotect, NULL, 4096, PROT_EXEC) \
	X(mprotect_exec_high, SYS_mprotect, NULL, 4096, PROT_EXEC | HIGH) \
	X(ioctl_sti, SYS_ioctl, 0, TIOCSTI, SPARE) \
	X(ioctl_linux, SYS_ioctl, 0, TIOCLINUX, SPARE) \
	X(ioctl_setd, SYS_ioctl, 0, TIOCSETD, SPARE) \
	X(ioctl_owner, SYS_ioctl, 3, FIOSETOWN, SPARE) \
	X(ioctl_sti_high, SYS_ioctl, 0, TIOCSTI | HIGH, SPARE) \
	X(fcntl_owner, SYS_fcntl, 3, F_SETOWN, 1) \
	X(fcntl_owner_ex, SYS_fcntl, 3, F_SETOWN_EX, SPARE) \
	X(fcntl_signal, SYS_fcntl, 3, F_SETSIG, SIGKILL) \
	X(fcntl_owner_high, SYS_fcntl, 3, F_SETOWN | HIGH, 1) \
	X(fcntl_lease, SYS_fcntl, 3, F_SETLEASE, F_RDLCK) \
	X(fcntl_notify, SYS_fcntl, 3, F_NOTIFY, 1) \
	X(fcntl_pipe, SYS_fcntl, 3, F_SETPIPE_SZ, 1 << 20) \
	X(kill_thread, SYS_tgkill, NOBODY, NOBODY, SIGKILL) \
	X(stop_thread, SYS_tgkill, NOBODY, NOBODY, SIGSTOP) \
	X(quit_thread, SYS_tgkill, getpid(), getpid(), 0) \
	X(kill_thread_high, SYS_tgkill, NOBODY, NOBODY, SIGKILL | HIGH) \
	X(handler_of_refusals, SYS_rt_sigaction, SIGSYS, NULL, NULL, 8) \
	X(handler_of_faults, SYS_rt_sigaction, SIGSEGV, NULL, NULL, 8) \
	X(writev_other, SYS_writev, 3, NULL, 0) \
	X(setsockopt_socket, SYS_setsockopt, 3, SOL_SOCKET, SO_RCVBUF, NULL, 0) \
	X(getsockopt_ip, SYS_getsockopt, 3, IPPROTO_IP, 1, NULL, NULL) \
	X(dumpable, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0) \
	X(second_filter, SYS_seccomp, 1, 0, NULL) \
	X(thread, SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0) \
	X(child, SYS_clone, SIGCHLD, 0, 0, 0, 0)
/* clang-format on */

static void try_arguments(void)
{
	struct found f = {.group = "argument"};

#define X(name, ...) note(&f, #name, CALL(__VA_ARGS__) != REFUSED);
	ARGUMENTS(X)
#undef X
	say(&f);
}

static void try_reach(pid_t parent)
{
	static const char *const paths[] = {
		"/etc/passwd", "/proc/self/environ",   "/proc/1/root",    "/dev/null",
		"/sys/kernel", "/" ABOVE "etc/passwd", ABOVE "etc/passwd"};
	struct found f = {.group = "reach"};
	struct sockaddr_in host = {.sin_family = AF_INET,
				   .sin_port = htons(22),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	long tcp_fd;

	for (volatile size_t n = 0; n < ARRAY_LEN(paths); n++) /* volatile: beside siglongjmp */
		note(&f, paths[n], CALL(SYS_openat, AT_FDCWD, paths[n], O_RDONLY) >= 0);
	for (volatile int fd = 0; fd < FDS; fd++) {
		note(&f, "above", CALL(SYS_openat, fd, ABOVE "etc/passwd", O_RDONLY) >= 0);
		note(&f, "namespace", CALL(SYS_setns, fd, 0) >= 0);
	}
	note(&f, "abort_ebbd", CALL(SYS_tgkill, parent, parent, SIGABRT) >= 0);
	note(&f, "abort_first", CALL(SYS_tgkill, 1, 1, SIGABRT) >= 0);
	tcp_fd = CALL(SYS_socket, AF_INET, SOCK_STREAM, 0);
	note(&f, "host_port", tcp_fd >= 0 && CALL(SYS_connect, tcp_fd, &host, sizeof(host)) >= 0);
	note(&f, "raw_socket", CALL(SYS_socket, AF_INET, SOCK_RAW, 1) >= 0);
	say(&f);
}

static int load(const char *text, size_t size, char *err, size_t err_size)
{
	struct filter f = {0};
	int r = filter_compile(text, size, &f, err, err_size);

	if (r == 0)
		r = filter_load(&f);
	filter_fini(&f);
	return r;
}

int __wrap_filter_apply(const char *text, size_t size, char *err, size_t err_size)
{
	const struct sigaction act = {.sa_handler = on_refused};
	const pid_t parent = getppid();
	const int is_root = geteuid() == 0; /* ebb-unpack alone: another test looks at its jail */
	int r;

	if (!is_root)
		try_confinement(parent);
	if (sigaction(SIGSYS, &act, NULL) < 0)
		return -errno;
	r = load(text, size, err, err_size);
	if (r < 0)
		return r;
	try_numbers();
	try_arguments();
	if (!is_root)
		try_reach(parent);
	return 0;
}

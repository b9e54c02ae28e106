// SPDX-License-Identifier: Apache-2.0
#include "attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static long try_mount(const char *path)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL);
}
static long try_umount(const char *path)
{
	return umount2("/proc", MNT_DETACH);
}
static long try_unshare_user(const char *path)
{
	return syscall(SYS_unshare, CLONE_NEWUSER);
}
static long try_clone_user(const char *path)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}
static long try_clone3(const char *path)
{
	struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid;
}
static long try_setns(const char *path)
{
	int fd = open("/proc/1/ns/net", O_RDONLY);

	return fd < 0 ? -1 : syscall(SYS_setns, fd, CLONE_NEWNET);
}
static long try_ptrace_init(const char *path)
{
	return ptrace(PTRACE_ATTACH, 1, NULL, NULL);
}
static long try_bpf(const char *path)
{
	char attr[128] = {0};

	return syscall(SYS_bpf, 0, attr, sizeof(attr));
}
static long try_keyctl(const char *path)
{
	return syscall(SYS_keyctl, 0, -3, 1);
}
static long try_io_uring(const char *path)
{
	char params[120] = {0};

	return syscall(SYS_io_uring_setup, 4, params);
}
static long try_perf(const char *path)
{
	char attr[128] = {0};

	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}
static long try_userfaultfd(const char *path)
{
	return syscall(SYS_userfaultfd, 0);
}
static long try_mknod(const char *path)
{
	return mknod("/tmp/disk", S_IFBLK | 0600, makedev(8, 0));
}
static long try_chroot(const char *path)
{
	return chroot("/tmp");
}
static long try_hostname(const char *path)
{
	return sethostname("evil", 4);
}
static long try_setuid_root(const char *path)
{
	return setuid(0);
}
static long try_packet_socket(const char *path)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}
static long try_netlink_socket(const char *path)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}
static long try_vsock_socket(const char *path)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}
static long try_module(const char *path)
{
	return syscall(SYS_init_module, "", 0, "");
}
static long try_reboot(const char *path)
{
	return syscall(SYS_reboot, 0, 0, 0, NULL);
}
static long try_handle(const char *path)
{
	char handle[128] = {8};

	return syscall(SYS_open_by_handle_at, AT_FDCWD, handle, O_RDONLY);
}
/* The other calling convention of x86-64: no filter of ebb lets one come back from it. */
static long try_x32(const char *path)
{
	return syscall(0x40000000 | SYS_getpid);
}
static long try_signal_init(const char *path)
{
	return kill(1, SIGKILL);
}
static long try_write(const char *path)
{
	return open(path, O_WRONLY | O_CLOEXEC);
}
static long try_create(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}
static long try_read(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : read(fd, &byte, 1);
}

/* Lowers the limit for core files to 0. EDOM: it is not 1 afterwards. */
static long try_core_limit(const char *path)
{
	const struct rlimit none = {0, 0};
	struct rlimit now;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_CORE, &now) < 0)
		return -1;
	errno = EDOM;
	return now.rlim_cur == 1 && now.rlim_max == 1 ? 0 : -1;
}
/* Ends all listening sockets; the thread that waits on one of them waits on. */
static long try_deaf(const char *path)
{
	int nothing = eventfd(0, EFD_CLOEXEC), listens;

	for (int fd = 3; fd < 64; fd++) {
		socklen_t size = sizeof(listens);
		int copy;

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
			continue;
		copy = dup(fd);
		dup2(nothing, fd);
		shutdown(copy, SHUT_RDWR);
		close(copy);
	}
	return nothing < 0 ? -1 : 0;
}

static const struct {
	const char *name;
	long (*run)(const char *path);
} attempts[] = {
	{"mount", try_mount},
	{"umount", try_umount},
	{"unshare_user", try_unshare_user},
	{"clone_user", try_clone_user},
	{"clone3", try_clone3},
	{"setns", try_setns},
	{"ptrace_init", try_ptrace_init},
	{"bpf", try_bpf},
	{"keyctl", try_keyctl},
	{"io_uring", try_io_uring},
	{"perf", try_perf},
	{"userfaultfd", try_userfaultfd},
	{"mknod", try_mknod},
	{"chroot", try_chroot},
	{"hostname", try_hostname},
	{"setuid_root", try_setuid_root},
	{"packet_socket", try_packet_socket},
	{"netlink_socket", try_netlink_socket},
	{"vsock_socket", try_vsock_socket},
	{"module", try_module},
	{"reboot", try_reboot},
	{"handle", try_handle},
	{"x32", try_x32},
	{"signal_init", try_signal_init},
	{"write", try_write},
	{"create", try_create},
	{"read", try_read},
	{"core_limit", try_core_limit},
	{"deaf", try_deaf},
};

int attempt(const char *name, const char *path)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (strcmp(attempts[i].name, name) == 0)
			return attempts[i].run(path) < 0 ? errno : 0;
	}
	return -1;
}

// SPDX-License-Identifier: Apache-2.0
/* Attempts by system calls: mounts, namespaces, other processes, settings of the host, interpreters
 * in the kernel. */
#include "escapes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const file_systems[] = {
	"tmpfs",   "proc",   "sysfs",    "devpts",   "mqueue",      "cgroup",   "cgroup2",
	"overlay", "ramfs",  "debugfs",  "tracefs",  "securityfs",  "bpf",      "hugetlbfs",
	"fuse",    "pstore", "configfs", "efivarfs", "binfmt_misc", "devtmpfs", "autofs"};

void try_mounts(void)
{
	static const char *const targets[] = {"/", "/proc", "/sys", "/dev", "/dev/shm", "/tmp"};
	static const unsigned long flags[] = {
		0x1000 /* bind */, 0x5000,  0x20 /* remount */, 0x1020, 0x2000 /* move */, 0x40000,
		0x80000,           0x100000};
	const uint64_t attr[4] = {0, 1, 0, 0};

	for (size_t i = 0; i < COUNT(file_systems); i++) {
		tried("mount", syscall(SYS_mount, "none", "/tmp", file_systems[i], 0, ""),
		      "mount %s", file_systems[i]);
		tried("mount", syscall(SYS_fsopen, file_systems[i], 0), "fsopen %s",
		      file_systems[i]);
	}
	for (size_t t = 0; t < COUNT(targets); t++) {
		for (size_t f = 0; f < COUNT(flags); f++)
			tried("mount", syscall(SYS_mount, targets[t], "/tmp", NULL, flags[f], NULL),
			      "mount %s %#lx", targets[t], flags[f]);
		tried("mount", syscall(SYS_umount2, targets[t], 2), "umount %s", targets[t]);
		tried("mount", syscall(SYS_open_tree, AT_FDCWD, targets[t], 1), "open_tree %s",
		      targets[t]);
		tried("mount",
		      syscall(SYS_mount_setattr, AT_FDCWD, targets[t], 0, attr, sizeof(attr)),
		      "mount_setattr %s", targets[t]);
		tried("mount", syscall(SYS_fspick, AT_FDCWD, targets[t], 0), "fspick %s",
		      targets[t]);
		tried("mount", syscall(SYS_chroot, targets[t]), "chroot %s", targets[t]);
		tried("mount", syscall(SYS_move_mount, AT_FDCWD, targets[t], AT_FDCWD, "/tmp", 0),
		      "move_mount %s", targets[t]);
	}
	tried("mount", syscall(SYS_pivot_root, "/", "/tmp"), "pivot_root");
}

static const uint64_t namespaces[] = {0x80,      0x20000,    0x2000000,  0x4000000,
				      0x8000000, 0x10000000, 0x20000000, 0x40000000};

static long clone_with(uint64_t flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid;
}

/* In a process of its own: an attempt that works must not spoil the next ones. */
static long unshare_alone(uint64_t flags)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(syscall(SYS_unshare, flags) < 0 ? errno : 0);
	waitpid(pid, &status, 0);
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	return errno ? -1 : 0;
}

static long clone3_with(uint64_t flags)
{
	const uint64_t args[11] = {flags, [4] = SIGCHLD};
	long pid = syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid;
}

static void try_entering(const char *of)
{
	static const char *const names[] = {"cgroup", "ipc",  "mnt",  "net",
					    "pid",    "time", "user", "uts"};

	for (size_t i = 0; i < COUNT(names); i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/ns/%s", of, names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		tried("namespace", fd < 0 ? -1 : syscall(SYS_setns, fd, 0), "setns %s", path);
		if (fd >= 0)
			close(fd);
	}
}

void try_namespaces(void)
{
	for (size_t a = 0; a < COUNT(namespaces); a++)
		for (size_t b = a; b < COUNT(namespaces); b++) {
			const uint64_t flags = namespaces[a] | namespaces[b];

			tried("namespace", unshare_alone(flags), "unshare %#lx", flags);
			tried("namespace", clone3_with(flags), "clone3 %#lx", flags);
			if (flags != 0x80) /* in clone(2) these bits are a signal */
				tried("namespace", clone_with(flags & ~0x80UL), "clone %#lx",
				      flags);
			tried("namespace", clone_with((flags & ~0x80UL) | (1UL << 32) | 0x20000),
			      "clone with a stray bit %#lx", flags);
		}
	try_entering("self");
	try_entering("1");
}

static void reach_into(int pid, const char *whom)
{
	static char here[64];
	struct iovec mine = {here, 8}, theirs = {here, 8};
	int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	const uint64_t limit[2] = {1, 1};

	tried("process", syscall(SYS_process_vm_readv, pid, &mine, 1, &theirs, 1, 0), "readv of %s",
	      whom);
	tried("process", syscall(SYS_process_vm_writev, pid, &mine, 1, &theirs, 1, 0),
	      "writev of %s", whom);
	for (int type = 0; type < 7; type++)
		tried("process", syscall(SYS_kcmp, pid, getpid(), type, 0, 0), "kcmp %d %s", type,
		      whom);
	for (int fd = 0; fd < 8; fd++)
		tried("process", pid_fd < 0 ? -1 : syscall(SYS_pidfd_getfd, pid_fd, fd, 0),
		      "pidfd_getfd %d of %s", fd, whom);
	tried("process", syscall(SYS_process_madvise, pid_fd, &theirs, 1, 21, 0), "madvise of %s",
	      whom);
	tried("process", syscall(SYS_process_mrelease, pid_fd, 0), "mrelease of %s", whom);
	tried("process", syscall(SYS_migrate_pages, pid, 8, limit, limit), "migrate_pages of %s",
	      whom);
	tried("process", syscall(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0), "move_pages of %s",
	      whom);
	tried("process", syscall(SYS_prlimit64, pid, 7, limit, NULL), "prlimit of %s", whom);
	for (long request = 0x10; request <= 0x4206; request += 0x41f6) /* ATTACH, SEIZE */
		tried("process", syscall(SYS_ptrace, request, pid, 0, 0), "ptrace %#lx %s", request,
		      whom);
	if (pid_fd >= 0)
		close(pid_fd);
}

void try_processes(void)
{
	int pid = victim();

	reach_into(pid, "a child");
	reach_into(1, "init");
	tried("process", syscall(SYS_ptrace, 0, 0, 0, 0), "ptrace TRACEME");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Arguments that would work, and do no harm if they did. */
void try_host(void)
{
	static char area[4096];
	const int64_t now[2] = {1, 0};

	tried("host", syscall(SYS_sethostname, "evil", 4), "sethostname");
	tried("host", syscall(SYS_setdomainname, "evil", 4), "setdomainname");
	tried("host", syscall(SYS_settimeofday, NULL, area), "settimeofday");
	tried("host", syscall(SYS_clock_settime, 0, now), "clock_settime");
	tried("host", syscall(SYS_adjtimex, area), "adjtimex");
	tried("host", syscall(SYS_clock_adjtime, 0, area), "clock_adjtime");
	for (int type = 2; type <= 10; type++)
		tried("host", syscall(SYS_syslog, type == 5 ? 3 : type, area, sizeof(area)),
		      "syslog %d", type);
	tried("host", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL), "reboot CAD_OFF");
	tried("host", syscall(SYS_iopl, 0), "iopl");
	tried("host", syscall(SYS_ioperm, 0x80, 1, 1), "ioperm");
	tried("host", syscall(SYS_modify_ldt, 0, area, 16), "modify_ldt");
	tried("host", syscall(SYS_swapoff, "/"), "swapoff");
	tried("host", syscall(SYS_swapon, "/", 0), "swapon");
	tried("host", syscall(SYS_acct, NULL), "acct");
	tried("host", syscall(SYS_quotactl, 0x80000100, NULL, 0, area), "quotactl");
	tried("host", syscall(SYS_vhangup), "vhangup");
	tried("host", syscall(SYS_kexec_load, 0, 0, NULL, 0), "kexec_load");
	tried("host", syscall(SYS_kexec_file_load, -1, -1, 0, "", 0), "kexec_file_load");
	tried("host", syscall(SYS_init_module, area, 64, ""), "init_module");
	tried("host", syscall(SYS_finit_module, 0, "", 0), "finit_module");
	tried("host", syscall(SYS_delete_module, "none", 0), "delete_module");
	tried("host", syscall(SYS_set_mempolicy, 0, NULL, 0), "set_mempolicy");
	tried("host", syscall(SYS_mbind, area, 4096, 0, NULL, 0, 0), "mbind");
	tried("host", syscall(SYS_sync), "sync");
}

static void try_keys(void)
{
	tried("keyring", syscall(SYS_add_key, "user", "evil", "x", 1, -4), "add_key");
	tried("keyring", syscall(SYS_request_key, "user", "evil", NULL, 0), "request_key");
	for (long op = 0; op < 33; op++)
		tried("keyring", syscall(SYS_keyctl, op, -4, 0, 0, 0), "keyctl %ld", op);
}

/* Calls that no filter of ebb lists: numbers above those it lists (but mseal), and cachestat. */
static void try_unknown(void)
{
	for (long nr = 457; nr < 700; nr++)
		if (nr != 462) /* mseal */
			tried("unknown", syscall(nr, 0, 0, 0, 0, 0, 0), "call %ld", nr);
	tried("unknown", syscall(451, 0, NULL, NULL, 0), "cachestat");
}

void try_machinery(void)
{
	static char area[4096];
	const uint32_t handle[34] = {128};

	for (long command = 0; command < 37; command++)
		tried("bpf", syscall(SYS_bpf, command, area, 128), "bpf %ld", command);
	for (uint32_t type = 0; type < 6; type++) {
		const uint32_t attr[32] = {type, 128};

		tried("perf", syscall(SYS_perf_event_open, attr, 0, -1, -1, 0), "perf type %u",
		      type);
	}
	for (long flags = 0; flags < 2; flags++)
		tried("userfaultfd", syscall(SYS_userfaultfd, flags), "userfaultfd %ld", flags);
	for (long entries = 1; entries <= 4; entries++)
		tried("io_uring", syscall(SYS_io_uring_setup, entries, area), "setup %ld", entries);
	for (long op = 0; op < 32; op++)
		tried("io_uring", syscall(SYS_io_uring_register, 0, op, area, 1), "register %ld",
		      op);
	tried("io_uring", syscall(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0), "enter");
	tried("handle", syscall(SYS_open_by_handle_at, AT_FDCWD, handle, 0), "open_by_handle_at");
	tried("handle", syscall(SYS_name_to_handle_at, AT_FDCWD, "/", handle, area, 0),
	      "name_to_handle_at");
	tried("handle", syscall(SYS_fanotify_init, 0, 0), "fanotify_init");
	tried("handle", syscall(SYS_fanotify_mark, 0, 1, 2, AT_FDCWD, "/"), "fanotify_mark");
	try_keys();
	try_unknown();
}

// SPDX-License-Identifier: Apache-2.0
/* Probes of system calls and settings of the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/doctor.h"

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

/* A number in a file of /proc/sys; -1 if there is none. */
static long setting(const char *path)
{
	char text[64];

	return fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0 ? strtol(text, NULL, 10)
								       : -1;
}

void probe_root(struct host *host, struct finding *f)
{
	if (host->root)
		finding_ok(f, "runs as root: everything is tried");
	else
		finding_bad(f, FINDING_WARN, "sudo ebb doctor",
			    "runs as uid %d: cgroups, mounts and id maps are not tried",
			    (int)geteuid());
}

void probe_kernel(struct host *host, struct finding *f)
{
	struct utsname u;
	int major = 0, minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2)
		finding_bad(f, FINDING_FAIL, "Linux 5.14 or newer", "the kernel has no version");
	else if (major < 5 || (major == 5 && minor < 14))
		finding_bad(f, FINDING_FAIL, "Linux 5.14 or newer (Debian 12 has 6.1)",
			    "Linux %.60s has no cgroup.kill", u.release);
	else if (major < 6 || (major == 6 && minor < 1))
		finding_bad(f, FINDING_WARN, "Linux 6.1 or newer",
			    "Linux %.60s: io_uring is slower here", u.release);
	else
		finding_ok(f, "Linux %.60s, %.20s", u.release, u.machine);
}

void probe_namespaces(struct host *host, struct finding *f)
{
	static const char *const names[] = {"mnt", "pid", "net", "ipc", "uts", "cgroup", "user"};
	char path[64], missing[64] = "";

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t used = strlen(missing);

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		if (access(path, F_OK) < 0)
			snprintf(missing + used, sizeof(missing) - used, " %s", names[i]);
	}
	if (missing[0])
		finding_bad(f, FINDING_FAIL, "a kernel with all namespaces", "missing:%s", missing);
	else
		finding_ok(f, "mnt pid net ipc uts cgroup user");
}

/* Calls unshare(2) in a child, so that this process stays in its namespaces. The exit status of the
 * child is the errno. */
static int try_unshare(int flags)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(flags) == 0 ? 0 : errno);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

void probe_userns(struct host *host, struct finding *f)
{
	long most = setting("/proc/sys/user/max_user_namespaces");
	long nets = setting("/proc/sys/user/max_net_namespaces");
	int r = try_unshare(CLONE_NEWUSER);

	if (r < 0)
		finding_bad(f, host->root ? FINDING_FAIL : FINDING_WARN,
			    "sysctl user.max_user_namespaces=63000 (and "
			    "kernel.unprivileged_userns_clone=1 for a test without root)",
			    "unshare(CLONE_NEWUSER): %s", strerror(-r));
	else if ((most >= 0 && most < 4096) || (nets >= 0 && nets < 4096))
		finding_bad(f, FINDING_WARN,
			    "sysctl user.max_user_namespaces=63000 user.max_net_namespaces=63000",
			    "limits: %ld user and %ld net namespaces; one of each per instance",
			    most, nets);
	else
		finding_ok(f, "limits: %ld user, %ld net namespaces", most, nets);
}

void probe_seccomp(struct host *host, struct finding *f)
{
	static const uint32_t actions[] = {SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS};

	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]) == 0)
			continue;
		finding_bad(f, FINDING_FAIL, "a kernel with CONFIG_SECCOMP_FILTER, 4.14 or newer",
			    "seccomp action %#x: %s", actions[i], strerror(errno));
		return;
	}
	finding_ok(f, "filters with errno and kill-process");
}

static int try_ring(unsigned int flags)
{
	struct io_uring_params params = {.flags = flags};
	SCOPED_FD ring_fd = (int)syscall(SYS_io_uring_setup, 8, &params);

	return ring_fd < 0 ? -errno : 0;
}

void probe_io_uring(struct host *host, struct finding *f)
{
	long disabled = setting("/proc/sys/kernel/io_uring_disabled");
	int plain = try_ring(0);
	int full = try_ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (plain < 0 && disabled > 0)
		finding_bad(f, disabled == 1 && !host->root ? FINDING_WARN : FINDING_FAIL,
			    "sysctl kernel.io_uring_disabled=1 is enough for ebbd, which is root",
			    "io_uring_disabled=%ld", disabled);
	else if (plain < 0)
		finding_bad(f, FINDING_FAIL,
			    "a kernel with CONFIG_IO_URING; a container's seccomp may forbid it",
			    "io_uring_setup: %s", strerror(-plain));
	else if (full < 0)
		finding_bad(f, FINDING_FAIL, "Linux 6.1 or newer",
			    "io_uring without SINGLE_ISSUER and DEFER_TASKRUN: %s",
			    strerror(-full));
	else
		finding_ok(f, "rings with DEFER_TASKRUN; io_uring_disabled=%ld",
			   disabled < 0 ? 0 : disabled);
}

void probe_pidfd(struct host *host, struct finding *f)
{
	SCOPED_FD pid_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (pid_fd < 0)
		finding_bad(f, FINDING_FAIL, "Linux 5.3 or newer", "pidfd_open: %s",
			    strerror(errno));
	else
		finding_ok(f, "pidfd_open works");
}

void probe_psi(struct host *host, struct finding *f)
{
	char text[256];

	if (fd_read_file_at(AT_FDCWD, "/proc/pressure/cpu", text, sizeof(text)) > 0)
		finding_ok(f, "/proc/pressure tells how saturated the host is");
	else
		finding_bad(f, FINDING_WARN, "boot with psi=1",
			    "no /proc/pressure: saturation is told from CPU use and latency only");
}

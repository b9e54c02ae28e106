// SPDX-License-Identifier: Apache-2.0
/* Probes of cgroups, in a cgroup of their own: ebb-doctor-<pid>, which is removed at the end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/text.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/doctor.h"

#define FREEZE_WAIT_MS 250
#define RMDIR_TRIES    100

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/* Finds the mount point of the first mount of this type whose options hold `option` (NULL: any
 * mount of this type) in /proc/self/mountinfo, see proc_pid_mountinfo(5). */
static bool find_mount(const char *type, const char *option, char *path, size_t size)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (file && !found && getline(&line, &room, file) > 0) {
		char point[256], kind[64], options[256];
		const char *behind = strstr(line, " - ");

		if (!behind || sscanf(line, "%*s %*s %*s %*s %255s", point) != 1 ||
		    sscanf(behind, " - %63s %*s %255s", kind, options) != 2)
			continue;
		if (strcmp(kind, type) != 0)
			continue;
		for (char *save, *word = strtok_r(options, ",", &save); word && !found;
		     word = strtok_r(NULL, ",", &save))
			found = !option || strcmp(word, option) == 0;
		if (found)
			snprintf(path, size, "%s", point);
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

void host_open(struct host *host)
{
	SCOPED_FD dir_fd = -1;

	memset(host, 0, sizeof(*host));
	host->own_cgroup_fd = -1;
	host->root = geteuid() == 0;
	if (!find_mount("cgroup2", NULL, host->cgroup2, sizeof(host->cgroup2)))
		return;
	dir_fd = open(host->cgroup2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(host->own_cgroup, sizeof(host->own_cgroup), "ebb-doctor-%d", (int)getpid());
	if (dir_fd < 0 || mkdirat(dir_fd, host->own_cgroup, 0755) < 0) {
		host->own_cgroup[0] = '\0';
		return;
	}
	host->own_cgroup_fd = openat(dir_fd, host->own_cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void host_close(struct host *host)
{
	SCOPED_FD dir_fd = -1;

	if (host->guinea > 0) {
		if (host->own_cgroup_fd >= 0)
			fd_write_file_at(host->own_cgroup_fd, "cgroup.freeze", "0");
		kill(host->guinea, SIGKILL);
		waitpid(host->guinea, NULL, 0);
		host->guinea = 0;
	}
	fd_close(&host->own_cgroup_fd);
	if (!host->own_cgroup[0])
		return;
	dir_fd = open(host->cgroup2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* The kernel takes a task out of its cgroup a moment after it was reaped: EBUSY
	 * until then. */
	for (int i = 0; i < RMDIR_TRIES && unlinkat(dir_fd, host->own_cgroup, AT_REMOVEDIR) < 0;
	     i++) {
		if (errno != EBUSY)
			break;
		poll(NULL, 0, 1);
	}
}

void probe_cgroup2(struct host *host, struct finding *f)
{
	if (!host->cgroup2[0])
		finding_bad(f, FINDING_FAIL,
			    "boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2",
			    "cgroup v2 is not mounted");
	else if (host->root && host->own_cgroup_fd < 0)
		finding_bad(f, FINDING_FAIL, "run ebbd where it may make cgroups (Delegate=yes)",
			    "no cgroup can be made in %s", host->cgroup2);
	else
		finding_ok(f, "cgroup v2 at %s", host->cgroup2);
}

void probe_controllers(struct host *host, struct finding *f)
{
	static const char *const names[] = {"memory", "cpu", "pids"};
	char v2[512] = "", where[200] = "", missing[64] = "", point[256];
	SCOPED_FD dir_fd = open(host->cgroup2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd >= 0 && fd_read_file_at(dir_fd, "cgroup.controllers", v2, sizeof(v2)) < 0)
		v2[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		bool in_v2 = false;
		size_t used = strlen(where), absent = strlen(missing);
		char copy[512], *save;

		(void)text_copy(copy, sizeof(copy), v2);
		for (char *w = strtok_r(copy, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
			in_v2 = in_v2 || strcmp(w, names[i]) == 0;
		if (in_v2 || find_mount("cgroup", names[i], point, sizeof(point)))
			snprintf(where + used, sizeof(where) - used, "%s%s in v%d",
				 used ? ", " : "", names[i], in_v2 ? 2 : 1);
		else
			snprintf(missing + absent, sizeof(missing) - absent, "%s%s",
				 absent ? ", " : "", names[i]);
	}
	if (missing[0])
		finding_bad(f, FINDING_FAIL,
			    "remove cgroup_disable= from the kernel's command line, or mount them",
			    "no controller for %s", missing);
	else
		finding_ok(f, "%s", where);
}

void probe_clone_into(struct host *host, struct finding *f)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)host->own_cgroup_fd,
	};
	long pid;

	if (host->own_cgroup_fd < 0) {
		finding_needs_root(f);
		return;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0) {
		finding_bad(f, FINDING_FAIL, "Linux 5.7 or newer; a seccomp filter may forbid it",
			    "clone3(CLONE_INTO_CGROUP): %s", strerror(errno));
		return;
	}
	host->guinea = (pid_t)pid;
	finding_ok(f, "clone3(CLONE_INTO_CGROUP) works");
}

/* Whether cgroup.events says so within FREEZE_WAIT_MS. The file is read every millisecond, because
 * the kernel limits its notifications to one in 10 ms. */
static bool wait_frozen(int cgroup_fd, bool frozen)
{
	const char *wanted = frozen ? "frozen 1" : "frozen 0";
	char events[256];

	for (int i = 0; i < FREEZE_WAIT_MS; i++) {
		if (fd_read_file_at(cgroup_fd, "cgroup.events", events, sizeof(events)) > 0 &&
		    strstr(events, wanted))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

void probe_freezer(struct host *host, struct finding *f)
{
	bool froze, thawed;
	int r;

	if (host->own_cgroup_fd < 0) {
		finding_needs_root(f);
		return;
	}
	r = fd_write_file_at(host->own_cgroup_fd, "cgroup.freeze", "1");
	froze = r == 0 && wait_frozen(host->own_cgroup_fd, true);
	if (r == 0)
		r = fd_write_file_at(host->own_cgroup_fd, "cgroup.freeze", "0");
	thawed = r == 0 && wait_frozen(host->own_cgroup_fd, false);
	if (froze && thawed)
		finding_ok(f, "a process froze and thawed");
	else
		finding_bad(f, FINDING_FAIL, "Linux 5.2 or newer with CONFIG_CGROUP_FREEZER",
			    "cgroup.freeze: %s",
			    r < 0 ? strerror(-r) : "cgroup.events does not follow");
}

void probe_cgroup_kill(struct host *host, struct finding *f)
{
	int r;

	if (host->own_cgroup_fd < 0) {
		finding_needs_root(f);
		return;
	}
	r = fd_write_file_at(host->own_cgroup_fd, "cgroup.kill", "1");
	if (r < 0) {
		finding_bad(f, FINDING_FAIL, "Linux 5.14 or newer", "cgroup.kill: %s",
			    strerror(-r));
		return;
	}
	if (host->guinea > 0)
		waitpid(host->guinea, NULL, 0);
	host->guinea = 0;
	finding_ok(f, "cgroup.kill works");
}

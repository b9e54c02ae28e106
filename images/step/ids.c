// SPDX-License-Identifier: Apache-2.0
/*
 * Which ids of the host a sandbox has (user_namespaces(7)).
 *
 * For root: a range of 65536 ids that no user, no instance and no other build has, held by a lock
 * on a file of RANGE_DIR. A process with the first id of the range makes the user namespace, so
 * that the kernel counts namespaces, keys and inotify for that id and not for root.
 *
 * For a user: the first range that subuid(5) gives the user, mapped by newuidmap(1). Without such a
 * range the user's own id becomes 1000 inside. In both cases the sandbox sees no file and no
 * process of the user.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/step/step.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/ids.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define RANGE_DIR "/run/ebb-build"

static int take_range(struct step_ids *ids, unsigned int from)
{
	SCOPED_FD dir_fd = -1;

	if (mkdir(RANGE_DIR, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir_fd = open(RANGE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return -errno;
	for (unsigned int i = from; i < BUILD_RANGES; i++) {
		char name[16];
		SCOPED_FD fd = -1;

		snprintf(name, sizeof(name), "%u", i);
		fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		ids->slot = i;
		ids->first = BUILD_IDS_FIRST + i * IDS_PER_RANGE;
		ids->slot_fd = keep_fd(&fd);
		return 0;
	}
	return -EAGAIN;
}

static int write_map(pid_t pid, const char *name, uint32_t inside, uint32_t first, uint32_t count)
{
	char path[64], text[64];

	(void)text_format(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	(void)text_format(text, sizeof(text), "%u %u %u", inside, first, count);
	return fd_write_file_at(AT_FDCWD, path, text);
}

/* A child that makes the user namespace and lives until it is killed; its parent opens the
 * namespace. */
__attribute__((noreturn)) static void hold_namespace(uint32_t first, int ready_fd)
{
	int r = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setresgid(first, first, first) < 0 || setresuid(first, first, first) < 0 ||
	    unshare(CLONE_NEWUSER) < 0)
		r = -errno;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* again: the change of ids has cleared it */
	(void)fd_write_all(ready_fd, &r, sizeof(r));
	for (;;)
		pause();
}

static int take_namespace(pid_t pid, uint32_t first)
{
	char path[64];
	int r = write_map(pid, "uid_map", 0, first, IDS_PER_RANGE);
	int fd;

	if (r == 0)
		r = write_map(pid, "gid_map", 0, first, IDS_PER_RANGE);
	(void)text_format(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = r < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (r < 0)
		return r;
	return fd < 0 ? -errno : fd;
}

static int privileged_namespace(struct step_ids *ids)
{
	int ends[2], r = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		hold_namespace(ids->first, ends[1]);
	fd_close(&ends[1]);
	if (pid < 0 || fd_read_all(ends[0], &r, sizeof(r)) != (ssize_t)sizeof(r))
		r = pid < 0 ? -errno : -EIO;
	if (r == 0) {
		r = take_namespace(pid, ids->first);
		if (r >= 0) {
			ids->user_ns_fd = r;
			r = 0;
		}
	}
	fd_close(&ends[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	return r;
}

/* ---- a user ---- */

struct range {
	uint32_t first, count;
};

/* Finds the user's first range of at least 65536 ids in subuid(5) or subgid(5), by name
 * or number. */
static bool find_range(const char *path, const char *user, uid_t uid, struct range *out)
{
	char text[65536], number[16];
	const char *line = text;
	ssize_t n = fd_read_file_at(AT_FDCWD, path, text, sizeof(text));

	snprintf(number, sizeof(number), "%u", uid);
	while (n > 0 && line && *line) {
		const char *colon = strchr(line, ':');
		size_t size = colon ? (size_t)(colon - line) : 0;

		if (colon && ((user && strlen(user) == size && !memcmp(line, user, size)) ||
			      (strlen(number) == size && !memcmp(line, number, size)))) {
			char *end;

			out->first = (uint32_t)strtoul(colon + 1, &end, 10);
			out->count = *end == ':' ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
			if (out->count >= IDS_PER_RANGE)
				return true;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return false;
}

static int run_newmap(const char *program, pid_t pid, const struct range *range)
{
	char words[3][16];
	char *argv[] = {(char *)program, words[0], (char *)"0", words[1], words[2], NULL};
	char *envp[] = {(char *)"PATH=/usr/bin:/bin", NULL};
	pid_t child;
	int r, status;

	snprintf(words[0], sizeof(words[0]), "%d", (int)pid);
	snprintf(words[1], sizeof(words[1]), "%u", range->first);
	snprintf(words[2], sizeof(words[2]), "%u", IDS_PER_RANGE);
	r = posix_spawn(&child, program, NULL, NULL, argv, envp);
	if (r != 0)
		return -r;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int map_user(pid_t pid, uid_t uid, gid_t gid)
{
	const struct passwd *who = getpwuid(uid);
	const char *user = who ? who->pw_name : NULL;
	struct range uids, gids;
	char path[64];
	int r;

	if (find_range("/etc/subuid", user, uid, &uids) &&
	    find_range("/etc/subgid", user, uid, &gids) &&
	    access("/usr/bin/newuidmap", X_OK) == 0) {
		r = run_newmap("/usr/bin/newuidmap", pid, &uids);
		return r < 0 ? r : run_newmap("/usr/bin/newgidmap", pid, &gids);
	}
	(void)text_format(path, sizeof(path), "/proc/%d/setgroups", (int)pid);
	r = fd_write_file_at(AT_FDCWD, path, "deny");
	if (r == 0)
		r = write_map(pid, "uid_map", STEP_USER, uid, 1);
	return r < 0 ? r : write_map(pid, "gid_map", STEP_USER, gid, 1);
}

/* This process moves into a new user namespace, and a child, which is still outside, writes its
 * maps. */
static int unprivileged_namespace(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t self = getpid(), pid;
	int ends[2], status;
	char byte;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		fd_close(&ends[1]);
		_exit(fd_read_all(ends[0], &byte, 1) == 1 ? -map_user(self, uid, gid) & 0x7f : 1);
	}
	fd_close(&ends[0]);
	if (pid < 0 || unshare(CLONE_NEWUSER) < 0) {
		int r = -errno;

		fd_close(&ends[1]);
		return r;
	}
	(void)fd_write_all(ends[1], "x", 1);
	fd_close(&ends[1]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

int ids_open(struct step_ids *ids, unsigned int from, struct fault *f)
{
	int r;

	*ids = (struct step_ids){.privileged = geteuid() == 0, .user_ns_fd = -1, .slot_fd = -1};
	if (!ids->privileged) {
		r = unprivileged_namespace();
		if (r < 0) {
			fault_errno(f, r, "cannot make a user namespace");
			fault_mend(f, "sysctl user.max_user_namespaces and "
				      "kernel.unprivileged_userns_clone allow it");
		}
		return r;
	}
	r = take_range(ids, from);
	if (r < 0)
		return fault_errno(f, r, "no range of ids is free in " RANGE_DIR);
	r = privileged_namespace(ids);
	if (r < 0) {
		ids_close(ids);
		return fault_errno(f, r, "cannot make a user namespace");
	}
	return 0;
}

void ids_close(struct step_ids *ids)
{
	fd_close(&ids->user_ns_fd);
	fd_close(&ids->slot_fd);
}

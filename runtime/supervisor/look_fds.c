// SPDX-License-Identifier: Apache-2.0
/*
 * What the descriptors of a process say: when its timerfds expire next, and whether it holds a file
 * lock. /proc/PID/fdinfo/N, proc_pid_fdinfo(5).
 *
 * The fd table is walked, because nothing else says which descriptors are timers or hold locks;
 * each costs one readlink, and only those that can be either are read.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/supervisor/look.h"

#define FDS_MAX     4096                   /* per process; more are not looked at */
#define LEFT_MOST_S (INT64_C(400) * 86400) /* later than that is never */

/* "it_value: (seconds, ns)" is what is left, whatever the clock, "it_interval: " what follows then;
 * LOOK_NEVER while it is off. */
static uint64_t left_ns(const char *text, const char *key)
{
	char *value = strstr(text, key);
	long long s, ns;

	if (!value)
		return LOOK_NEVER;
	s = strtoll(value + strlen(key), &value, 10);
	ns = *value == ',' ? strtoll(value + 1, NULL, 10) : 0;
	if (s < 0 || ns < 0 || s > LEFT_MOST_S || (s == 0 && ns == 0))
		return LOOK_NEVER;
	return (uint64_t)s * NS_PER_SEC + (uint64_t)ns;
}

/* One that comes again this soon is housekeeping, where there is such a thing (look.c has the
 * others). */
static void take_timerfd(const struct look_request *q, const char *text, pid_t pid, uint64_t now_ns,
			 struct look_due *due, struct look_due *tick)
{
	uint64_t left = left_ns(text, "it_value: ("), each = left_ns(text, "it_interval: (");

	if (q->housekeeping && each < LOOK_BRIEF_NS)
		due = tick;

	if (left != LOOK_NEVER && now_ns + left < due->from_ns)
		*due = (struct look_due){.from_ns = now_ns + left,
					 .to_ns = now_ns + left,
					 .length_ns = each == LOOK_NEVER ? 0 : each,
					 .tid = pid,
					 .what = "timerfd"};
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void look_at_fd(const struct look_request *q, int dir_fd, const char *name, pid_t pid,
		       uint64_t now_ns, struct look_due *due, struct look_due *tick,
		       struct held_lock *lock)
{
	char target[64] = "", path[64], text[2048];
	bool timer;

	if (readlinkat(dir_fd, name, target, sizeof(target) - 1) < 0)
		return;
	timer = strcmp(target, "anon_inode:[timerfd]") == 0;
	/* Files have a path (one in /dev of its own holds no lock others wait for), sockets none.
	 */
	if (!timer && (target[0] != '/' || starts(target, "/dev/") || q->frozen || lock->pid > 0))
		return;
	snprintf(path, sizeof(path), "../fdinfo/%.24s", name);
	if (fd_read_file_at(dir_fd, path, text, sizeof(text)) <= 0)
		return;
	if (timer)
		take_timerfd(q, text, pid, now_ns, due, tick);
	else if (lock_in_fdinfo(text, q->init_pid, lock))
		lock->pid = pid;
}

void look_fds(const struct look_request *q, pid_t pid, uint64_t now_ns, struct look_due *due,
	      struct look_due *tick, struct held_lock *lock)
{
	char path[48];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return; /* it ended */
	for (int n = 0; n < FDS_MAX && (entry = readdir(dir)); n++)
		if (entry->d_name[0] != '.')
			look_at_fd(q, dirfd(dir), entry->d_name, pid, now_ns, due, tick, lock);
	closedir(dir);
}

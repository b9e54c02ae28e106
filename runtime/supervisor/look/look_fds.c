// SPDX-License-Identifier: Apache-2.0
/*
 * Reads from the descriptors of a process when its timerfds expire next, and whether it holds a
 * file lock. /proc/PID/fdinfo/N, proc_pid_fdinfo(5).
 *
 * The fd table is walked, because nothing else says which descriptors are timers or hold locks.
 * Each descriptor costs one statx, and fdinfo is read only of one that can be either: the kernel
 * makes the whole of that file at once, and for a file of the instance's own it may be megabytes of
 * locks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/look/look.h"

#define LEFT_MOST_S (INT64_C(400) * 86400) /* later than that is never */

/* The time behind key, on any clock: "it_value: (seconds, ns)" is what is left until a timerfd
 * expires, "it_interval: (" its period. LOOK_NEVER while it is off. */
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

/* A timerfd with a period this short is housekeeping, where programs have such ticks (look.c has
 * the other kinds). */
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

/* The record of getdents64(2); C libraries have a name for it only of late. */
struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

static bool is_own(const struct own_files *own, const struct statx *st)
{
	dev_t dev = makedev(st->stx_dev_major, st->stx_dev_minor);

	for (uint32_t i = 0; i < own->dev_count; i++)
		if (own->devs[i] == dev)
			return true;
	for (uint32_t i = 0; i < own->mount_count; i++)
		if (st->stx_mask & STATX_MNT_ID && own->mounts[i] == st->stx_mnt_id)
			return true;
	return false;
}

/* A timerfd has no file type; a file that others share is on a foreign file system. Sockets, pipes,
 * devices and the instance's own files are neither. */
static bool may_matter(const struct fd_walk *walk, const struct look_request *q, const char *name,
		       struct own_files *own)
{
	struct statx st;
	uint32_t type;

	if (statx(walk->dir_fd, name, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID, &st) < 0)
		return false;
	type = st.stx_mode & S_IFMT;
	if (type != 0 && type != S_IFREG && type != S_IFDIR)
		return false;
	if (own->dev_count == 0)
		own_files_read(q->init_pid, own);
	return !is_own(own, &st);
}

static uint32_t look_at_fd(const struct fd_walk *walk, const struct look_request *q,
			   struct own_files *own, const char *name, uint64_t now_ns,
			   struct look_due *due, struct look_due *tick, struct held_lock *lock)
{
	char target[64] = "", path[64], text[2048];
	bool timer;

	if (!may_matter(walk, q, name, own))
		return 1;
	if (readlinkat(walk->dir_fd, name, target, sizeof(target) - 1) < 0)
		return 2;
	timer = strcmp(target, "anon_inode:[timerfd]") == 0;
	if (!timer && (target[0] != '/' || q->frozen || lock->pid > 0))
		return 2;
	snprintf(path, sizeof(path), "../fdinfo/%.24s", name);
	if (fd_read_file_at(walk->dir_fd, path, text, sizeof(text)) <= 0)
		return 5;
	if (timer)
		take_timerfd(q, text, walk->pid, now_ns, due, tick);
	else if (lock_in_fdinfo(text, own, lock))
		lock->pid = walk->pid;
	return 5;
}

void fd_walk_begin(struct fd_walk *walk, pid_t pid)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	must(walk->dir_fd < 0); /* the one before has ended */
	walk->pid = pid;
	walk->size = walk->at = 0;
	walk->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void fd_walk_end(struct fd_walk *walk)
{
	fd_close(&walk->dir_fd);
}

uint32_t look_fd(struct fd_walk *walk, const struct look_request *q, struct own_files *own,
		 uint64_t now_ns, struct look_due *due, struct look_due *tick,
		 struct held_lock *lock)
{
	const struct entry *entry;

	if (walk->dir_fd < 0)
		return 0; /* it ended */
	if (walk->at >= walk->size) {
		/* The kernel makes a cache entry for each name, so some 40 names cost as much as 40
		 * calls. */
		walk->at = 0;
		walk->size = (int)syscall(SYS_getdents64, walk->dir_fd, walk->names,
					  sizeof(walk->names));
		return walk->size > 0 ? (uint32_t)walk->size / sizeof(*entry) : 0;
	}
	entry = (const void *)(walk->names + walk->at);
	must(entry->size > 0 && walk->at + entry->size <= walk->size);
	walk->at += entry->size;
	return entry->name[0] == '.'
		       ? 1
		       : look_at_fd(walk, q, own, entry->name, now_ns, due, tick, lock);
}

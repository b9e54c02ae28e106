/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at all that an instance waits for: its threads (waits.h) and its timerfds.
 *
 * A wait of known length began at an unknown moment, so its end lies between two moments. A thaw at
 * the earlier one is never too late, and a program that was thawed too early reckons anew. Some
 * sleeps cannot be seen any more after a thaw, because the kernel resumes them; notes keep them
 * from the look before.
 */
#ifndef EBB_SUPERVISOR_LOOK_H
#define EBB_SUPERVISOR_LOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroups/cgroup.h"
#include "runtime/supervisor/look/locks.h"

#define LOOK_NEVER UINT64_MAX
/* Shorter waits than this may be housekeeping. A second as programs ask for it can come out a
 * little shorter, when a loop reckons what is left of it. */
#define LOOK_BRIEF_NS (900 * UINT64_C(1000000))
/* The same for a sleep that a freeze stretches, because no thaw can serve such a sleep (httpd's
 * select of a second). */
#define LOOK_STRETCH_NS  (1000 * UINT64_C(1000000))
#define LOOK_THREADS_MAX 4096 /* more are not looked at, see crowded */
/* The instance decides how much there is to see, and root looks in its only thread. So a look is
 * done in parts, each bounded in time and in system calls (about 1 us each); the sum of the calls
 * is bounded, too. */
#define LOOK_PART_NS    (2 * UINT64_C(1000000))
#define LOOK_PART_CALLS 1024
#define LOOK_CALLS_MAX  65536

/* A moment at which something is due: not before, not after. */
struct look_due {
	uint64_t from_ns, to_ns; /* LOOK_NEVER: nothing is */
	uint64_t length_ns;      /* of the whole sleep, where that is what is known; 0 */
	pid_t tid;               /* whose */
	const char *what;        /* static text */
};

/* Bytes that processes moved by write(2) and the like, and in how many calls: proc_pid_io(5). */
struct look_io {
	bool known;
	uint64_t bytes, calls;
};

struct look {
	uint32_t threads;
	pid_t running_tid;         /* one that runs right now; 0 = none */
	struct look_due first;     /* the one with the least from_ns: thaw then */
	struct look_due soon;      /* the one with the least to_ns */
	struct look_due stretched; /* the first to end of the sleeps that a freeze makes longer */
	struct held_lock lock;     /* looked for while it is awake */
	struct look_due tick;      /* housekeeping: a short wait that comes again and again */
	struct look_io io;         /* of all processes, while one of them waits briefly */
	struct look_due kept;      /* one that a thaw does not make known, with the least from_ns */
	uint32_t calls;            /* system calls that it took */
	bool crowded;      /* there was more to see than a look may take: some of it is unknown */
	pid_t unknown_pid; /* a process with a timer of which nobody can say when it is due; 0 */
};

struct look_notes; /* of one instance; NULL = none yet */

struct look_request {
	const struct cgroup *cgroup;
	pid_t init_pid;    /* PID 1 of the instance, as the host numbers it */
	uint64_t since_ns; /* nothing that still waits began before: the last thaw, or the start */
	/* housekeeping: tells ticks apart from due timers (timers "auto"). A brief wait is a tick
	 * if one like it came before in the same thread, seen after quiet_since_ns. verify: ticks
	 * that earlier looks found are told apart anew. */
	bool housekeeping, verify;
	uint64_t quiet_since_ns;
	bool by_name; /* threads that a runtime names as its own have no timers of the program */
	bool frozen;  /* it stands still; since the last look its threads ran only to park */
};

struct look_run; /* one that is under way; NULL = none */

/* Begins a look or goes on with *run. 1: there is more to do, at a later turn of the loop; 0: done,
 * *out and *notes are as new and *run is NULL again; -errno: nothing can be seen, *run is NULL. */
int look_some(struct look_run **run, const struct look_request *q, struct look_notes **notes,
	      struct look *out);
void look_run_free(struct look_run *run); /* its findings are of no use any more; NULL is fine */
void look_notes_free(struct look_notes *notes);
/* A thread in an uninterruptible sleep (it cannot be frozen), or 0. Looks at the first few. */
pid_t look_stuck(const struct cgroup *g);
/* A thread that runs, waits for a CPU (also one that its quota withholds, which cpu.pressure does
 * not say since Linux 6.18), or waits for a disk; or 0. Looks at the first few. */
pid_t look_at_work(const struct cgroup *g);

/* look_io.c: adds to *sum the bytes and calls that this process has written with. */
void look_io_add(pid_t pid, struct look_io *sum);
/* Whether the process wrote something in between, other than counters of eventfds and single bytes,
 * with which threads wake each other. */
bool look_io_moved(const struct look_io *before, const struct look_io *after);
/* look_fds.c: the descriptors of one process, one by one. */
struct fd_walk {
	int dir_fd; /* /proc/PID/fd; -1 = none under way */
	pid_t pid;
	int size, at; /* of names */
	_Alignas(8) char names[2048];
};
/* Looks at one more descriptor: brings the first expiry of the process's timerfds into *due or
 * *tick, and (unless frozen) a lock on a foreign file system into *lock. Returns how many system
 * calls that took; 0: none is left, the walk is over. *own, empty at first, is read when needed. */
uint32_t look_fd(struct fd_walk *walk, const struct look_request *q, struct own_files *own,
		 uint64_t now_ns, struct look_due *due, struct look_due *tick,
		 struct held_lock *lock);
void fd_walk_begin(struct fd_walk *walk, pid_t pid);
void fd_walk_end(struct fd_walk *walk);
/* look_timers.c: whether it has a POSIX timer (timer_create(2)) that something may wait for. When
 * it is due, the kernel tells only the process itself. */
bool look_signal_timer(pid_t pid);

#endif

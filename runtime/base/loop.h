/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of every program but the gateway: descriptors that became ready and timers that
 * are due, nothing else. (A gateway has no epoll: its loop is a ring.)
 *
 * One epoll(7), level-triggered, and one timerfd. The timerfd is armed only while a timer is, so a
 * program without work does not wake up. Handlers run one at a time and must not block; a watchdog
 * measures how long each kept the others waiting.
 *
 * After the start a loop makes these calls: epoll_wait, epoll_ctl, timerfd_settime, clock_gettime.
 */
#ifndef EBB_BASE_LOOP_H
#define EBB_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/container_of.h"
#include "runtime/base/heap.h"

struct loop;

/* A watched descriptor, embedded in its owner; fd is borrowed from it. */
struct watch {
	int fd;
	void (*on_ready)(struct watch *w, uint32_t epoll_events);
	const char *name; /* static; its name for the watchdog */
	bool first;       /* in a round it is handled before those without this */
};

/* A timer, embedded in its owner; zeroed means disarmed. */
struct timer {
	struct heap_item item;
	uint64_t due_ns; /* CLOCK_MONOTONIC; meaningful while armed */
	void (*on_due)(struct timer *t);
	const char *name; /* static; its name for the watchdog */
};

int loop_new(struct loop **out); /* 0 or -errno */
void loop_free(struct loop *l);  /* NULL is fine; its sources and timers are left to their owners */
/* Runs until loop_stop. Returns the value that loop_stop was given, or -errno of epoll. */
int loop_run(struct loop *l);
/* One round without waiting: handles all that is ready or due now. 0 or -errno. */
int loop_turn(struct loop *l);
void loop_stop(struct loop *l, int result);
/* Called behind every handler; one for a loop. */
void loop_behind(struct loop *l, void (*behind)(void *self), void *self);
/* Ready for reading when loop_turn has something to do: so a loop can be watched by another. */
int loop_fd(const struct loop *l);

/* Watches w->fd for these EPOLL* events; 0 or -errno. A descriptor is watched once. */
int loop_watch(struct loop *l, struct watch *w, uint32_t epoll_events);
int loop_rewatch(struct loop *l, struct watch *w, uint32_t epoll_events);
/* Call this before the descriptor is closed; a watch that is not watched is fine. Events of this
 * round that wait for their handler are forgotten too, so the watch may be freed at once, even by
 * its own handler. */
void loop_unwatch(struct loop *l, struct watch *w);

/* Arms or moves a timer. 0, or -ENOMEM when more are armed at once than LOOP_TIMERS_SURE, for which
 * there is room from the start; one that is armed is always moved. */
#define LOOP_TIMERS_SURE 64u
int loop_timer_at(struct loop *l, struct timer *t, uint64_t due_ns);
/* The same, but one that is due earlier stays. */
int loop_timer_by(struct loop *l, struct timer *t, uint64_t due_ns);
void loop_timer_off(struct loop *l, struct timer *t); /* a disarmed one is fine */
static inline bool timer_is_armed(const struct timer *t)
{
	return heap_has(&t->item);
}

/* The clock as it was when this round of events came in. */
uint64_t loop_now_ns(const struct loop *l);

/* ---- the watchdog ---- */

/* A handler that used more CPU time than this, or waited in the kernel for as long, kept everybody
 * else waiting. */
#define LOOP_STALL_NS UINT64_C(50000000)
struct loop_health {
	uint64_t stalls;                     /* handlers above it by their own CPU time */
	uint64_t delays;                     /* by the clock: also for lack of a CPU */
	uint64_t longest_cpu_ns, longest_ns; /* of any handler */
	const char *longest_name;            /* whose CPU time that was; NULL: none took a ms */
	const char *longest_note;            /* the handler's name, or NULL */
};
const struct loop_health *loop_health(const struct loop *l);
/* The present work of a handler, more closely than its name: static text, until it returns. */
void loop_note(struct loop *l, const char *what);
/* Called when a handler took so long by the clock, with its name, its last note or NULL, and what
 * it took and used. The call's own time is not counted. */
struct loop_stall {
	const char *name, *note;
	uint64_t took_ns, used_ns;
};
void loop_on_stall(struct loop *l, void (*stalled)(void *self, const struct loop_stall *stall),
		   void *self);

#endif

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

/* A watched descriptor, embedded in its owner, which also owns fd. */
struct watch {
	int fd;
	void (*on_ready)(struct watch *w, uint32_t epoll_events);
	const char *name; /* static; its name for the watchdog */
	bool first;       /* handled in a round before the watches without this */
};

/* A timer, embedded in its owner; zeroed means disarmed. */
struct timer {
	struct heap_item item;
	uint64_t due_ns; /* CLOCK_MONOTONIC; meaningful while armed */
	void (*on_due)(struct timer *t);
	const char *name; /* static; its name for the watchdog */
};

int loop_new(struct loop **out); /* 0 or -errno */
void loop_free(struct loop *l);  /* NULL is fine; watches and timers are their owners' */
/* Runs until loop_stop; blocks. Returns the result that loop_stop was given, or -errno of epoll. */
int loop_run(struct loop *l);
/* Runs one round without waiting: handles everything that is ready or due now. 0 or -errno. */
int loop_turn(struct loop *l);
void loop_stop(struct loop *l, int result);
/* Sets a function that is called after every handler; a loop has one. */
void loop_behind(struct loop *l, void (*behind)(void *self), void *self);
/* Whether other descriptors of this round wait for their handler, so that `behind` can do its work
 * once for all of them. */
bool loop_has_more(const struct loop *l);
/* A descriptor (borrowed) that is readable when loop_turn has something to do, so that another loop
 * can watch this one. */
int loop_fd(const struct loop *l);

/* Watches w->fd for these EPOLL* events; rewatch changes them. 0 or -errno. A descriptor is watched
 * once. */
int loop_watch(struct loop *l, struct watch *w, uint32_t epoll_events);
int loop_rewatch(struct loop *l, struct watch *w, uint32_t epoll_events);
/* Call this before the descriptor is closed; a watch that is not watched is fine. It also forgets
 * the events of this round that wait for the handler of the watch. So the watch may be freed at
 * once, even by its own handler. */
void loop_unwatch(struct loop *l, struct watch *w);

/* Arms or moves a timer; due_ns: CLOCK_MONOTONIC. 0 or -ENOMEM. There is always room for
 * LOOP_TIMERS_SURE armed timers, and moving an armed one never fails. */
#define LOOP_TIMERS_SURE 64u
int loop_timer_at(struct loop *l, struct timer *t, uint64_t due_ns);
/* The same, but a timer that is due earlier stays as it is. */
int loop_timer_by(struct loop *l, struct timer *t, uint64_t due_ns);
void loop_timer_off(struct loop *l, struct timer *t); /* a disarmed timer is fine */
static inline bool timer_is_armed(const struct timer *t)
{
	return heap_has(&t->item);
}

/* CLOCK_MONOTONIC when this round of events came in. */
uint64_t loop_now_ns(const struct loop *l);

/* ---- the watchdog ---- */

/* A handler that used more CPU time than this, or waited in the kernel for as long, kept everybody
 * else waiting. */
#define LOOP_STALL_NS UINT64_C(50000000)
struct loop_health {
	uint64_t stalls;                     /* handlers with more CPU time than that */
	uint64_t delays;                     /* handlers that took longer, for any reason */
	uint64_t longest_cpu_ns, longest_ns; /* the most of any handler */
	const char *longest_name;            /* of longest_cpu_ns; NULL: none took a ms */
	const char *longest_note;            /* its last note, or NULL */
};
const struct loop_health *loop_health(const struct loop *l);
/* Notes the present work of the running handler, in more detail than its name; static text. It is
 * forgotten when the handler returns. */
void loop_note(struct loop *l, const char *what);
/* Sets a function that is called when a handler took longer than LOOP_STALL_NS by the clock. It
 * gets the name of the handler, its last note or NULL, the time by the clock and the CPU time. The
 * time of that call counts for no handler. */
struct loop_stall {
	const char *name, *note;
	uint64_t took_ns, used_ns;
};
void loop_on_stall(struct loop *l, void (*stalled)(void *self, const struct loop_stall *stall),
		   void *self);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebbd's one loop waits for ready descriptors and due timers, and for nothing else.
 *
 * One epoll and one timerfd. The timerfd is armed only while a timer is: with everything frozen
 * nothing here wakes up. Handlers run one at a time and must not block.
 */
#ifndef EBB_SUPERVISOR_LOOP_H
#define EBB_SUPERVISOR_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* A watched descriptor, embedded in its owner; fd is borrowed from it. */
struct watch {
	int fd;
	void (*on_ready)(struct watch *w, uint32_t epoll_events);
	const char *name; /* static; what the watchdog calls it */
};

/* A timer, embedded in its owner; zeroed means disarmed. */
struct timer {
	uint64_t due_ns; /* CLOCK_MONOTONIC; meaningful while armed */
	uint32_t place;  /* 1 + its index in the heap; 0 = disarmed */
	void (*on_due)(struct timer *t);
	const char *name; /* static; what the watchdog calls it */
};

/* The watchdog: how long handlers took. A handler that used more CPU time than this, or waited in
 * the kernel for as long, kept everybody else waiting. */
#define LOOP_STALL_NS UINT64_C(50000000)
struct loop_health {
	uint64_t stalls;                     /* handlers above it by their own CPU time */
	uint64_t delays;                     /* by the clock: also for lack of a CPU */
	uint64_t longest_cpu_ns, longest_ns; /* of any handler */
};
const struct loop_health *loop_health(const struct loop *l);
/* The present work of a handler, more closely than its name: static text, until it returns. */
void loop_note(struct loop *l, const char *what);

/* The hearer of events of ebbd itself: kind is an enum wire_event_kind. */
struct loop_reporter {
	void *self;
	void (*say)(void *self, uint32_t kind, const char *text);
};
void loop_report_to(struct loop *l, const struct loop_reporter *reporter);
void loop_tell(struct loop *l, uint32_t kind, const char *text);

/* Of the calling thread, whose turns become short; so do those of the programs it starts. */
int loop_new(struct loop **out);
void loop_free(struct loop *l);
/* Runs until loop_stop. 0 or -errno of epoll. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Watches w->fd for these EPOLL* events; 0 or -errno. A descriptor is watched once. */
int loop_watch(struct loop *l, struct watch *w, uint32_t epoll_events);
int loop_rewatch(struct loop *l, struct watch *w, uint32_t epoll_events);
/* Also forgets events of this round that were not handled yet. Before closing the descriptor. */
void loop_unwatch(struct loop *l, struct watch *w);

/* Arms or moves a timer. 0 or -ENOMEM. */
int loop_timer_at(struct loop *l, struct timer *t, uint64_t due_ns);
void loop_timer_off(struct loop *l, struct timer *t);
/* The clock as it was when this round of events came in. */
uint64_t loop_now_ns(const struct loop *l);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an instance without work may be frozen now: a pure function of what was seen. */
#ifndef EBB_SUPERVISOR_IDLE_H
#define EBB_SUPERVISOR_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/supervisor/look/look.h"

/* A freeze and a thaw for a timer cost ebbd and the instance some 0.3 ms together. That pays only
 * if no timer is due within this time. */
#define TIMER_PAYS_NS (200 * UINT64_C(1000000))
/* A thaw for a timer comes at least this much before the timer is due, because a thaw takes that
 * long on a busy host. Thaws stand on a grid of TIMER_GRID_NS, so that instances with timers close
 * together are thawed together. */
#define TIMER_LEAD_NS (2 * UINT64_C(1000000))
#define TIMER_GRID_NS (8 * UINT64_C(1000000))
/* Thaws for timers in a second, of all instances of a service together. Beyond them the instances
 * stay awake. */
#define TIMER_BUDGET 20
/* Thaws for the network in a second, likewise. A message for all instances of a service is usual.
 */
#define WAKE_BUDGET 200
/* A crowded instance is looked at again after so long. */
#define CROWDED_AGAIN_NS (10 * UINT64_C(1000000000))
/* An answer of the network comes when it comes: the next look is no later than this. */
#define TALKS_AGAIN_NS (100 * UINT64_C(1000000))
/* CPU is compared over at least this long. */
#define QUIET_WINDOW_NS (5 * UINT64_C(1000000))

/* clang-format off */
#define IDLE_REASONS(X) \
	X(QUIET)     /* nothing speaks against it */ \
	X(LOOKING)   /* it has so much to look at that ebbd is not through yet */ \
	X(CROWDED)   /* it has more than ebbd looks at: a lock or a timer may be among it */ \
	X(LOCKED)    /* others may wait for its file lock */ \
	X(CPU)       /* it used the CPU just now */ \
	X(THREAD)    /* a thread runs */ \
	X(SOON)      /* a timer is due before freezing pays */ \
	X(STRETCHED) /* a sleep that a freeze would make longer */ \
	X(UNSURE)    /* a timer may be due any moment, and a thaw would not tell when */ \
	X(UNKNOWN)   /* a timer of which nobody can say when it is due */ \
	X(TICKS)     /* a repeated timer does something each time */ \
	X(BUDGET)    /* the service's timers had enough thaws this second */ \
	X(TALKS)     /* it waits for somebody on a connection that it opened */
/* clang-format on */
#define X(name) IDLE_##name,
enum idle_reason { IDLE_REASONS(X) IDLE_REASON_COUNT };
#undef X

struct idle_view {
	uint64_t now_ns, idle_since_ns;
	uint64_t thawed_ns;   /* work that a timer began may take as long as a request's */
	uint64_t limit_ns;    /* after so long without work only a lock counts (maxDuration) */
	bool fire;            /* ebb.timers */
	bool ticks_work;      /* its ticks write */
	bool locked;          /* it holds a file lock others could wait for */
	bool talks;           /* it waits for somebody on a connection that it opened */
	uint64_t used_us;     /* CPU over the last window */
	uint64_t window_ns;   /* its length */
	uint64_t patience_ns; /* at least this long until the next look */
	uint64_t budget_ns;   /* the service's budget is used up until then; 0 = it is not */
	const struct look *look;
};

struct idle_decision {
	enum idle_reason reason; /* QUIET: freeze */
	uint64_t again_ns;       /* else look again then */
	bool busy;               /* it is (or would be, but for its time) kept awake by itself */
	uint64_t until_ns;       /* then its reason to be awake is over; 0 = nobody knows */
	bool late;               /* frozen though timers come too often to serve them */
};

/* Pure. QUIET means freeze; every other reason says when to look again. */
struct idle_decision idle_decide(const struct idle_view *view);
/* When to thaw for a timer that is due then: early, and with others. LOOK_NEVER stays
 * LOOK_NEVER. */
uint64_t idle_wake_ns(uint64_t due_ns);

#endif

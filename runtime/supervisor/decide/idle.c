// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/decide/idle.h"

#include "runtime/base/mem.h"

/* The CPU that a quiet program may use: for its own timers and signals, not for work. */
#define SLACK_US     500
#define SLACK_SHARE  50 /* and one part in so many of the window */
#define LOOK_MOST_NS UINT64_C(1000000000)
/* Looking more often than this for the beginning of a sleep gains too little. */
#define WATCH_LEAST_NS (5 * QUIET_WINDOW_NS)

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool used_cpu(const struct idle_view *v)
{
	return v->used_us > SLACK_US + v->window_ns / 1000 / SLACK_SHARE;
}

/* The time between looks at a thread that sleeps for length_ns again and again; 0: no such time
 * helps. Freezing pays only if a look meets a sleep that began after the look before and has
 * TIMER_PAYS_NS left. Looks that are length_ns apart would meet the same age for ever. */
static uint64_t watch_ns(uint64_t length_ns)
{
	uint64_t step_ns = length_ns > TIMER_PAYS_NS ? (length_ns - TIMER_PAYS_NS) / 4 * 3 : 0;

	return step_ns >= WATCH_LEAST_NS ? step_ns : 0;
}

/* The verdict of the timers of the instance. *at_ns: when that will have changed. */
static enum idle_reason judge_timers(const struct idle_view *v, uint64_t *at_ns)
{
	const struct look *l = v->look;
	uint64_t pays_ns = v->now_ns + TIMER_PAYS_NS;

	if (l->soon.to_ns < pays_ns) {
		*at_ns = l->soon.to_ns;
		return IDLE_SOON;
	}
	if (l->stretched.to_ns != LOOK_NEVER) {
		*at_ns = l->stretched.to_ns;
		return IDLE_STRETCHED;
	}
	if (l->kept.from_ns < pays_ns) {
		*at_ns = l->kept.to_ns;
		return IDLE_UNSURE;
	}
	if (l->unknown_pid > 0)
		return IDLE_UNKNOWN;
	if (l->tick.to_ns != LOOK_NEVER && v->ticks_work) {
		*at_ns = l->tick.to_ns;
		return IDLE_TICKS;
	}
	if (v->budget_ns > v->now_ns && l->first.from_ns != LOOK_NEVER) {
		*at_ns = v->budget_ns;
		return IDLE_BUDGET;
	}
	return IDLE_QUIET;
}

static uint64_t look_again_ns(const struct idle_view *v, enum idle_reason reason, uint64_t at_ns)
{
	uint64_t step_ns = reason == IDLE_UNSURE ? watch_ns(v->look->kept.length_ns) : 0;

	if (reason == IDLE_CROWDED) { /* not later than its time is over */
		at_ns = later(v->idle_since_ns, v->thawed_ns) + v->limit_ns;
		return at_ns < v->now_ns + CROWDED_AGAIN_NS ? at_ns : v->now_ns + CROWDED_AGAIN_NS;
	}
	if (reason == IDLE_TALKS && v->patience_ns > TALKS_AGAIN_NS)
		return v->now_ns + TALKS_AGAIN_NS;
	at_ns += QUIET_WINDOW_NS / 5;
	if (step_ns == 0)
		at_ns = later(at_ns, v->now_ns + v->patience_ns);
	else if (at_ns > v->now_ns + step_ns)
		at_ns = v->now_ns + step_ns;
	else /* it is over by then, and the next one young */
		at_ns = later(at_ns, v->now_ns + QUIET_WINDOW_NS);
	return at_ns < v->now_ns + LOOK_MOST_NS ? at_ns : v->now_ns + LOOK_MOST_NS;
}

struct idle_decision idle_decide(const struct idle_view *v)
{
	uint64_t since_ns = later(v->idle_since_ns, v->thawed_ns);
	bool overdue = v->now_ns - since_ns >= v->limit_ns;
	uint64_t at_ns = v->now_ns;
	enum idle_reason reason = IDLE_QUIET;
	bool busy, late = false;

	if (v->locked)
		reason = IDLE_LOCKED;
	else if (used_cpu(v))
		reason = IDLE_CPU;
	else if (v->look->running_tid > 0)
		reason = IDLE_THREAD;
	else if (v->look->crowded)
		reason = IDLE_CROWDED;
	else if (v->fire)
		reason = judge_timers(v, &at_ns);
	if (reason == IDLE_QUIET && v->talks)
		reason = IDLE_TALKS;
	busy = reason != IDLE_QUIET;
	if (overdue && reason != IDLE_LOCKED && reason != IDLE_QUIET) {
		late = reason != IDLE_TALKS; /* its timers can be served */
		reason = IDLE_QUIET;
	}
	must(!late || reason == IDLE_QUIET); /* a late freeze is a freeze */
	must(reason < IDLE_REASON_COUNT);
	return (struct idle_decision){.reason = reason,
				      .again_ns = look_again_ns(v, reason, at_ns),
				      .busy = busy,
				      .until_ns = at_ns > v->now_ns ? at_ns : 0,
				      .late = late};
}

uint64_t idle_wake_ns(uint64_t due_ns)
{
	if (due_ns == LOOK_NEVER || due_ns < TIMER_LEAD_NS)
		return due_ns;
	_Static_assert(TIMER_LEAD_NS + TIMER_GRID_NS < TIMER_PAYS_NS, "it freezes for a while");
	due_ns -= TIMER_LEAD_NS;
	return due_ns - due_ns % TIMER_GRID_NS;
}

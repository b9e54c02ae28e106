// SPDX-License-Identifier: Apache-2.0
/* Bounds of one instance: bytes, connections, CPU time. */
#include <sys/epoll.h>

#include "runtime/base/clock.h"
#include "runtime/flow/inlets.h"

#define WORK_PER_S   (NS_PER_SEC / 5) /* of a CPU, for an instance */
#define LOOP_MOST_NS (50 * NS_PER_US)
#define WORK_MOST    NS_PER_SEC  /* in a burst, which comes in turns */
#define PAGES_PER_S  (16u << 20) /* bytes of pages, for an instance */
#define PAGES_MOST   (64u << 20)

/* ---- room for all ---- */

static struct inlet *with_most_bytes(struct flow *f)
{
	struct inlet *i, *most = NULL;

	chain_each(i, &f->inlets, all)
		if (!most || i->held > most->held)
			most = i;
	return most;
}

static struct inlet *with_most_connections(struct flow *f)
{
	struct inlet *i, *most = NULL;

	chain_each(i, &f->inlets, all)
		if (!most || i->open > most->open)
			most = i;
	return most;
}

static void end_largest(struct inlet *i)
{
	struct conn *c, *largest = NULL;

	chain_each(c, &i->conns, of_inlet)
		if (!largest || conn_held(c) > conn_held(largest))
			largest = c;
	if (largest)
		conn_end(largest);
}

/* The oldest one without a request in hand, or the oldest one. */
static void end_idle(struct inlet *i)
{
	struct conn *c, *found = NULL;

	chain_each(c, &i->conns, of_inlet)
		if (!found || (conn_held(found) > 0 && conn_held(c) == 0))
			found = c;
	if (found)
		conn_end(found);
}

bool inlet_has_room(struct inlet *i, size_t more)
{
	struct flow *f = i->flow;

	if (i->held + more > HELD_OF_INLET)
		return false;
	while (f->held_bytes + more > HELD_MAX) {
		struct inlet *most = with_most_bytes(f);

		if (most == i || most->held <= i->held + more)
			return false;
		end_largest(most);
	}
	return true;
}

bool inlet_may_connect(struct inlet *i)
{
	struct inlet *most;

	if (i->open >= CONNS_OF_INLET)
		return false;
	if (i->flow->conn_count < CONNS_MAX)
		return true;
	most = with_most_connections(i->flow);
	if (most->open <= i->open + 1)
		return false;
	end_idle(most);
	return true;
}

/* ---- CPU time ---- */

/* Without memory for a timer the instance is heard on, and its debt grows. */
static void pause_inlet(struct inlet *i, uint64_t until_ns)
{
	struct conn *c;

	if (loop_timer_at(i->flow->loop, &i->resume, until_ns) < 0)
		return;
	for (uint32_t n = 0; n < i->count; n++)
		loop_unwatch(i->flow->loop, &i->doors[n].watch);
	chain_each(c, &i->conns, of_inlet)
		loop_unwatch(i->flow->loop, &c->watch);
	i->paused = true;
}

static void on_resume(struct timer *t)
{
	struct inlet *i = container_of(t, struct inlet, resume);
	struct conn *c;

	i->paused = false;
	for (uint32_t n = 0; n < i->count; n++)
		(void)loop_watch(i->flow->loop, &i->doors[n].watch, EPOLLIN);
	chain_each(c, &i->conns, of_inlet)
		conn_resume(c);
}

void inlet_worked(struct inlet *i, uint64_t work_ns)
{
	uint64_t cpu_ns = clock_thread_ns(), now_ns = clock_mono_ns(), rest_ns;
	uint64_t loop_ns = cpu_ns - i->flow->charged_ns;

	/* The loop's own work since somebody was charged: rounds for the next request of many. */
	i->flow->charged_ns = cpu_ns;
	loop_ns = loop_ns > work_ns ? loop_ns - work_ns : 0;
	work_ns += loop_ns < LOOP_MOST_NS ? loop_ns : LOOP_MOST_NS;
	rest_ns = pace_worked(&i->pace, work_ns, now_ns);
	if (rest_ns > 0 && !i->paused)
		pause_inlet(i, now_ns + rest_ns);
}

void inlet_share(struct inlet *i)
{
	i->pace = pace_of(WORK_PER_S, WORK_MOST);
	i->pages = (struct allowance){.per_s = PAGES_PER_S, .most = PAGES_MOST};
	i->resume = (struct timer){.on_due = on_resume, .name = "flow on_resume"};
}

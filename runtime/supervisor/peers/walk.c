// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/walk.h"

#include <errno.h>
#include <stddef.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/scale/fleet.h"

#define PART_NS       (5 * NS_PER_MS)
#define FULL_AGAIN_NS (2 * NS_PER_MS)

static void go_on_at(struct walks *w, uint64_t due_ns)
{
	w->timer.name = "walk";
	(void)loop_timer_at(w->loop, &w->timer, due_ns);
}

/* One part of the first walk: until its end (true), or until it took too long. */
static bool walk_on(struct walks *w, uint64_t until_ns)
{
	uint32_t n = w->first % WALKS_MAX;
	const struct walk_kind *kind = w->asked[n].kind;

	must(w->count > 0 && w->count <= WALKS_MAX && w->slot <= INSTANCES_MAX);
	for (; w->slot < INSTANCES_MAX; w->slot++) {
		struct instance *i = fleet_at(w->fleet, w->slot);

		if (!i)
			continue;
		if (clock_mono_ns() > until_ns || w->full(w->self))
			return false;
		kind->each(w->self, w->asked[n].cookie, i);
	}
	kind->end(w->self, w->asked[n].cookie);
	return true;
}

static void on_due(struct timer *t)
{
	struct walks *w = container_of(t, struct walks, timer);
	uint64_t now_ns = clock_mono_ns(), until_ns = now_ns + PART_NS;

	while (w->count > 0 && clock_mono_ns() < until_ns) {
		if (w->full(w->self)) {
			go_on_at(w, now_ns + FULL_AGAIN_NS);
			return;
		}
		if (!walk_on(w, until_ns))
			break;
		w->first++;
		w->count--;
		w->slot = 0;
	}
	if (w->count > 0)
		go_on_at(w, now_ns);
}

void walks_init(struct walks *w, struct loop *loop, struct fleet *fleet, void *self,
		bool (*full)(void *self))
{
	w->loop = loop;
	w->fleet = fleet;
	w->self = self;
	w->full = full;
	w->timer = (struct timer){.on_due = on_due};
	w->first = w->count = w->slot = 0;
}

int walks_add(struct walks *w, const struct walk_kind *kind, uint64_t cookie)
{
	uint32_t n = (w->first + w->count) % WALKS_MAX;

	if (w->count == WALKS_MAX)
		return -ENOBUFS;
	w->asked[n].kind = kind;
	w->asked[n].cookie = cookie;
	if (w->count++ == 0)
		on_due(&w->timer);
	return 0;
}

void walks_drop(struct walks *w)
{
	loop_timer_off(w->loop, &w->timer);
	w->count = w->slot = 0;
}

// SPDX-License-Identifier: Apache-2.0
/* A binary heap of the callers' timers; place 0 is nowhere, the root is at 1. */
#include <errno.h>
#include <stdlib.h>

#include "loop.h"

static void put(struct ebb *e, size_t place, struct ebb_timer *t)
{
	e->heap[place] = t;
	t->place = place;
}

static void sift(struct ebb *e, size_t at, struct ebb_timer *t)
{
	for (; at > 1 && e->heap[at / 2]->due_ns > t->due_ns; at /= 2)
		put(e, at, e->heap[at / 2]);
	for (;;) {
		size_t child = 2 * at;

		if (child < e->heap_count && e->heap[child + 1]->due_ns < e->heap[child]->due_ns)
			child++;
		if (child > e->heap_count || e->heap[child]->due_ns >= t->due_ns)
			break;
		put(e, at, e->heap[child]);
		at = child;
	}
	put(e, at, t);
}

static int reserve(struct ebb *e)
{
	size_t size = e->heap_size ? 2 * e->heap_size : 64;
	struct ebb_timer **heap;

	if (e->heap_count + 2 <= e->heap_size)
		return 0;
	heap = reallocarray(e->heap, size, sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	e->heap = heap;
	e->heap_size = size;
	return 0;
}

void ebb_timer_off(struct ebb *e, struct ebb_timer *t)
{
	struct ebb_timer *last;
	size_t place = t->place;

	if (place == 0)
		return;
	t->place = 0;
	last = e->heap[e->heap_count--];
	if (last != t)
		sift(e, place, last);
}

int ebb_timer_set(struct ebb *e, struct ebb_timer *t, uint64_t ms)
{
	int r;

	ebb_timer_off(e, t);
	r = reserve(e);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(ms, NS_PER_MS, &t->due_ns) ||
	    __builtin_add_overflow(t->due_ns, clock_ns(), &t->due_ns))
		t->due_ns = UINT64_MAX;
	sift(e, ++e->heap_count, t);
	return 0;
}

/* Runs the timers that are due at this moment. A timer that a callback sets waits for the next
 * turn, so a timer that sets itself to 0 ms does not stop the loop. */
uint64_t timers_run(struct ebb *e)
{
	e->now_ns = clock_ns();
	while (e->heap_count > 0 && e->heap[1]->due_ns <= e->now_ns) {
		struct ebb_timer *t = e->heap[1];

		ebb_timer_off(e, t);
		t->on_due(t);
	}
	if (e->heap_count == 0)
		return UINT64_MAX;
	return e->heap[1]->due_ns - e->now_ns;
}

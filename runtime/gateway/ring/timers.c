// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/ring/timers.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

int timers_init(struct timers *t, uint32_t id_count)
{
	*t = (struct timers){.id_count = id_count};
	t->items = calloc(id_count, sizeof(*t->items));
	return t->items ? heap_reserve(&t->heap, id_count) : -ENOMEM;
}

void timers_fini(struct timers *t)
{
	heap_fini(&t->heap);
	free(t->items);
}

void timers_set(struct timers *t, uint32_t id, uint64_t when_ns)
{
	struct heap_item *item = &t->items[id];
	int r;

	must(id < t->id_count && when_ns < HEAP_EMPTY);
	if (heap_has(item) && heap_key(&t->heap, item) <= when_ns)
		return;
	r = heap_put(&t->heap, item, when_ns);
	must(r == 0); /* timers_init reserved room for each id */
}

void timers_clear(struct timers *t, uint32_t id)
{
	must(id < t->id_count);
	heap_remove(&t->heap, &t->items[id]);
}

void timers_retract(struct timers *t, uint32_t id)
{
	struct heap_item *item = &t->items[id];

	must(id < t->id_count);
	if (heap_has(item) && heap_key(&t->heap, item) == t->armed_ns)
		t->moved = true;
	heap_remove(&t->heap, item);
}

int64_t timers_next(struct timers *t, uint64_t now_ns)
{
	struct heap_item *first = heap_first(&t->heap);

	if (!first || heap_first_key(&t->heap) > now_ns)
		return -1;
	heap_remove(&t->heap, first);
	return first - t->items;
}

/* Out of line: most rounds of the loop only look. */
__attribute__((noinline)) static void arm(struct timers *t, struct ring *l, uint64_t first_ns)
{
	t->timeout.tv_sec = (int64_t)(first_ns / NS_PER_SEC);
	t->timeout.tv_nsec = (long long)(first_ns % NS_PER_SEC);
	if (first_ns == 0)
		io_uring_prep_timeout_remove(ring_sqe(l, RING_IGNORE, 0, 0),
					     ring_user_data(RING_TIMER, 0, 0), 0);
	else if (t->armed_ns)
		io_uring_prep_timeout_update(ring_sqe(l, RING_IGNORE, 0, 0), &t->timeout,
					     ring_user_data(RING_TIMER, 0, 0), IORING_TIMEOUT_ABS);
	else
		io_uring_prep_timeout(ring_sqe(l, RING_TIMER, 0, 0), &t->timeout, 0,
				      IORING_TIMEOUT_ABS);
	t->armed_ns = first_ns;
	t->moved = false;
}

void timers_arm(struct timers *t, struct ring *l)
{
	uint64_t first_ns = heap_first(&t->heap) ? heap_first_key(&t->heap) : 0;

	/* A timeout that comes too early only costs a look; moving it later would cost more. */
	if (first_ns ? !t->armed_ns || t->armed_ns > first_ns || t->moved : t->armed_ns != 0)
		arm(t, l, first_ns);
}

void timers_fired(struct timers *t, int res)
{
	if (res != -ECANCELED) {
		t->armed_ns = 0;
		t->moved = false;
	}
}

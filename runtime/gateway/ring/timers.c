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

int64_t timers_next(struct timers *t, uint64_t now_ns)
{
	struct heap_item *first = heap_first(&t->heap);

	if (!first || heap_first_key(&t->heap) > now_ns)
		return -1;
	heap_remove(&t->heap, first);
	return first - t->items;
}

void timers_arm(struct timers *t, struct ring *l)
{
	uint64_t first_ns = heap_first(&t->heap) ? heap_first_key(&t->heap) : 0;
	struct io_uring_sqe *sqe;

	/* A timeout that comes too early only costs a look; moving it later would cost more. */
	if (first_ns ? t->armed_ns && t->armed_ns <= first_ns : t->armed_ns == 0)
		return;
	t->timeout.tv_sec = (int64_t)(first_ns / NS_PER_SEC);
	t->timeout.tv_nsec = (long long)(first_ns % NS_PER_SEC);
	if (first_ns == 0) {
		sqe = ring_sqe(l, RING_IGNORE, 0, 0);
		io_uring_prep_timeout_remove(sqe, ring_user_data(RING_TIMER, 0, 0), 0);
		sqe->user_data = 0;
	} else if (t->armed_ns) {
		sqe = ring_sqe(l, RING_IGNORE, 0, 0);
		io_uring_prep_timeout_update(sqe, &t->timeout, ring_user_data(RING_TIMER, 0, 0),
					     IORING_TIMEOUT_ABS);
		sqe->user_data = 0;
	} else {
		sqe = ring_sqe(l, RING_TIMER, 0, 0);
		io_uring_prep_timeout(sqe, &t->timeout, 0, IORING_TIMEOUT_ABS);
	}
	t->armed_ns = first_ns;
}

void timers_fired(struct timers *t, int res)
{
	if (res != -ECANCELED)
		t->armed_ns = 0;
}

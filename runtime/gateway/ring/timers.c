// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/ring/timers.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

int timers_init(struct timers *t, uint32_t id_count)
{
	*t = (struct timers){.id_count = id_count};
	t->heap = calloc(id_count, sizeof(*t->heap));
	t->place = calloc(id_count, sizeof(*t->place));
	return t->heap && t->place ? 0 : -ENOMEM;
}

void timers_fini(struct timers *t)
{
	free(t->heap);
	free(t->place);
}

static void put(struct timers *t, uint32_t at, struct timer_entry entry)
{
	t->heap[at] = entry;
	t->place[entry.id] = at + 1;
}

static void sift_up(struct timers *t, uint32_t at, struct timer_entry entry)
{
	while (at > 0 && t->heap[(at - 1) / 2].when_ns > entry.when_ns) {
		put(t, at, t->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(t, at, entry);
}

static void sift_down(struct timers *t, uint32_t at, struct timer_entry entry)
{
	for (;;) {
		uint32_t child = at * 2 + 1;

		if (child >= t->count)
			break;
		if (child + 1 < t->count && t->heap[child + 1].when_ns < t->heap[child].when_ns)
			child++;
		if (t->heap[child].when_ns >= entry.when_ns)
			break;
		put(t, at, t->heap[child]);
		at = child;
	}
	put(t, at, entry);
}

void timers_set(struct timers *t, uint32_t id, uint64_t when_ns)
{
	must(id < t->id_count);
	if (t->place[id] == 0)
		sift_up(t, t->count++, (struct timer_entry){when_ns, id});
	else if (t->heap[t->place[id] - 1].when_ns > when_ns)
		sift_up(t, t->place[id] - 1, (struct timer_entry){when_ns, id});
}

void timers_clear(struct timers *t, uint32_t id)
{
	uint32_t at = t->place[id];
	struct timer_entry last;

	if (at == 0)
		return;
	at--;
	must(t->heap[at].id == id);
	t->place[id] = 0;
	last = t->heap[--t->count];
	if (at == t->count)
		return;
	if (at > 0 && t->heap[(at - 1) / 2].when_ns > last.when_ns)
		sift_up(t, at, last);
	else
		sift_down(t, at, last);
}

int64_t timers_next(struct timers *t, uint64_t now_ns)
{
	uint32_t id;

	if (t->count == 0 || t->heap[0].when_ns > now_ns)
		return -1;
	id = t->heap[0].id;
	timers_clear(t, id);
	return id;
}

void timers_arm(struct timers *t, struct loop *l)
{
	uint64_t first_ns = t->count ? t->heap[0].when_ns : 0;
	struct io_uring_sqe *sqe;

	/* One that comes too early only costs a look; removing it would cost more. */
	if (first_ns ? t->armed_ns && t->armed_ns <= first_ns : t->armed_ns == 0)
		return;
	t->timeout.tv_sec = (int64_t)(first_ns / NS_PER_SEC);
	t->timeout.tv_nsec = (long long)(first_ns % NS_PER_SEC);
	if (first_ns == 0) {
		sqe = loop_sqe(l, LOOP_IGNORE, 0, 0);
		io_uring_prep_timeout_remove(sqe, loop_user_data(LOOP_TIMER, 0, 0), 0);
		sqe->user_data = 0;
	} else if (t->armed_ns) {
		sqe = loop_sqe(l, LOOP_IGNORE, 0, 0);
		io_uring_prep_timeout_update(sqe, &t->timeout, loop_user_data(LOOP_TIMER, 0, 0),
					     IORING_TIMEOUT_ABS);
		sqe->user_data = 0;
	} else {
		sqe = loop_sqe(l, LOOP_TIMER, 0, 0);
		io_uring_prep_timeout(sqe, &t->timeout, 0, IORING_TIMEOUT_ABS);
	}
	t->armed_ns = first_ns;
}

void timers_fired(struct timers *t, int res)
{
	if (res != -ECANCELED)
		t->armed_ns = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines: a heap of (when, id) and at most one timeout in the kernel, none while the heap is
 * empty, so an idle gateway does not wake up. Each id has at most one entry. The entry may be
 * early: its owner looks at its own deadline when it is called and sets the timer again. So moving
 * a deadline back, which every request does, costs nothing here.
 */
#ifndef EBB_GATEWAY_TIMERS_H
#define EBB_GATEWAY_TIMERS_H

#include "runtime/base/heap.h"
#include "runtime/gateway/ring/ring.h"

struct timers {
	struct heap heap;
	struct heap_item *items; /* by id */
	uint32_t id_count;
	uint64_t armed_ns; /* of the kernel's timeout, 0 = none */
	struct __kernel_timespec timeout;
};

int timers_init(struct timers *t, uint32_t id_count); /* 0 or -ENOMEM */
/* Frees the heap; the timeout in the kernel is the ring's. */
void timers_fini(struct timers *t);
/* Due no later than when. */
void timers_set(struct timers *t, uint32_t id, uint64_t when_ns);
/* The id has no deadline any more; nothing if it had none. */
void timers_clear(struct timers *t, uint32_t id);
/* Takes one that is due: its id, or -1. */
int64_t timers_next(struct timers *t, uint64_t now_ns);
/* Before waiting: sees to it that the kernel wakes us for the first one. */
void timers_arm(struct timers *t, struct ring *l);
/* RING_TIMER completed. */
void timers_fired(struct timers *t, int res);

#endif

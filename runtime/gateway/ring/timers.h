/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines: a heap of (when, id) and at most one timeout in the kernel, none while the heap is
 * empty, so an idle gateway does not wake up. Each id has at most one entry. The entry may be
 * early: when it fires, its owner looks at its own deadline and sets the timer again. So moving a
 * deadline back, which every request does, costs nothing here.
 */
#ifndef EBB_GATEWAY_TIMERS_H
#define EBB_GATEWAY_TIMERS_H

#include "runtime/base/heap.h"
#include "runtime/gateway/ring/ring.h"

struct timers {
	struct heap heap;
	struct heap_item *items; /* by id */
	uint32_t id_count;
	uint64_t armed_ns; /* CLOCK_MONOTONIC, of the timeout in the kernel; 0 = none */
	bool moved;        /* the entry that the kernel's timeout is for was taken out */
	struct __kernel_timespec timeout;
};

int timers_init(struct timers *t, uint32_t id_count); /* 0 or -ENOMEM */
/* Frees the heap; a timeout in the kernel ends with the ring. */
void timers_fini(struct timers *t);
/* The id is due no later than when_ns (CLOCK_MONOTONIC). */
void timers_set(struct timers *t, uint32_t id, uint64_t when_ns);
/* Takes the entry of the id out, if it has one. */
void timers_clear(struct timers *t, uint32_t id);
/* The same, for an entry that is mostly taken out soon: the kernel's timeout is moved, too, because
 * a round of the loop for nothing costs more. */
void timers_retract(struct timers *t, uint32_t id);
/* Takes an entry that is due out. Returns its id, or -1. */
int64_t timers_next(struct timers *t, uint64_t now_ns);
/* Call this before the loop waits: sets the timeout in the kernel to the first entry. */
void timers_arm(struct timers *t, struct ring *l);
/* RING_TIMER completed with this result. */
void timers_fired(struct timers *t, int res);

#endif

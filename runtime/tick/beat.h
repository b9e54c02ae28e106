/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ticks: a thread on each CPU that wakes up and sleeps again at once. When it wakes up, it takes
 * the CPU from the running thread; when it falls asleep, the kernel chooses anew who runs.
 */
#ifndef EBB_TICK_BEAT_H
#define EBB_TICK_BEAT_H

#include <stdint.h>

struct beat;

/* Starts a thread, bound to it, for each CPU that this process may use (sched_getaffinity(2)).
 * confine(self) is called in each thread, before its first tick; a negative result ends the
 * process. Returns when all threads are confined: 0 with *out, which lives as long as the process,
 * and the number of threads; or -errno. */
int beat_start(int (*confine)(void *self), void *self, struct beat **out, uint32_t *out_cpus);
/* From now on each thread ticks every period_us, or more rarely, so that ticks use a twentieth of a
 * CPU at most; 0: none wakes up. */
void beat_every(struct beat *b, uint32_t period_us);

#endif

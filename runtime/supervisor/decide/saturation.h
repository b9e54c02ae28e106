/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges whether an instance has enough to do: a pure function of measurements, without clock or
 * system call. ebbd feeds it every 100 ms while work is open (load.c), the simulator of tests/sim
 * feeds it too.
 *
 * - CPU: at 95 % of what it may use, as the mean of four samples, it is saturated, below 75 % not.
 *   With PSI half of it suffices when its tasks also waited for a CPU half of the time.
 * - Latency: the first byte takes three times the instance's own baseline while it has twice the
 *   requests open: something inside has a queue. The baseline follows slowly, so requests that have
 *   become slower for good are the new baseline after a few seconds.
 * - Queue: connections wait in its accept queue at two samples in a row: all its workers are busy.
 * - Nack: it gave a request back.
 *
 * With an automatic limit, saturation that lasts (CPU: full over a second or two on average, with
 * no more open than the limit says) also lowers the tickets it may have; room grows back slowly and
 * ever more rarely where growing was wrong before.
 */
#ifndef EBB_SUPERVISOR_SATURATION_H
#define EBB_SUPERVISOR_SATURATION_H

#include <stdbool.h>
#include <stdint.h>

#define LOAD_SAMPLE_MS 100
#define LOAD_BELIEVED  4 /* samples whose mean is believed */
#define LOAD_LIMIT_MIN 4 /* an automatic limit never falls below: a start may take longer */

enum load_cause {
	LOAD_NONE, /* it has room */
	LOAD_CPU,
	LOAD_STALL, /* CPU, with tasks waiting for it */
	LOAD_LATENCY,
	LOAD_QUEUE, /* connections in its accept queue */
	LOAD_NACK,
};

/* One interval of one instance. */
struct load_sample {
	uint32_t cpu_permille;   /* of the CPU time it may use */
	uint32_t stall_permille; /* of the time, some task of it waited for a CPU; 0 if unknown */
	uint32_t answers;        /* first bytes sent in the interval */
	uint32_t first_byte_us;  /* their mean */
	uint32_t nacks;
	uint32_t queued;  /* connections nobody had accepted, at most */
	uint32_t tickets; /* open at its end */
};

struct load_bounds {
	uint32_t limit_max;
	bool automatic; /* the limit may be lowered */
};

/* The memory of one instance; zeroed, with `limit` set, to begin with. */
struct load_state {
	uint32_t limit;                  /* tickets at most */
	enum load_cause cause;           /* LOAD_NONE: not saturated */
	uint32_t cpu[LOAD_BELIEVED], at; /* the last samples, permille */
	uint32_t stalled, slow, quick;   /* samples in a row */
	uint32_t queued, unqueued;       /* too */
	uint32_t base_us, base_tickets, base_answers;
	uint32_t cpu_average;     /* permille, over a second or so */
	uint32_t settle;          /* samples until the limit may fall again */
	uint32_t hold, hold_next; /* samples until the limit may grow */
	bool grown;               /* since it was lowered last */
};

/* The mean of the last samples, which is what is judged. */
uint32_t load_cpu_permille(const struct load_state *s);
/* It was frozen: its excess is over. */
void load_rest(struct load_state *s);
/* One interval on. True if `cause` or `limit` changed. */
bool load_step(struct load_state *s, const struct load_bounds *bounds,
	       const struct load_sample *sample);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges whether an instance has enough to do: a pure function of measurements, without clock or
 * system call. ebbd feeds it every 100 ms while work is open (load.c), and so does the simulator of
 * tests/sim.
 *
 * - CPU: an instance is saturated at 95 % of the CPU that it may use, as the mean of four samples,
 *   until the mean is below 75 %. With PSI half of the CPU suffices, if at four samples in a row
 *   tasks of the instance also waited for a CPU half of the time.
 * - Latency: at three samples in a row the first byte takes three times the instance's own baseline
 *   while twice as many requests are open: something inside has a queue. The baseline follows
 *   slowly, so requests that have become slower for good are the new baseline after a few seconds.
 * - Queue: connections wait in its accept queue at two samples in a row: all its workers are busy.
 * - Nack: the instance gave a request back.
 *
 * With an automatic limit, saturation that lasts also lowers the number of tickets that the
 * instance may have. Saturation by CPU lasts if the CPU is full on average over a second or two.
 * While more requests are open than the limit says, only a nack lowers it, because the others were
 * let in before it fell. The limit grows back slowly, and ever more rarely where growing was wrong
 * before.
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
/* The instance was frozen: its saturation is over. */
void load_rest(struct load_state *s);
/* Takes in one more interval. True if `cause` or `limit` changed. */
bool load_step(struct load_state *s, const struct load_bounds *bounds,
	       const struct load_sample *sample);

#endif

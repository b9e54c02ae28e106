/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which instances run before others: a pure function, one step for each sample of load.c.
 *
 * An equal part is the CPU that all instances used together, divided by the number of those that
 * are awake. An instance that used more than a quarter of an equal part over a sample goes behind
 * (cgroup_go_behind). An instance behind runs while no instance in front wants to, so a request in
 * front does not wait until a turn is over. Instances in front never take more than a quarter, so
 * instances behind keep three quarters, shared by weight. After ten samples in a row of an eighth
 * or less, an instance is in front again. docs/notes/0065-precedence.md.
 */
#ifndef EBB_SUPERVISOR_PRECEDENCE_H
#define EBB_SUPERVISOR_PRECEDENCE_H

#include <stdbool.h>
#include <stdint.h>

struct precedence {
	bool behind;
	uint32_t light; /* samples in a row */
};

/* An equal part in thousandths of a CPU; less than a quarter of the host in use counts as a
 * quarter. */
uint32_t precedence_part(uint32_t used_milli, uint32_t host_milli, uint32_t awake);
/* used_milli: over the last sample; part_milli: an equal part; 1000 = one CPU. True if `behind`
 * changed. */
bool precedence_step(struct precedence *p, uint32_t used_milli, uint32_t part_milli);
/* The instance was frozen for so long: samples without use. True if `behind` changed. */
bool precedence_rest(struct precedence *p, uint64_t frozen_ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much CPU time a program of ebb spends for one source of work: an instance that talks or logs.
 *
 * Two allowances. The first is of a long time: a share of a CPU, and a rest for bursts. The second
 * bounds a burst: a quarter of a CPU, in turns of a millisecond. Programs of ebb have more weight
 * than all instances, so without turns a burst of half a second would take a CPU from everybody
 * else's requests for as long (docs/notes/0126-turns-of-work.md). Pure.
 */
#ifndef EBB_BASE_PACE_H
#define EBB_BASE_PACE_H

#include "runtime/base/allowance.h"

#define PACE_TURN_PER_S UINT64_C(250000000) /* ns of CPU */
#define PACE_TURN_NS    UINT64_C(1000000)

struct pace {
	struct allowance work, turn;
};

/* A full allowance of per_s ns of CPU in a second, and most ns in a burst. */
static inline struct pace pace_of(uint64_t per_s, uint64_t most)
{
	return (struct pace){.work = {.per_s = per_s, .most = most},
			     .turn = {.per_s = PACE_TURN_PER_S, .most = PACE_TURN_NS}};
}

/* Charges this CPU time. Returns 0, or for how many ns the source is not heard. */
static inline uint64_t pace_worked(struct pace *p, uint64_t work_ns, uint64_t now_ns)
{
	uint64_t rest_ns = 0, turn_ns = 0;

	if (!allowance_take(&p->work, work_ns, now_ns))
		rest_ns = allowance_wait_ns(&p->work);
	if (!allowance_take(&p->turn, work_ns, now_ns))
		turn_ns = allowance_wait_ns(&p->turn);
	return rest_ns > turn_ns ? rest_ns : turn_ns;
}

/* Whether the source has used up its share: more than the turn of a burst. */
static inline bool pace_is_overdrawn(const struct pace *p)
{
	return p->work.left < 0;
}

#endif

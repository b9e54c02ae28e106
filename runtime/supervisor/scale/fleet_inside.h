/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the fleet, for the files of this room; others have fleet.h. */
#ifndef EBB_SUPERVISOR_FLEET_INSIDE_H
#define EBB_SUPERVISOR_FLEET_INSIDE_H

#include "runtime/base/container_of.h"
#include "runtime/supervisor/instance/instance.h"
#include "runtime/supervisor/scale/fleet.h"

struct fleet {
	struct ground ground;
	struct fleet_options options;
	bool stopping;
	bool draining; /* it takes no new work (drain.c) */
	uint32_t host_cpu_milli;
	uint32_t awake, used_milli; /* instances that run, and what they use together */
	uint32_t heavy;             /* of those awake; standing.c */
	bool mixed;                 /* as observers know it */
	struct timer rescale;       /* look at every service again */
	struct timer pass;          /* the next part of that */
	uint32_t pass_left;         /* services still to look at, each twice; 0: no pass goes on */
	bool pass_again;            /* one was asked for meanwhile */
	struct watch pressure;      /* for memory, on the host; evict.c */
	struct watch arrivals;      /* from the network, for instances; wakes.c */
};

static inline struct fleet *fleet_of(const struct instance *i)
{
	return container_of(i->ground, struct fleet, ground);
}

/* The instance in this range, or NULL; wires.c. */
struct instance *fleet_of_range(struct fleet *f, uint32_t range);

#endif

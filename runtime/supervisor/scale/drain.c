// SPDX-License-Identifier: Apache-2.0
/* `ebb drain`, `ebb undrain`: the host takes no new work, or does again. */
#include "runtime/supervisor/instance/deed.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/scale.h"

/* Drains one instance; frees it if it had no sandbox yet. */
static void drain_one(struct instance *i, uint64_t deadline_ns)
{
	bool waits = instance_is_up(i) || i->state == INSTANCE_DRAINING;

	stop_drain(i);
	if (!waits || deadline_ns == 0 || i->unresponsive)
		return;
	i->deadline_ns = deadline_ns; /* its own timer ends it then */
	deed_write(i);
}

/* The next ebbd is not to start anything before ebb-api says so again. */
static void set_draining(struct fleet *f, bool draining)
{
	f->draining = draining;
	atomic_store(&estate_words(f->ground.estate)->draining, draining);
}

void fleet_take_no_work(struct fleet *f, uint64_t deadline_ns)
{
	struct instance *i;

	set_draining(f, true);
	chain_each(i, &f->ground.instances, in_ground)
		drain_one(i, deadline_ns);
	if (f->ground.count == 0)
		tell_drained(&f->ground);
	/* Requests that wait for an instance hear that none comes. */
	scale_again_at(f, loop_now_ns(f->ground.loop));
}

bool fleet_take_work(struct fleet *f)
{
	bool drained = f->draining;

	set_draining(f, false);
	scale_again_at(f, loop_now_ns(f->ground.loop));
	return drained;
}

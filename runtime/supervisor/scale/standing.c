// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/scale/standing.h"

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/instance/deed.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/scale/fleet_inside.h"

#define BUSY_MILLI 500u /* beside a light neighbour a spinning task gets nearly a whole CPU */

/* Tells observers whether heavy instances are awake beside others. While such that use little come
 * and go, it is told only once that they are gone: at the next sample of the rest. */
static void mix(struct fleet *f, bool sampled)
{
	bool on = f->heavy > 0 && f->awake > f->heavy;

	must(f->heavy <= f->awake);
	if (on == f->mixed || (!on && f->heavy > 0 && !sampled))
		return;
	f->mixed = on;
	tell_mixed(&f->ground, on);
}

static void count(struct instance *i, bool awake)
{
	struct fleet *f = fleet_of(i);
	struct load *l = &i->load;
	bool heavy = awake && (l->precedence.behind || l->busy);

	f->awake += (uint32_t)awake - l->counted;
	l->counted = awake;
	f->heavy += (uint32_t)heavy - l->counted_heavy;
	l->counted_heavy = heavy;
	mix(f, false);
}

/* Where it stands among the others that want a CPU; without cpu.idle all stand side by side. */
static void stand(struct instance *i)
{
	bool behind = i->load.precedence.behind;

	/* The row of the next ebbd says "behind" too early or too long, because samples mend that
	 * alone. */
	if (behind)
		deed_write(i);
	(void)cgroup_go_behind(i->ground->tree, &i->cgroup, behind);
	if (!behind)
		deed_write(i);
	count(i, i->load.counted);
}

static void use(struct instance *i, uint32_t milli)
{
	fleet_of(i)->used_milli += milli - i->load.used_milli;
	i->load.used_milli = milli;
}

static void be_busy(struct instance *i, bool busy)
{
	if (i->load.busy == busy)
		return;
	i->load.busy = busy;
	count(i, i->load.counted);
}

void standing_begin(struct instance *i)
{
	struct load *l = &i->load;

	count(i, true);
	if (l->ended_ns &&
	    precedence_rest(&l->precedence, (clock_mono_ns() - l->ended_ns) / NS_PER_MS))
		stand(i);
}

void standing_glance(struct instance *i, uint32_t used_milli)
{
	be_busy(i, used_milli >= BUSY_MILLI);
}

void standing_step(struct instance *i, uint32_t used_milli)
{
	struct fleet *f = fleet_of(i);

	use(i, used_milli);
	if (precedence_step(&i->load.precedence, used_milli,
			    precedence_part(f->used_milli, f->host_cpu_milli, f->awake)))
		stand(i);
	be_busy(i, false);
	mix(f, true);
}

void standing_end(struct instance *i)
{
	i->load.busy = false;
	count(i, false);
	use(i, 0);
	i->load.ended_ns = clock_mono_ns();
}

// SPDX-License-Identifier: Apache-2.0
/* The fates of the wires of instances, as ebb-net tells them. */
#include "runtime/supervisor/scale/wires.h"

#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/start.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/instance/wire.h"
#include "runtime/supervisor/scale/fleet_inside.h"

/* Events of one service. */
#define REFUSALS_PER_S 1
#define REFUSALS_MOST  20

void fleet_attach_network(struct fleet *f, const struct network *network)
{
	f->ground.network = *network;
}

void fleet_wired(struct fleet *f, uint32_t range, int err, const char *why)
{
	armory_wired(f->ground.armory, range, err, why);
}

static bool waits(const struct instance *i)
{
	return i->state == INSTANCE_WAITING && i->wire_asked;
}

static void go_on(struct instance *i, int err, const char *why)
{
	if (err < 0)
		(void)text_format(i->fault, sizeof(i->fault), "network: %s", why);
	start_go_on(i, err);
}

void fleet_assigned(struct fleet *f, uint32_t slot, uint32_t generation, int err, const char *why)
{
	struct instance *i = slot < INSTANCES_MAX ? f->ground.slots[slot] : NULL;

	if (i && i->generation == generation && waits(i))
		go_on(i, err, why);
}

void fleet_unwirable(struct fleet *f, const char *why)
{
	struct instance *i;

	armory_unwirable(f->ground.armory, why);
	chain_each(i, &f->ground.instances, in_ground) {
		if (waits(i))
			go_on(i, -EHOSTDOWN, why);
	}
}

static const struct instance *wired(struct fleet *f, uint32_t range, uint32_t generation)
{
	const struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		if (i->wire_asked && i->armed.range == range && i->generation == generation)
			return i;
	}
	return NULL;
}

bool fleet_has_wired(struct fleet *f, uint32_t range, uint32_t generation)
{
	return wired(f, range, generation) != NULL;
}

bool fleet_names_port(struct fleet *f, uint32_t range, uint32_t generation, uint32_t port)
{
	const struct instance *i = wired(f, range, generation);
	const struct wire_egress *e = i ? &i->spec->put.egress : NULL;

	if (!e || e->mode != WIRE_EGRESS_LISTED)
		return false;
	for (uint32_t n = 0; n < e->name_count; n++)
		if (e->names[n].port == port)
			return true;
	return false;
}

void fleet_each_wired(struct fleet *f, void (*each)(void *self, const struct wire_net_assign *a),
		      void *self)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		if (i->wire_asked) {
			const struct wire_net_assign a = wire_assignment(i);

			each(self, &a);
		}
	}
}

struct instance *fleet_of_range(struct fleet *f, uint32_t range)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		if (i->armed.pid > 0 && i->armed.range == range && instance_has_wire(i))
			return i;
	return NULL;
}

/* Neither a service with many instances nor a hijacked ebb-net pushes the events of others out. */
void fleet_egress_refused(struct fleet *f, uint32_t range, const char *text)
{
	struct instance *i = fleet_of_range(f, range);
	struct service *service = i ? services_at(f->ground.services, i->service) : NULL;

	if (!i)
		return;
	i->egress_refused++;
	if (!service)
		return;
	service->refusals.per_s = REFUSALS_PER_S;
	service->refusals.most = REFUSALS_MOST;
	if (allowance_left(&service->refusals, clock_mono_ns()) < 1)
		return;
	(void)allowance_take(&service->refusals, 1, clock_mono_ns());
	instance_say(i, WIRE_EVENT_EGRESS_REFUSED, "%s", text);
}

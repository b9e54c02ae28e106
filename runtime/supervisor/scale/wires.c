// SPDX-License-Identifier: Apache-2.0
/* The fates of the wires of instances, as ebb-net tells them. */
#include "runtime/supervisor/scale/wires.h"

#include <errno.h>

#include "runtime/base/text.h"
#include "runtime/supervisor/instance/start.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/scale/fleet_inside.h"

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

void fleet_egress_refused(struct fleet *f, uint32_t range, const char *text)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		if (i->armed.pid > 0 && i->armed.range == range && instance_has_wire(i)) {
			instance_say(i, WIRE_EVENT_EGRESS_REFUSED, "%s", text);
			return;
		}
	}
}

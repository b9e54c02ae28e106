// SPDX-License-Identifier: Apache-2.0
/* The wishes of other programs to the fleet (needs, doubts, questions), and changes of services. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/netns.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/freeze/freezer.h"
#include "runtime/supervisor/instance/accept.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/start.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/instance/wire.h"
#include "runtime/supervisor/scale/choice.h"
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/scale.h"

#define QUEUED_MOST (1u << 20)
#define DEAF_NS     NS_PER_SEC

void fleet_need(struct fleet *f, uint32_t index, uint32_t gateway, uint32_t queued, uint32_t ups)
{
	struct service *service = services_at(f->ground.services, index);

	if (!service || gateway >= GATEWAYS_MAX)
		return;
	/* A gateway that had not heard of the last instance asks again if that has no room. */
	if (queued > QUEUED_MOST) /* more than a gateway can hold; and sums must not wrap */
		queued = QUEUED_MOST;
	_Static_assert((uint64_t)QUEUED_MOST * GATEWAYS_MAX < UINT32_MAX, "a sum of them fits");
	service->demand.queued[gateway] = ups == service->demand.ups ? queued : 0;
	scale_service(f, service);
}

void fleet_refused(struct fleet *f, uint32_t index, const uint32_t counts[REFUSED_KINDS])
{
	struct service *service = services_at(f->ground.services, index);

	if (service)
		scale_refused(f, service, counts);
}

int fleet_chosen(struct fleet *f, const struct wire_choice *choice)
{
	struct service *service = services_at(f->ground.services, choice->service);
	int r = choice_made(f, choice);
	uint64_t again_ns = r == 0 && service ? choice_say_due(f, service) : 0;

	if (again_ns)
		scale_again_at(f, again_ns);
	return r;
}

void fleet_say(struct fleet *f, uint32_t index, uint32_t event_kind, const char *text)
{
	struct service *service = services_at(f->ground.services, index);

	if (service)
		service_say(&f->ground, service, event_kind, "%s", text);
}

static bool has_up(const struct fleet *f, uint32_t service)
{
	const struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		if (i->service == service && instance_is_up(i))
			return true;
	return false;
}

/* Instances of the old revision serve until one of the new accepts (follow.c drains them then): a
 * revision that cannot start takes nothing down. */
void fleet_service_changed(struct fleet *f, struct service *service)
{
	fleet_drain(f, service->index, service->spec, false);
	if (has_up(f, service->index))
		(void)instance_new(&f->ground, service, service->spec, false,
				   "a new revision takes over");
	scale_service(f, service);
	scale_again_at(f, loop_now_ns(f->ground.loop)); /* and one ahead of need */
}

void fleet_service_promoted(struct fleet *f, struct service *service, struct service *before)
{
	fleet_drain(f, before->index, NULL, true);
	scale_service(f, service);
}

void fleet_prove(struct fleet *f, struct service *service)
{
	service->demand.proving = true;
	scale_service(f, service);
}

void fleet_service_gone(struct fleet *f, struct service *service)
{
	fleet_drain(f, service->index, NULL, true);
}

void fleet_doorbell(struct fleet *f)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		freezer_look(i);
}

void fleet_clock_jumped(struct fleet *f)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		freezer_clock_jumped(i);
}

void fleet_gateway_gone(struct fleet *f, uint32_t gateway)
{
	must(gateway < GATEWAYS_MAX);
	for (uint32_t index = 0; index < SERVICES_MAX; index++) {
		struct service *service = services_at(f->options.services, index);

		if (service)
			service->demand.queued[gateway] = 0;
	}
}

void fleet_touch(struct fleet *f, uint32_t slot)
{
	struct instance *i = slot < INSTANCES_MAX ? f->ground.slots[slot] : NULL;
	uint64_t now_ns = clock_mono_ns();

	if (!i)
		return;
	board_awake_clamp(f->ground.board, slot, i->read_awake_ns,
			  i->read_awake_ns + (now_ns - i->read_at_ns));
	if (i->cgroup.dir_fd >= 0 &&
	    board_state_of(board_load(f->ground.board, slot)) != BOARD_FROZEN)
		(void)cgroup_thaw(&i->cgroup);
	freezer_look(i);
}

/* Whether nobody has listened for a while. A death closes the sockets of an instance a moment
 * before ebbd hears of it, and is told by its own name. */
static bool is_deaf(struct instance *i)
{
	uint64_t now_ns = clock_mono_ns();

	if (!instance_is_up(i) || !accept_has_ended(i)) {
		i->deaf_ns = 0;
		return false;
	}
	if (!i->deaf_ns)
		i->deaf_ns = now_ns;
	return now_ns - i->deaf_ns >= DEAF_NS;
}

void fleet_suspect(struct fleet *f, uint32_t slot, uint32_t generation, int error)
{
	struct instance *i = instance_find(&f->ground, slot, generation);

	if (i && error == ETIMEDOUT && stop_unresponsive(i))
		scale_replace(i, "replaces one that ignored maxDuration");
	/* It lives, yet nobody listens: no request can reach it. The kernel is asked, because a
	 * gateway's word alone ends nothing. */
	if (i && error == -ECONNREFUSED && is_deaf(i)) {
		instance_say(
			i, WIRE_EVENT_INSTANCE_UNRESPONSIVE,
			"nobody listens on its port any more: it takes no more requests and is "
			"replaced");
		stop_drain(i);
	}
}

/* A gateway rings the doorbell only when its first answer is out. freezer_look sees the thaw before
 * that, too. */
void fleet_flush(struct instance *i)
{
	freezer_look(i);
	meter_read(i, METER_AT_FLUSH);
}

void fleet_info(struct instance *i, bool counted, struct wire_instance_info *out)
{
	freezer_look(i);
	instance_info_record(i, counted, out);
}

int fleet_sockets_of(struct fleet *f, const char *id)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		if (strcmp(i->id, id) == 0 && instance_is_shown(i))
			return wire_sockets(i);
	return -ENOENT;
}

int fleet_sockets(struct fleet *f, uint32_t slot, uint32_t generation, uint32_t count, int *fds,
		  struct instance **out)
{
	struct instance *i = instance_find(&f->ground, slot, generation);
	int r;

	/* This works while the instance drains, too, as fleet_queue says. */
	if (!i || !i->was_ready || i->armed.net_ns_fd < 0)
		return -ESRCH;
	r = netns_sockets(i->armed.net_ns_fd, f->ground.home_ns_fd,
			  instance_inherits(i) ? AF_UNIX : AF_INET, fds, count);
	if (r == 0)
		*out = i;
	return r;
}

int fleet_queue(struct fleet *f, uint32_t slot, uint32_t generation, uint32_t waited_ms,
		struct wire_queue *out, uint32_t *drop_ms)
{
	struct instance *i = instance_find(&f->ground, slot, generation);

	/* This works while the instance drains, too: a gateway with a ticket there may still
	 * connect. */
	return i && i->was_ready ? accept_ask(i, waited_ms, out, drop_ms) : -ESRCH;
}

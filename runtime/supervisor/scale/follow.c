// SPDX-License-Identifier: Apache-2.0
/*
 * The work that follows when an instance enters a state. A mover (a probe, the freezer, a death)
 * does not know the parts that its move concerns: they stand here, once, in their order.
 */
#include "runtime/supervisor/scale/follow.h"

#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/decide/policy.h"
#include "runtime/supervisor/freeze/freezer.h"
#include "runtime/supervisor/instance/accept.h"
#include "runtime/supervisor/instance/deed.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/probe.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/scale/evict.h"
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/load.h"
#include "runtime/supervisor/scale/scale.h"

#define KILLED_MOST 3u /* starts in a row */

static struct service *service_of(const struct instance *i)
{
	return services_at(i->ground->services, i->service);
}

static void note_deed(struct instance *i, enum instance_state from)
{
	deed_write(i);
}

static void end_probe(struct instance *i, enum instance_state from)
{
	probe_end(i);
}

/* ---- it runs ---- */

/* An instance of the present revision: starts succeed again, and older ones are needed no more. */
static void prove(struct instance *i, struct service *service)
{
	service->demand.failures = service->demand.killed = 0;
	services_accepted(i->ground->services, service);
	fleet_drain(fleet_of(i), i->service, i->spec, true);
}

static void note_ready(struct instance *i, enum instance_state from)
{
	struct service *service = service_of(i);

	if (from != INSTANCE_STARTING)
		return;
	i->was_ready = true;
	if (!service)
		return;
	/* Gateways send the requests that waited; a gateway that still needs more says so again. */
	if (service->spec == i->spec || service->proven == i->spec)
		memset(service->demand.queued, 0, sizeof(service->demand.queued));
	if (service->spec == i->spec)
		prove(i, service);
	service->demand.ups++;
	services_note(i->ground->services, service);
}

static void tell_ready(struct instance *i, enum instance_state from)
{
	if (from != INSTANCE_STARTING)
		return;
	accept_begin(i);
	(void)board_move(i->ground->board, i->slot, 1u << BOARD_STARTING, BOARD_RUNNING);
	tell_up(i); /* first: somebody waits for it */
	tell_announce(i);
}

static void meter_running(struct instance *i, enum instance_state from)
{
	if (from == INSTANCE_STARTING)
		meter_ready(i);
	else if (from == INSTANCE_FROZEN)
		meter_begin(i);
}

static void consider_freezing(struct instance *i, enum instance_state from)
{
	freezer_begin(i);
}

/* A freeze that was asked for and undone interrupts no measuring. */
static void measure_load(struct instance *i, enum instance_state from)
{
	if (from != INSTANCE_FREEZING)
		load_begin(i);
}

/* ---- it is frozen ---- */

static void rest_load(struct instance *i, enum instance_state from)
{
	load_end(i);
}

static void meter_frozen(struct instance *i, enum instance_state from)
{
	meter_end(i);
	meter_read(i, METER_AT_FREEZE);
}

static void note_memory(struct instance *i, enum instance_state from)
{
	evict_note(i);
}

/* ---- it ends ---- */

static void tell_draining(struct instance *i, enum instance_state from)
{
	tell_drain(i, false);
}

static void let_go(struct instance *i, enum instance_state from)
{
	stop_let_go(i);
}

static void tell_death(struct instance *i, enum instance_state from)
{
	if (i->log_fd >= 0 && !i->ahead)
		tell_announce(i); /* its output says why */
	if (!i->ahead)
		instance_say(i,
			     i->stop_wanted ? WIRE_EVENT_INSTANCE_STOPPED
					    : WIRE_EVENT_INSTANCE_FAILED,
			     "%s", i->fault[0] ? i->fault : wire_down_cause_name(i->cause));
	tell_down(i);
}

/* An instance was killed while it was prepared, or a moment later: the start that waits for it gets
 * another one. A program that kills itself is started KILLED_MOST times more at most. */
static bool starts_again(struct fleet *f, const struct instance *i, struct service *service)
{
	if (!service || service->spec != i->spec || !stop_was_killed(i) ||
	    service->demand.killed == KILLED_MOST)
		return false;
	service->demand.killed++;
	scale_again_at(f, loop_now_ns(f->ground.loop));
	return true;
}

/* It never accepted, although somebody may wait for it. */
static void note_failed_start(struct instance *i, enum instance_state from)
{
	struct fleet *f = fleet_of(i);
	struct service *service = service_of(i);
	struct wire_start_failed record = {
		.service = i->service, .cause = i->cause, .detail = i->detail};

	if (i->ahead && i->cause == WIRE_DOWN_FAILED_TO_START && service)
		service->demand.unpreparable = true; /* the first request will say why */
	if (i->was_ready || i->stop_wanted || i->ahead || starts_again(f, i, service))
		return;
	(void)text_copy(record.text, sizeof(record.text), i->fault);
	if (service && service->proven == i->spec)
		services_forget_proven(f->options.services, service);
	if (!service || service->spec != i->spec)
		return;
	service->demand.failures++;
	service->demand.proving = false; /* that it cannot start is known now */
	service->demand.not_before_ns =
		loop_now_ns(f->ground.loop) + policy_backoff_ns(service->demand.failures);
	(void)text_copy(service->demand.last_failure, sizeof(service->demand.last_failure),
			i->fault);
	if (scale_fall_back(f, service))
		return;
	memset(service->demand.queued, 0, sizeof(service->demand.queued));
	tell_start_failed(&f->ground, &record);
}

static void forget(struct instance *i, enum instance_state from)
{
	fleet_forget(i);
}

const struct followers fleet_followers = {
	.on_enter =
		{
			[INSTANCE_STARTING] = {note_deed},
			[INSTANCE_RUNNING] = {end_probe, note_ready, tell_ready, meter_running,
					      consider_freezing, measure_load, note_deed},
			[INSTANCE_FROZEN] = {rest_load, meter_frozen, note_memory},
			[INSTANCE_DRAINING] = {note_deed, tell_draining},
			[INSTANCE_STOPPING] = {note_deed, end_probe},
			[INSTANCE_DYING] = {note_deed, let_go, end_probe, tell_death,
					    note_failed_start},
			[INSTANCE_GONE] = {forget},
		},
};

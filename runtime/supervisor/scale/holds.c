// SPDX-License-Identifier: Apache-2.0
/*
 * The wishes of ebb-ipc in the fleet: holds that are lost with it, and instances that ask to be
 * replaced.
 */
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/scale.h"

/* After ebb-ipc died: time for it to start again (50 ms and more) and for programs to connect and
 * repeat their holds. Until then no instance that had a hold is frozen or told to end. */
#define REPEAT_NS (5 * NS_PER_SEC)

/* A program whose instances ask this soon, again and again, to be replaced does not work. Starting
 * more of them without a pause would only heat the host. */
#define SOON_NS     (5 * NS_PER_SEC)
#define SOON_FREE   3
#define SOON_GAP_NS (1 * NS_PER_SEC)

void fleet_holds_lost(struct fleet *f)
{
	uint64_t until_ns = clock_mono_ns() + REPEAT_NS;
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		if (board_holds(board_load(f->ground.board, i->slot)) > 0)
			i->repeat_until_ns = until_ns;
	board_return_holds(f->ground.board);
	chain_each(i, &f->ground.instances, in_ground)
		fleet_touch(f, i->slot);
}

static void note_soon(struct fleet *f, struct instance *i)
{
	struct service *service = services_at(f->ground.services, i->service);
	uint64_t now_ns = clock_mono_ns();

	if (!service)
		return;
	if (now_ns - i->ready_ns > SOON_NS)
		service->demand.retired_soon = 0;
	else if (++service->demand.retired_soon > SOON_FREE)
		service->demand.not_before_ns = now_ns + SOON_GAP_NS;
	(void)text_copy(service->demand.last_failure, sizeof(service->demand.last_failure),
			i->fault);
}

void fleet_retire(struct fleet *f, uint32_t slot, uint32_t generation, bool failed,
		  const char *text)
{
	struct instance *i = instance_find(&f->ground, slot, generation);
	struct service *service;

	if (!i || i->stop_wanted || !instance_may_talk(i))
		return;
	(void)text_format(
		i->fault, sizeof(i->fault), "%s: %.400s",
		failed ? "the runtime says that it cannot go on" : "it asked to be replaced", text);
	if (i->state == INSTANCE_STARTING) {
		stop_kill(i, WIRE_DOWN_FAILED_TO_START, NULL);
		return;
	}
	instance_say(i, WIRE_EVENT_INSTANCE_RETIRED, "%s", i->fault);
	note_soon(f, i);
	stop_drain(i);
	service = services_at(f->ground.services, i->service);
	if (service)
		scale_service(f, service);
}

// SPDX-License-Identifier: Apache-2.0
/* Instances as others hear of them: the records for gateways and for the API. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/accept.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/why.h"
#include "runtime/supervisor/instance/wire.h"

int instance_freeze_fd(const struct instance *i)
{
	return i->cgroup.freeze_fd;
}

int instance_log_fd(const struct instance *i)
{
	return i->log_fd;
}

int instance_ipc_fd(const struct instance *i)
{
	return i->armed.ipc_fd;
}

void instance_up_record(const struct instance *i, struct wire_instance_up *out)
{
	*out = (struct wire_instance_up){
		.slot = i->slot,
		.generation = i->generation,
		.service = i->service,
		.revision = i->spec->put.revision,
		.address = WIRE_ADDRESS_TCP,
		.backlog = accept_room(i),
		.port = i->spec->put.exec.port,
		.upstream = (uint16_t)i->spec->put.upstream,
	};
	(void)text_copy(out->id, sizeof(out->id), i->id);
	if (!instance_inherits(i))
		return;
	out->address = WIRE_ADDRESS_UNIX;
	out->port = 0;
	(void)text_copy(out->unix_name, sizeof(out->unix_name), UNIX_NAME);
}

void instance_down_record(const struct instance *i, struct wire_instance_down *out)
{
	*out = (struct wire_instance_down){.slot = i->slot,
					   .generation = i->generation,
					   .cause = i->cause,
					   .detail = i->detail};
}

uint32_t instance_bindings_record(const struct instance *i, uint32_t kind,
				  struct wire_bindings *out, int fds[BINDINGS_MAX])
{
	const struct wire_service_put *put = &i->spec->put;

	*out = (struct wire_bindings){.slot = i->slot, .generation = i->generation};
	(void)text_copy(out->id, sizeof(out->id), i->id);
	(void)text_copy(out->service, sizeof(out->service), put->name);
	for (uint32_t n = 0; n < put->binding_count; n++) {
		if (put->bindings[n].kind != kind || i->binding_fds[n] < 0)
			continue;
		must(out->count < BINDINGS_MAX);
		fds[out->count] = i->binding_fds[n];
		out->list[out->count++] = put->bindings[n];
	}
	return out->count;
}

void instance_ipc_record(const struct instance *i, struct wire_ipc_up *out)
{
	*out = (struct wire_ipc_up){.slot = i->slot,
				    .generation = i->generation,
				    .service = i->service,
				    .max_duration_ms = i->spec->put.max_duration_ms};
	(void)text_copy(out->id, sizeof(out->id), i->id);
}

void instance_log_record(const struct instance *i, struct wire_log_pipe *out)
{
	*out = (struct wire_log_pipe){0};
	(void)text_copy(out->id, sizeof(out->id), i->id);
	(void)text_copy(out->service, sizeof(out->service), i->spec->put.name);
}

static const uint32_t shown_states[INSTANCE_STATE_COUNT] = {
	[INSTANCE_WAITING] = WIRE_INSTANCE_STARTING,  [INSTANCE_STARTING] = WIRE_INSTANCE_STARTING,
	[INSTANCE_RUNNING] = WIRE_INSTANCE_RUNNING,   [INSTANCE_FREEZING] = WIRE_INSTANCE_RUNNING,
	[INSTANCE_FROZEN] = WIRE_INSTANCE_FROZEN,     [INSTANCE_DRAINING] = WIRE_INSTANCE_DRAINING,
	[INSTANCE_STOPPING] = WIRE_INSTANCE_DRAINING, [INSTANCE_DYING] = WIRE_INSTANCE_DRAINING,
};

static void take_tally(struct board_tally *t, struct wire_instance_info *out)
{
	out->ipc_messages = atomic_load(&t->messages);
	out->ipc_refused = atomic_load(&t->refused);
	out->holds_cut = atomic_load(&t->cut);
	out->log_lines_lost = atomic_load(&t->lost);
	out->ipc_work_us = atomic_load(&t->work_ns) / 1000;
	out->ipc_paused = atomic_load(&t->paused);
}

/* They hold no ticket, and it is not plain from outside that they are there. */
static void add_sleeping(const struct instance *i, char *out, size_t size)
{
	uint32_t count = board_sleeping(i->ground->board, i->slot);
	size_t used = strlen(out);

	if (count > 0)
		snprintf(out + used, size - used, "; %u sleeping WebSocket%s", count,
			 count == 1 ? "" : "s");
}

void instance_info_record(struct instance *i, bool counted, struct wire_instance_info *out)
{
	struct board *board = i->ground->board;
	board_word w;

	w = board_load(board, i->slot);
	meter_take(i);
	*out = (struct wire_instance_info){
		.state = shown_states[i->state],
		.slot = i->slot,
		.generation = i->generation,
		.revision = i->spec->put.revision,
		.tickets = board_tickets(w),
		.holds = board_holds(w),
		.pid = i->armed.pid,
		.cpu_us = i->last.cpu_us,
		.awake_us = i->last.awake_us,
		.frozen_us = i->last.frozen_us,
		.invocations = i->last.invocations,
		.freezes = i->freezes,
		.thaws = atomic_load(&board_slot(board, i->slot)->thaws),
		.started_us = i->started_us,
		.look_us = i->idle.spent_ns / NS_PER_US,
		.background_us = i->background_ns / NS_PER_US,
		.egress_refused = i->egress_refused,
		.net_out_bytes = i->last.net_out_bytes,
		.net_in_bytes = i->last.net_in_bytes,
		.net_connections = i->last.net_connections,
		.wakes = i->idle.wakes,
		.wakes_late = i->idle.wakes_late,
		.wake_us = i->last.wake_us,
	};
	take_tally(board_tally(board, i->slot), out);
	wire_show(i, counted, out);
	if (i->cgroup.dir_fd >= 0)
		(void)cgroup_memory_bytes(i->ground->tree, &i->cgroup, &out->memory_bytes);
	(void)text_copy(out->id, sizeof(out->id), i->id);
	(void)text_copy(out->service, sizeof(out->service), i->spec->put.name);
	instance_explain(i, w, out->why, sizeof(out->why));
	add_sleeping(i, out->why, sizeof(out->why));
}

// SPDX-License-Identifier: Apache-2.0
/* Commands of operators: `ebb freeze`, `ebb thaw`, `ebb stop`. */
#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/freeze/freezer.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/scale/fleet_inside.h"

static int command_freeze(struct instance *i)
{
	if (i->state == INSTANCE_FROZEN)
		return 0;
	i->idle.by_hand = true;
	return i->state == INSTANCE_RUNNING && freezer_ask(i) == 0 ? 0 : -EAGAIN;
}

static int command_thaw(struct instance *i)
{
	if (i->state == INSTANCE_FROZEN || i->state == INSTANCE_FREEZING)
		freezer_thaw(i);
	return instance_is_up(i) ? 0 : -EAGAIN;
}

static int command_stop(struct instance *i)
{
	stop_drain(i);
	return 0;
}

static int (*const commands[])(struct instance *i) = {
	[WIRE_COMMAND_FREEZE] = command_freeze,
	[WIRE_COMMAND_THAW] = command_thaw,
	[WIRE_COMMAND_STOP] = command_stop,
};

int fleet_command(struct fleet *f, const char *id, uint32_t command, char *text, size_t text_size)
{
	struct instance *i;
	int r;

	chain_each(i, &f->ground.instances, in_ground) {
		if (strcmp(i->id, id) != 0)
			continue;
		r = command < ARRAY_LEN(commands) ? commands[command](i) : -EINVAL;
		if (r < 0)
			(void)text_format(text, text_size,
					  "instance '%s': %s; `ebb why %s` says what it is doing",
					  id,
					  r == -EAGAIN ? "it has work open or is not ready"
						       : "no such command",
					  id);
		return r;
	}
	(void)text_format(text, text_size, "there is no instance '%s'; see `ebb ps`", id);
	return -ENOENT;
}

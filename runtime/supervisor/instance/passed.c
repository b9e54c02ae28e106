// SPDX-License-Identifier: Apache-2.0
/* The end of a probe: the instance accepts, or nobody waits for that any more. */
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/probe.h"
#include "runtime/supervisor/instance/tell.h"

void probe_end(struct instance *i)
{
	loop_unwatch(i->ground->loop, &i->probe);
	i->probe.fd = -1;
	fd_close(&i->probe_fd);
}

void probe_passed(struct instance *i)
{
	uint64_t now_ns = loop_now_ns(i->ground->loop);
	uint64_t took_us = (now_ns - i->state_since_ns) / NS_PER_US;

	must(!i->was_ready);
	i->ready_ns = now_ns;
	if (instance_move(i, INSTANCE_READY) < 0)
		return;
	if (instance_inherits(i))
		instance_say(i, WIRE_EVENT_INSTANCE_READY,
			     "accepts on its inherited socket after %llu us",
			     (unsigned long long)took_us);
	else
		instance_say(i, WIRE_EVENT_INSTANCE_READY, "accepts on port %u after %llu us",
			     i->spec->put.exec.port, (unsigned long long)took_us);
}

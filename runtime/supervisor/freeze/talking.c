// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/freeze/talking.h"

#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/instance/waking.h"

#define TICK_MS 10 /* of the kernel's clock, at the slowest */

_Static_assert(BINDINGS_MAX <= TALKS_PORTS, "each binding has a place");

static bool can_talk(const struct instance *i)
{
	return instance_has_wire(i) || i->spec->put.binding_count > 0;
}

static void describe(const struct instance *i, struct talks_request *q)
{
	const struct wire_service_put *put = &i->spec->put;

	*q = (struct talks_request){.net_ns_fd = i->armed.net_ns_fd,
				    .home_ns_fd = i->ground->home_ns_fd,
				    .init_pid = i->armed.pid,
				    .wired = instance_has_wire(i),
				    .port_count = put->binding_count,
				    .settled = i->idle.settled,
				    .watch = i->ground->net_watch,
				    .answers_wake = waking_wanted(i)};
	must(put->binding_count <= BINDINGS_MAX);
	if (i->idle.by_wake)
		q->woken_ms =
			(uint32_t)((clock_mono_ns() - i->idle.since_ns) / NS_PER_MS) + TICK_MS;
	for (uint32_t n = 0; n < put->binding_count; n++)
		q->ports[n] = (uint16_t)put->bindings[n].port;
}

bool talking(struct instance *i)
{
	struct talks_request q;
	int r;

	i->idle.talks = (struct talks){.open = 0};
	if (!can_talk(i))
		return false;
	describe(i, &q);
	r = talks_look(&q, &i->idle.talks);
	must(r != -ENOTRECOVERABLE);
	return i->idle.talks.waiting > 0;
}

static bool has(const struct idleness *idle, const struct talk_key *key)
{
	for (uint32_t n = 0; n < TALKS_SETTLED; n++)
		if (idle->settled[n].cookie == key->cookie &&
		    idle->settled[n].received_bytes == key->received_bytes)
			return true;
	return false;
}

void talking_settle(struct instance *i)
{
	struct idleness *idle = &i->idle;

	for (uint32_t n = 0; n < idle->talks.waiting && n < TALKS_SHOWN; n++)
		if (!has(idle, &idle->talks.shown[n].key))
			idle->settled[idle->settled_next++ % TALKS_SETTLED] =
				idle->talks.shown[n].key;
}

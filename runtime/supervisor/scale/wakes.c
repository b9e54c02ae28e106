// SPDX-License-Identifier: Apache-2.0
/* Arrivals for frozen instances, as the kernel tells them (netns/watch.h). */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>

#include "cgroups/cgroup.h"
#include "netns/watch.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/freeze/freezer.h"
#include "runtime/supervisor/instance/waking.h"
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/wires.h"

/* The end of a connection wakes nobody if the connection is idle in a pool: nothing is owed on it,
 * and its peer never spoke by itself. */
static bool end_matters(const struct instance *i, uint16_t local_port)
{
	const struct idleness *idle = &i->idle;

	for (uint32_t n = 0; n < idle->talks.owed_count; n++)
		if (idle->talks.owed[n] == local_port)
			return true;
	for (uint32_t n = 0; n < SPEAKERS_MAX; n++)
		if (local_port > 0 && idle->speakers[n] == local_port)
			return true;
	return false;
}

static void note_speaker(struct instance *i, uint16_t local_port)
{
	struct idleness *idle = &i->idle;

	for (uint32_t n = 0; n < SPEAKERS_MAX; n++)
		if (idle->speakers[n] == local_port)
			return;
	idle->speakers[idle->speakers_next++ % SPEAKERS_MAX] = local_port;
}

static void on_event(void *self, const struct net_event *e)
{
	struct fleet *f = self;
	struct instance *i = fleet_of_range(f, e->range);
	struct talk t = {.protocol = e->protocol, .peer_port = ntohs(e->peer_port)};
	uint16_t local_port = ntohs(e->local_port);

	if (!i || (i->state != INSTANCE_FROZEN && i->state != INSTANCE_FREEZING))
		return; /* somebody thawed it meanwhile */
	memcpy(t.peer, e->peer, sizeof(t.peer));
	t.waits = e->kind == NET_ARRIVAL_DATA ? TALK_SPOKE : TALK_ENDED;
	if (e->kind == NET_ARRIVAL_DATA && e->protocol == IPPROTO_TCP)
		note_speaker(i, local_port);
	if (e->kind == NET_ARRIVAL_DATA || end_matters(i, local_port))
		freezer_wake(i, &t);
}

/* Behind a full ring. */
static void wake_all_told(struct fleet *f)
{
	const struct talk t = {.waits = TALK_SPOKE, .protocol = IPPROTO_TCP};
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		if (i->state == INSTANCE_FROZEN && waking_missed(i))
			freezer_wake(i, &t);
}

static void on_events(struct watch *w, uint32_t events)
{
	struct fleet *f = container_of(w, struct fleet, arrivals);

	(void)events;
	if (!net_watch_read(f->ground.net_watch, on_event, f))
		wake_all_told(f);
}

int fleet_watch_network(struct fleet *f, const uint8_t pool_v4[4], const uint8_t pool_v6[16],
			const char **step)
{
	int r = net_watch_open(cgroup_tree_fd(f->ground.tree), pool_v4, pool_v6,
			       &f->ground.net_watch, step);

	if (r < 0)
		return r;
	f->arrivals = (struct watch){.fd = net_watch_fd(f->ground.net_watch),
				     .on_ready = on_events,
				     .name = "fleet on_arrivals",
				     .first = true};
	*step = "hear the watch";
	return loop_watch(f->ground.loop, &f->arrivals, EPOLLIN);
}

void fleet_watch_network_end(struct fleet *f)
{
	if (!f->ground.net_watch)
		return;
	loop_unwatch(f->ground.loop, &f->arrivals);
	net_watch_close(f->ground.net_watch);
	f->ground.net_watch = NULL;
}

// SPDX-License-Identifier: Apache-2.0
/* The records that a gateway may send: a row for each. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/gateways_inside.h"

uint32_t gateways_ready(struct gateways *all)
{
	uint32_t ready = 0;

	for (uint32_t lane = 0; lane < all->lanes; lane++) {
		const struct daemon *d = &gateways_serving(all, lane)->daemon;

		ready += daemon_runs(d) && d->link.phase & PHASE_SERVING;
	}
	return ready;
}

void gateways_tell_ready(struct gateways *all)
{
	if (gateways_ready(all) < all->lanes || all->told_ready)
		return;
	all->told_ready = true;
	all->options.on_ready(all->options.self);
}

static int on_gateway_ready(void *self, struct wire_message *m)
{
	struct gateway *g = self;

	daemon_phase(&g->daemon, PHASE_SERVING | (g->daemon.link.phase & PHASE_RETIRING));
	if (!(g->daemon.link.phase & PHASE_RETIRING))
		gateways_took_over(g);
	gateways_tell_ready(g->all);
	return 0;
}

static int on_need_instance(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_need_instance *need = (const void *)m->record;
	const uint32_t refused[REFUSED_KINDS] = {[REFUSED_FULL] = need->refused_full,
						 [REFUSED_LATE] = need->refused_late,
						 [REFUSED_NACKED] = need->refused_nacked};

	fleet_need(g->all->fleet, need->service, g->index, need->queued, need->ups);
	fleet_refused(g->all->fleet, need->service, refused);
	return 0;
}

static int on_need_sockets(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_need_sockets *need = (const void *)m->record;
	struct wire_sockets sockets = {.slot = need->slot, .generation = need->generation};
	struct instance *i;
	int fds[WIRE_FDS_MAX], r;

	if (need->count == 0 || need->count > WIRE_FDS_MAX)
		return -EPROTO;
	r = fleet_sockets(g->all->fleet, need->slot, need->generation, need->count, fds, &i);
	must(r != -ENOTRECOVERABLE);
	if (r == -ESRCH)
		return 0; /* it is gone, and its INSTANCE_DOWN is on its way */
	sockets.count = r < 0 ? 0 : need->count; /* none: the gateway asks again in a moment */
	daemon_send(&g->daemon, WIRE_SOCKETS, &sockets, sizeof(sockets), fds, sockets.count);
	for (uint32_t n = 0; n < sockets.count; n++)
		fd_close(&fds[n]);
	return 0;
}

static int on_queue_get(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_queue_get *get = (const void *)m->record;
	struct wire_queue queue = {.slot = get->slot, .generation = get->generation};
	struct wire_pool_drop drop = {.slot = get->slot, .generation = get->generation};

	int r = fleet_queue(g->all->fleet, get->slot, get->generation, get->waited_ms, &queue,
			    &drop.for_ms);

	if (r == -ESRCH)
		return 0; /* it is gone, and its INSTANCE_DOWN is on its way */
	if (r < 0)
		queue.length = 1; /* and no share: the gateway asks again in a moment */
	if (drop.for_ms > 0)
		gateways_send_all(g->all, WIRE_POOL_DROP, &drop, sizeof(drop));
	daemon_send(&g->daemon, WIRE_QUEUE, &queue, sizeof(queue), NULL, 0);
	return 0;
}

static int on_suspect(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_instance_suspect *s = (const void *)m->record;

	fleet_suspect(g->all->fleet, s->slot, s->generation, s->error);
	return 0;
}

static bool blame_holds(const struct wire_blame *blame)
{
	if (blame->service >= SERVICES_MAX || blame->count > BLAME_KINDS_MAX)
		return false;
	for (uint32_t n = 0; n < blame->count; n++)
		if (!text_terminated(blame->labels[n], BLAME_LABEL_SIZE))
			return false;
	return true;
}

/* A gateway's text goes into an event: nothing but plain characters. */
static const char *plain(char label[BLAME_LABEL_SIZE])
{
	for (char *at = label; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return *label ? label : "(a request)";
}

static void ban(struct gateways *all, uint32_t service, struct blame_verdict *v)
{
	struct wire_ban record = {.kind = v->kind, .until_ns = v->until_ns, .service = service};

	if (v->until_ns > 0) {
		uint64_t left_s = (v->until_ns - loop_now_ns(all->options.host->loop)) / NS_PER_SEC;

		(void)text_format(record.text, sizeof(record.text),
				  "%s is refused for %llu s: the last %u instances it was in "
				  "flight on ended by themselves",
				  plain(v->label), (unsigned long long)left_s, v->deaths);
		fleet_say(all->fleet, service, WIRE_EVENT_REQUEST_BANNED, record.text);
	}
	gateways_send_all(all, WIRE_BAN, &record, sizeof(record));
}

static int on_blame(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	struct gateways *all = g->all;
	const struct wire_blame *blame = (const void *)m->record;
	struct blame_verdict verdicts[BLAME_KINDS_MAX];
	uint32_t count;

	if (!blame_holds(blame))
		return -EPROTO;
	count = blame_report(all->blame, blame, g->index, loop_now_ns(all->options.host->loop),
			     verdicts);
	for (uint32_t n = 0; n < count; n++)
		ban(all, blame->service, &verdicts[n]);
	return 0;
}

static int on_cleared(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_cleared *record = (const void *)m->record;

	blame_clear(g->all->blame, record->service, record->kind);
	return 0;
}

static int on_choice(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_choice *choice = (const void *)m->record;

	return fleet_chosen(g->all->fleet, choice);
}

const struct wire_rule gateway_rules[] = {
	{WIRE_GATEWAY_READY, 0, PHASE_STARTING, 0, 0, on_gateway_ready},
	{WIRE_NEED_INSTANCE, sizeof(struct wire_need_instance), PHASE_SERVING, 0, 0,
	 on_need_instance},
	{WIRE_NEED_SOCKETS, sizeof(struct wire_need_sockets), PHASE_SERVING, 0, 0, on_need_sockets},
	{WIRE_QUEUE_GET, sizeof(struct wire_queue_get), PHASE_SERVING, 0, 0, on_queue_get},
	{WIRE_INSTANCE_SUSPECT, sizeof(struct wire_instance_suspect), PHASE_SERVING, 0, 0,
	 on_suspect},
	{WIRE_BLAME, sizeof(struct wire_blame), PHASE_SERVING, 0, 0, on_blame},
	{WIRE_CLEARED, sizeof(struct wire_cleared), PHASE_SERVING, 0, 0, on_cleared},
	{WIRE_CHOICE, sizeof(struct wire_choice), PHASE_SERVING, 0, 0, on_choice},
};

const size_t gateway_rule_count = ARRAY_LEN(gateway_rules);

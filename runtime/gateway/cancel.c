// SPDX-License-Identifier: Apache-2.0
/*
 * A request that reached maxDuration: its client has its 504, and the instance is told by the end
 * of its input. The ticket stays with the connection until the instance closes its side, because
 * until then the work goes on. One that does not close within CANCEL_NS ignores it (or its event
 * loop is stuck): ebbd hears so and replaces it.
 */
#include <errno.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/proxy.h"

#define CANCEL_NS (2 * NS_PER_SEC)

void cancel_begin(struct proxy *p, struct client *c)
{
	struct upstream *u = client_upstream(p, c);
	struct exchange *x = &c->x;

	if (!u || !x->has_ticket || x->tunnel ||
	    (u->s.carried ? !h2up_cancel(p, u) : shutdown(u->s.fd, SHUT_WR) < 0))
		return; /* whoever ends the exchange closes it */
	splice_end(p, &x->up);
	splice_end(p, &x->down);
	request_drop(p, c);
	x->upstream = 0;
	x->has_ticket = false;
	u->client = 0;
	u->cancelling = u->has_ticket = true;
	u->service = x->service;
	u->idle_until_ns = proxy_now(p) + CANCEL_NS;
	timers_set(&p->timers, p->client_count + u->s.index, u->idle_until_ns);
	stream_consume(&p->io, &u->s, u->s.in.size);
	stream_recv(&p->io, &u->s);
}

void cancel_on_recv(struct proxy *p, struct upstream *u, enum stream_result r)
{
	if (r == STREAM_MORE) { /* what it still says is not wanted */
		stream_consume(&p->io, &u->s, u->s.in.size);
		stream_recv(&p->io, &u->s);
	} else if (r != STREAM_NOTHING) {
		upstream_close(p, u);
	}
}

void cancel_on_timer(struct proxy *p, struct upstream *u)
{
	struct instance *i = instances_get(&p->instances, u->slot, u->generation);

	if (u->idle_until_ns > proxy_now(p)) {
		timers_set(&p->timers, p->client_count + u->s.index, u->idle_until_ns);
		return;
	}
	p->count.cancels_ignored++;
	if (i)
		control_suspect(p, i, ETIMEDOUT);
	upstream_close(p, u);
}

void cancel_instance_down(struct proxy *p, uint32_t slot, uint32_t generation)
{
	for (uint32_t n = 0; n < p->upstream_count; n++) {
		struct upstream *u = &p->upstreams[n];

		if (u->has_ticket && u->slot == slot && u->generation == generation)
			upstream_close(p, u);
	}
}

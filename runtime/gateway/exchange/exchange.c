// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/exchange.h"

#include "runtime/gateway/exchange/dispatch.h"
#include "runtime/gateway/exchange/gateway.h"
#include "runtime/gateway/exchange/held.h"

void exchange_set_deadline(struct gateway *g, struct client *c, uint64_t when_ns)
{
	c->deadline_ns = when_ns;
	timers_set(&g->timers, c->s.index, when_ns);
}

void exchange_next(struct gateway *g, struct client *c)
{
	account_end(g, c);
	held_drop(g, c);
	g->user->next(g, c);
}

void exchange_close(struct gateway *g, struct client *c)
{
	if (c->state == CLIENT_CLOSING || c->state == CLIENT_FREE)
		return;
	c->x.aborted = !c->x.tunnel && (c->state != CLIENT_FINISHING || c->s.sending);
	account_end(g, c);
	dispatch_abandon(g, c);
	flow_fini(&g->io, &c->x.down);
	c->state = CLIENT_CLOSING;
	stream_close(&g->io, &c->s);
	g->user->closed(g, c);
}

void exchange_part(struct gateway *g, struct client *c, bool reusable)
{
	struct upstream *u = client_upstream(g, c);

	if (!u)
		return;
	c->x.upstream = 0;
	upstream_detach(&g->up, u, reusable);
}

void exchange_leave(struct gateway *g, struct client *c)
{
	struct upstream *u = client_upstream(g, c);
	struct exchange *x = &c->x;

	if (!u || !x->has_ticket || x->tunnel || !upstream_leave(&g->up, u, x->service))
		return; /* it is closed with the exchange */
	splice_end(&g->pipes, &x->up);
	splice_end(&g->pipes, &x->down);
	held_drop(g, c);
	x->upstream = 0;
	x->has_ticket = false;
}

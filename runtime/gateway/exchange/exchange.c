// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/exchange.h"

#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/dispatch.h"
#include "runtime/gateway/exchange/gateway.h"
#include "runtime/gateway/exchange/held.h"

static const struct {
	const char *name;
	bool ticket, upstream;
} states[] = {
#define X(name_, ticket_, upstream_) \
	[CLIENT_##name_] = {.name = #name_, .ticket = (ticket_), .upstream = (upstream_)},
	CLIENT_STATES(X)
#undef X
};

const char *client_state_name(enum client_state state)
{
	must(state < CLIENT_STATE_COUNT);
	return states[state].name;
}

void exchange_check(const struct gateway *g, const struct client *c)
{
	bool ticket = states[c->state].ticket, upstream = states[c->state].upstream;

	must(c->state != CLIENT_READY); /* that is between two steps of one event */
	must((c->x.upstream != 0) == upstream);
	if (ticket) /* that of an instance that has ended is of no use: it was given back */
		ticket = instances_get(&g->instances, c->x.slot, c->x.generation);
	must(c->x.has_ticket == ticket);
}

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
	c->x.aborted = !client_is_tunnel(c) && (c->state != CLIENT_FINISHING || c->s.sending);
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

	if (!u || !x->has_ticket || client_is_tunnel(c) || !upstream_leave(&g->up, u, x->service))
		return; /* it is closed with the exchange */
	splice_end(&g->pipes, &x->up);
	splice_end(&g->pipes, &x->down);
	held_drop(g, c);
	x->upstream = 0;
	x->has_ticket = false;
}

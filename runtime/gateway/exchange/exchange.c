// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/exchange.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/gateway.h"

static const char *const state_names[] = {
#define X(name, ticket, upstream, exchange) [CLIENT_##name] = #name,
	CLIENT_STATES(X)
#undef X
};

void client_enter(struct client *c, enum client_state state)
{
	must(state < CLIENT_STATE_COUNT);
	c->state = state;
}

const char *client_state_name(enum client_state state)
{
	must(state < CLIENT_STATE_COUNT);
	return state_names[state];
}

const char *exchange_start_name(const struct exchange *x)
{
	static const char *const names[] = {
		[START_WARM] = "warm", [START_THAW] = "thaw", [START_COLD] = "cold"};

	must(x->start < ARRAY_LEN(names));
	return names[x->start];
}

enum verdict exchange_fail(struct gateway *g, const struct client *c, enum edge_error e,
			   uint32_t retry_after_s, const char *fmt, ...)
{
	struct failure *f = &g->failure;
	va_list ap;

	must(!f->client); /* the last one was answered */
	f->client = c;
	f->error = e;
	f->retry_after_s = retry_after_s;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return VERDICT_FAILED;
}

void exchange_check(const struct gateway *g, const struct client *c)
{
	bool ticket = client_state_has_ticket(c->state);

	must(c->state != CLIENT_READY); /* READY exists only between two steps of one event */
	must((c->x.upstream != 0) == client_state_has_upstream(c->state));
	if (ticket) /* the ticket of an ended instance is given back */
		ticket = instances_get(&g->instances, c->x.slot, c->x.generation);
	must((c->x.ticket != TICKET_NONE) == ticket);
}

void exchange_set_deadline(struct gateway *g, struct client *c, uint64_t when_ns)
{
	c->deadline_ns = when_ns;
	timers_set(&g->timers, c->s.index, when_ns);
}

void exchange_part(struct gateway *g, struct client *c, bool reusable)
{
	struct upstream *u = client_upstream(g, c);

	if (!u)
		return;
	c->x.upstream = 0;
	upstream_detach(&g->up, u, reusable);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/run.h"

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/blame.h"
#include "runtime/gateway/exchange/dispatch.h"
#include "runtime/gateway/exchange/held.h"
#include "runtime/gateway/exchange/load.h"
#include "runtime/gateway/exchange/queue.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/gateway/exchange/ticket.h"
#include "runtime/gateway/exchange/tunnel.h"

#define FAREWELL_NS (5 * NS_PER_SEC) /* time for the last bytes; other answers have the same */

static void act(struct gateway *g, struct client *c, enum verdict v);

/* ---- waiters ---- */

void exchange_serve_queue(struct gateway *g, uint32_t service)
{
	struct service *s = &g->routes.services[service];

	while (s->queued > 0 && dispatch_try(g, queue_first(&s->queue)))
		;
}

/* Never runs inside itself: a woken exchange may end at once and give its ticket back. */
static void serve_wakers(struct gateway *g, struct instance *i)
{
	enum hibernate_wake how;

	if (g->serving_wakers)
		return;
	g->serving_wakers = true;
	while (!chain_is_empty(&i->wakes)) {
		struct client *c = queue_first(&i->wakes);

		how = hibernate_wake_now(g, c, i);
		if (how == HIBERNATE_WAITS)
			break;
		act(g, c, tunnel_woken(g, c, how));
	}
	g->serving_wakers = false;
}

void exchange_serve_waiters(struct gateway *g, struct instance *i)
{
	while (!chain_is_empty(&i->waits)) {
		struct client *c = queue_first(&i->waits);

		dispatch_unqueue(g, c);
		dispatch_start(g, c, i);
		if (c->state == CLIENT_WAITS_SOCKET)
			return;
	}
}

/* Tells the instances of the service that a request waits, so that a silent WebSocket may give its
 * ticket away. */
static void want(struct gateway *g, const struct service *s)
{
	const struct instance *i;

	chain_each(i, &s->instances, of_service)
		board_want(g->board, i->slot, gateway_now(g));
}

static void serve_queues(struct gateway *g)
{
	bool tell = g->need_due;

	g->need_due = false;
	for (uint32_t i = 0; i < SERVICES_MAX && (g->queued || tell); i++) {
		if (g->routes.services[i].queued > 0)
			exchange_serve_queue(g, i);
		if (g->routes.services[i].queued > 0)
			want(g, &g->routes.services[i]);
		if (tell && g->routes.services[i].used)
			queue_tell(g, i);
	}
	if (g->queued)
		timers_set(&g->timers, gateway_coarse_timer(g), gateway_now(g) + QUEUE_CHECK_NS);
}

static void serve_all_wakers(struct gateway *g)
{
	for (uint32_t slot = 0; slot < INSTANCES_MAX && g->wakers > 0; slot++) {
		struct instance *i = &g->instances.slots[slot];

		if (!i->up || chain_is_empty(&i->wakes))
			continue;
		serve_wakers(g, i);
		if (!chain_is_empty(&i->wakes))
			board_want(g->board, slot, gateway_now(g));
	}
	if (g->wakers > 0)
		timers_set(&g->timers, gateway_coarse_timer(g), gateway_now(g) + WAKER_CHECK_NS);
}

void exchange_serve_all(struct gateway *g)
{
	serve_queues(g);
	serve_all_wakers(g);
}

/* ---- giving up what a state may not hold ---- */

static void give_ticket(struct gateway *g, struct client *c)
{
	struct instance *i = client_instance(g, c);
	uint32_t service = c->x.service;

	ticket_give(g, c);
	if (i && !chain_is_empty(&i->wakes))
		serve_wakers(g, i);
	if (g->routes.services[service].queued > 0)
		exchange_serve_queue(g, service);
}

static void settle(struct gateway *g, struct client *c)
{
	const struct attempt *a = &c->x.sent;

	if (c->x.upstream && !client_state_has_upstream(c->state))
		exchange_part(g, c, a->reusable && c->x.up.in_done && !a->broken);
	if (c->x.ticket != TICKET_NONE && !client_state_has_ticket(c->state))
		give_ticket(g, c);
}

static void fields_drop(struct gateway *g, struct client *c)
{
	if (c->x.fields.size == 0)
		return;
	buffers_put(g->io.buffers, c->x.fields.buffer);
	c->x.fields = (struct chunk){.buffer = BUFFER_NONE};
}

/* Takes c out of its queue, its upstream and its ticket, in any state. */
static void abandon(struct gateway *g, struct client *c)
{
	if (!client_is_open(c) && c->state != CLIENT_READY && c->state != CLIENT_FINISHING)
		return;
	hibernate_ended(g, c);
	dispatch_unqueue(g, c);
	splice_end(&g->pipes, &c->x.up);
	splice_end(&g->pipes, &c->x.down);
	flow_fini(&g->io, &c->x.up);
	held_drop(g, c);
	c->x.sent.reusable = false;
	client_enter(c, CLIENT_FINISHING);
	settle(g, c);
}

/* ---- verdicts ---- */

/* Once for each exchange: a connection that ends behind its last answer still has that exchange. */
static void account_once(struct gateway *g, struct client *c, bool aborted)
{
	if (!client_state_has_exchange(c->state) || c->x.is.accounted)
		return;
	account_end(g, c, aborted);
	c->x.is.accounted = true;
}

void exchange_next(struct gateway *g, struct client *c)
{
	must(c->state == CLIENT_FINISHING || c->state == CLIENT_PARTING ||
	     c->state == CLIENT_DISCARD);
	account_once(g, c, false);
	held_drop(g, c);
	fields_drop(g, c);
	if (!c->s.carried) /* a carrier may have yet to send the trailers */
		flow_fini(&g->io, &c->x.down);
	g->user->next(g, c);
}

void exchange_close(struct gateway *g, struct client *c)
{
	if (c->state == CLIENT_CLOSING || c->state == CLIENT_FREE)
		return;
	account_once(g, c, !client_is_tunnel(c) && (c->state != CLIENT_FINISHING || c->s.sending));
	abandon(g, c);
	fields_drop(g, c);
	flow_fini(&g->io, &c->x.down);
	client_enter(c, CLIENT_CLOSING);
	stream_close(&g->io, &c->s);
	g->user->closed(g, c);
}

/* The whole answer was received; its last bytes may still be on their way to the client. */
static void received(struct gateway *g, struct client *c)
{
	must(c->state == CLIENT_ANSWERING);
	splice_end(&g->pipes, &c->x.up);
	flow_fini(&g->io, &c->x.up);
	held_drop(g, c);
	g->count.responses++;
	load_answered(g, c);
	if (g->ban_count > 0)
		blame_answered(g, c);
	client_enter(c, CLIENT_FINISHING);
	exchange_set_deadline(g, c, gateway_now(g) + g->config.idle_timeout_ms * NS_PER_MS);
	settle(g, c);
	if (!c->s.sending)
		exchange_next(g, c);
}

/* Sends an error of ours, or cuts the connection if an answer has begun. */
static void failed(struct gateway *g, struct client *c)
{
	struct failure f = g->failure; /* a copy: ending this exchange may let another one fail */
	bool begun = client_is_joined(c) && c->state != CLIENT_ASKED;

	must(f.client == c);
	g->failure.client = NULL;
	edge_count(&g->count, f.error);
	if (!begun) {
		c->x.answer.status = edge_row(f.error)->status;
		c->x.answer.error = (uint8_t)f.error;
	}
	abandon(g, c);
	flow_fini(&g->io, &c->x.down);
	if (begun || !reply_failure(g, c, &f))
		exchange_close(g, c);
}

/* Sends the redirect that the rules of a site made. */
static void moved(struct gateway *g, struct client *c)
{
	must(c->state == CLIENT_READY);
	c->x.answer.status = g->moved.status;
	abandon(g, c);
	flow_fini(&g->io, &c->x.down);
	if (!reply_moved(g, c))
		exchange_close(g, c);
}

static void farewell(struct gateway *g, struct client *c)
{
	struct chunk frame;
	bool tell = tunnel_farewell(g, c, &frame);

	must(client_is_tunnel(c));
	abandon(g, c);
	c->x.up.in_done = false; /* reads further bytes, or a RST loses ours */
	exchange_set_deadline(g, c, gateway_now(g) + FAREWELL_NS);
	if (tell)
		stream_send(&g->io, &c->s, frame);
	if (!c->s.sending)
		exchange_next(g, c);
}

static void act(struct gateway *g, struct client *c, enum verdict v)
{
	while (v == VERDICT_AGAIN) {
		settle(g, c);
		v = dispatch_request(g, c);
	}
	if (v == VERDICT_STAY)
		settle(g, c);
	else if (v == VERDICT_RECEIVED)
		received(g, c);
	else if (v == VERDICT_FAREWELL)
		farewell(g, c);
	else if (v == VERDICT_MOVED)
		moved(g, c);
	else if (v == VERDICT_FAILED)
		failed(g, c);
	else
		exchange_close(g, c);
	exchange_check(g, c);
}

static void run(struct gateway *g, struct client *c, const struct happening *h)
{
	act(g, c, exchange_handle(g, c, h));
}

void exchange_run(struct gateway *g, struct client *c, enum exchange_event event, int err)
{
	run(g, c, &(const struct happening){.event = event, .err = err});
}

void exchange_begin(struct gateway *g, struct client *c, enum verdict v)
{
	must(c->state == CLIENT_READY);
	act(g, c, v);
}

/* ---- of many ---- */

void exchange_service_gone(struct gateway *g, uint32_t service)
{
	const struct service *s = &g->routes.services[service];

	while (s->queued > 0) {
		struct client *c = queue_first(&s->queue);

		dispatch_unqueue(g, c);
		client_enter(c, CLIENT_READY);
		act(g, c, VERDICT_AGAIN);
	}
}

/* The tickets of a dead instance are given back at once, because its slot is wanted. */
void exchange_instance_down(struct gateway *g, const struct wire_instance_down *down)
{
	struct instance *i = instances_get(&g->instances, down->slot, down->generation);

	if (!i)
		return;
	upstream_empty_pool(&g->up, i);
	while (!chain_is_empty(&i->wakes)) {
		struct client *c = queue_first(&i->wakes);

		act(g, c, tunnel_over(g, c, WS_INTERNAL_ERROR));
	}
	i->down_cause = down->cause;
	i->down_detail = down->detail;
	blame_died(g, down, i->service);
	upstream_instance_down(&g->up, i);
	instances_down(i);
	leave_instance_down(&g->up, down->slot, down->generation);
	for (uint32_t n = 0; n < g->client_count; n++) {
		struct client *c = &g->clients[n];

		if (c->x.ticket == TICKET_NONE || c->x.slot != down->slot ||
		    c->x.generation != down->generation)
			continue;
		give_ticket(g, c);
		exchange_run(g, c, EVENT_DOWN, 0);
	}
}

/* Whether an instance may still take the waiting requests; a draining one takes none. */
static bool has_taker(const struct service *s)
{
	const struct instance *i;

	chain_each(i, &s->instances, of_service) {
		if (!i->draining)
			return true;
	}
	return false;
}

void exchange_start_failed(struct gateway *g, const struct wire_start_failed *failed_)
{
	struct service *s = &g->routes.services[failed_->service];

	s->need_told = 0; /* ebbd has forgotten the waiting requests */
	if (s->queued == 0 || has_taker(s))
		return; /* no error for clients while another instance can take their requests */
	while (s->queued > 0) {
		struct client *c = queue_first(&s->queue);

		if (failed_->retry_after_s)
			act(g, c,
			    exchange_fail(g, c, EDGE_OVERLOADED, failed_->retry_after_s, "%s",
					  failed_->text));
		else
			act(g, c,
			    exchange_fail(g, c, EDGE_INSTANCE_CRASHED, 0,
					  "No instance could be started: %s", failed_->text));
	}
}

void exchange_judged(struct gateway *g, uint32_t service, uint64_t kind)
{
	for (uint32_t n = 0; n < g->client_count; n++) {
		struct client *c = &g->clients[n];

		if (c->state == CLIENT_JUDGED && c->x.deaths > 0 && c->x.kind == kind &&
		    c->x.service == service)
			act(g, c, dispatch_doubt_over(g, c));
	}
}

/* ---- events of upstreams ---- */

_Static_assert((int)EVENT_UP_BYTES == (int)UPSTREAM_BYTES &&
		       (int)EVENT_UP_WAS_OVER == (int)UPSTREAM_WAS_OVER,
	       "events of upstreams stand in one order");

static void on_event(void *self, struct upstream *u, enum upstream_event event, int err)
{
	struct client *c = upstream_client(self, u);

	must(c && c->x.upstream == u->s.index + 1);
	exchange_run(self, c, (enum exchange_event)event, err);
}

static void on_over(void *self, struct upstream *u, const struct upstream_end *end)
{
	struct client *c = upstream_client(self, u);

	must(c && c->x.upstream == u->s.index + 1);
	run(self, c, &(const struct happening){.event = EVENT_UP_OVER, .end = end});
}

static void on_room(void *self, struct instance *i)
{
	exchange_serve_waiters(self, i);
}

static void on_gave(void *self, const struct upstream *u)
{
	struct gateway *g = self;

	if (g->routes.services[u->service].queued > 0)
		exchange_serve_queue(g, u->service);
}

const struct upstream_user exchange_upstream_user = {
	.event = on_event,
	.over = on_over,
	.room = on_room,
	.gave = on_gave,
};

// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/dispatch.h"

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/blame.h"
#include "runtime/gateway/exchange/choice_tell.h"
#include "runtime/gateway/exchange/held.h"
#include "runtime/gateway/exchange/queue.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/gateway/exchange/ticket.h"
#include "runtime/gateway/message/serialize.h"

#define CHOOSE_TRIES  8
#define ATTEMPTS_MAX  3
#define DEATHS_MAX    2
#define DOUBT_NS      (100 * NS_PER_MS) /* a failed instance gets no requests for so long */
#define CAUSE_WAIT_NS (300 * NS_PER_MS) /* for ebbd to tell the cause; it takes a few ms */

void dispatch_unqueue(struct gateway *g, struct client *c)
{
	struct service *s = &g->routes.services[c->x.service];

	if (c->state != CLIENT_QUEUED && c->state != CLIENT_WAITS_SOCKET)
		return;
	must(chain_is_linked(&c->in_line));
	chain_remove(&c->in_line);
	if (c->state == CLIENT_QUEUED) {
		must(s->queued > 0 && g->queued >= s->queued);
		g->queued--;
		g->queued_calls -= client_is_inside(c);
		s->queued--;
		queue_tell(g, c->x.service);
	}
}

static bool attach(struct gateway *g, struct client *c, struct instance *i)
{
	struct exchange *x = &c->x;
	const struct ask ask = {
		.text = x->request,
		.framing = x->up.out,
		.idempotent = x->is.idempotent,
		.head = x->is.head,
		.whole = x->up.in_done,
		.fresh_only = x->sent.fresh,
		.grpc = x->is.grpc,
	};
	struct upstream *u = upstream_attach(&g->up, &ask, c->s.index, i);

	if (!u)
		return false;
	x->upstream = u->s.index + 1;
	x->sent = (struct attempt){.fresh = x->sent.fresh, .reused = u->reused, .http2 = u->http2};
	return true;
}

void dispatch_start(struct gateway *g, struct client *c, struct instance *i)
{
	const struct service *s = &g->routes.services[c->x.service];
	struct exchange *x = &c->x;
	uint64_t end_ns = gateway_now(g) + s->record.max_duration_ms * NS_PER_MS;
	bool attached;

	must(x->ticket != TICKET_NONE && !x->upstream);
	if (c->state == CLIENT_QUEUED && i->up_ns >= x->arrived_ns) /* i was started meanwhile */
		x->start = START_COLD;
	if (x->dispatched_ns == 0) {
		x->dispatched_ns = gateway_now(g);
		if (x->dispatched_ns != x->arrived_ns)
			request_set_deadline(x->deadline_at,
					     wall_ms(&g->wall, gateway_now(g), end_ns));
	}
	attached = attach(g, c, i);
	ticket_thaw(g, c);
	if (!attached) {
		client_enter(c, CLIENT_WAITS_SOCKET);
		chain_add_last(&i->waits, &c->in_line);
		exchange_set_deadline(g, c,
				      gateway_now(g) + g->config.queue_age_ms_max * NS_PER_MS);
		tell_need_sockets(&g->tell, i);
		return;
	}
	client_enter(c, CLIENT_ASKED);
	exchange_set_deadline(g, c, x->dispatched_ns + s->record.max_duration_ms * NS_PER_MS);
	if (x->is.awaits_100 && x->sent_ns == 0 && !x->up.in_done)
		reply_continue(g, c);
	x->sent_ns = gateway_now(g);
}

bool dispatch_try(struct gateway *g, struct client *c)
{
	const struct service *s = &g->routes.services[c->x.service];

	for (int i = 0; i < CHOOSE_TRIES; i++) {
		struct choice made = choice_make(g->board, s, gateway_now(g));

		if (!made.best)
			return false;
		if (!ticket_take(g, c, made.best))
			continue;
		choice_made(g, c, &made);
		dispatch_unqueue(g, c);
		dispatch_start(g, c, made.best);
		return true;
	}
	return false;
}

static enum verdict enqueue(struct gateway *g, struct client *c)
{
	struct service *s = &g->routes.services[c->x.service];
	uint64_t age_ms = chain_is_empty(&s->instances) ? s->record.init_timeout_ms
							: g->config.queue_age_ms_max;

	must(c->state == CLIENT_READY);
	if (!queue_has_room(g, s) || !queue_lets_in(g, c)) {
		g->count.queue_full++;
		s->refused_full++;
		queue_tell(g, c->x.service);
		return exchange_fail(g, c, EDGE_OVERLOADED, queue_retry_after_s(g, s),
				     "Too many requests wait for an instance.");
	}
	client_enter(c, CLIENT_QUEUED);
	chain_add_last(&s->queue, &c->in_line);
	s->queued++;
	g->queued++;
	g->queued_calls += client_is_inside(c);
	g->count.queued++;
	exchange_set_deadline(g, c, gateway_now(g) + age_ms * NS_PER_MS);
	timers_set(&g->timers, gateway_coarse_timer(g), gateway_now(g) + QUEUE_CHECK_NS);
	queue_tell(g, c->x.service);
	return VERDICT_STAY;
}

/* A revision that serves no more leaves its requests to the service that it belongs to. */
static bool find_service(struct gateway *g, struct client *c)
{
	const struct service *s = &g->routes.services[c->x.service];

	if (!s->used && s->record.parent)
		c->x.service = s->record.parent - 1;
	return routes_service(&g->routes, c->x.service);
}

enum verdict dispatch_request(struct gateway *g, struct client *c)
{
	must(c->state == CLIENT_READY && c->x.ticket == TICKET_NONE && !c->x.upstream);
	if (!find_service(g, c))
		return exchange_fail(g, c, EDGE_NO_SERVICE, 0, "The service was removed.");
	if (g->ban_count > 0 && blame_refuses(g, c))
		return VERDICT_FAILED;
	/* Older waiters go first. */
	if (g->routes.services[c->x.service].queued == 0 && dispatch_try(g, c))
		return VERDICT_STAY;
	return enqueue(g, c);
}

enum verdict dispatch_elsewhere(struct gateway *g, struct client *c)
{
	client_enter(c, CLIENT_READY);
	c->x.sent = (struct attempt){0};
	return VERDICT_AGAIN;
}

static enum verdict again_elsewhere(struct gateway *g, struct client *c)
{
	g->count.retries++;
	return dispatch_elsewhere(g, c);
}

enum verdict dispatch_failed(struct gateway *g, struct client *c, bool refused, int err)
{
	struct instance *i = client_instance(g, c);
	struct exchange *x = &c->x;
	bool may_repeat, in_doubt;

	must(c->state == CLIENT_ASKED);
	g->count.aborted_by_instance++;
	held_unshare(g, c);
	may_repeat =
		dispatch_held(c) && (x->is.idempotent || refused) && ++x->attempts < ATTEMPTS_MAX;
	splice_end(&g->pipes, &x->up);
	exchange_part(g, c, false);
	/* After a first refusal nothing waits for a cause: the instance never had the request. A
	 * second failure on the same instance puts it in doubt. */
	in_doubt = !refused || (x->failed_slot == x->slot && x->failed_generation == x->generation);
	x->failed_slot = x->slot;
	x->failed_generation = x->generation;
	if (may_repeat && i && x->sent.reused && x->ticket != TICKET_NONE && !x->sent.fresh) {
		/* The server closed an idle connection as we used it: nothing is wrong with the
		 * instance. */
		g->count.retries++;
		x->sent.fresh = true;
		dispatch_start(g, c, i);
		return VERDICT_STAY;
	}
	client_enter(c, may_repeat ? CLIENT_DOUBT : CLIENT_LOST);
	if (!i)
		return dispatch_doubt_over(g, c);
	tell_suspect(&g->tell, i, err);
	if (may_repeat && !in_doubt) {
		i->doubt_until_ns = gateway_now(g) + DOUBT_NS;
		return again_elsewhere(g, c);
	}
	exchange_set_deadline(g, c, gateway_now(g) + CAUSE_WAIT_NS);
	return VERDICT_STAY;
}

bool dispatch_held(const struct client *c)
{
	return c->x.request.size > 0 && !c->x.sent.got_bytes;
}

bool dispatch_repeatable(const struct client *c)
{
	return c->x.is.idempotent && dispatch_held(c) && c->x.attempts + 1 < ATTEMPTS_MAX;
}

enum verdict dispatch_anew(struct gateway *g, struct client *c, int err)
{
	struct instance *i = client_instance(g, c);

	must(c->state == CLIENT_ASKED);
	if (!i || c->x.ticket == TICKET_NONE || !dispatch_held(c) ||
	    ++c->x.attempts >= ATTEMPTS_MAX) {
		c->x.sent.reused = false;
		return dispatch_failed(g, c, true, err);
	}
	held_unshare(g, c);
	if (c->x.request.size == 0) /* there was no buffer for a copy */
		return dispatch_failed(g, c, true, err);
	splice_end(&g->pipes, &c->x.up);
	exchange_part(g, c, false);
	g->count.retries++;
	dispatch_start(g, c, i);
	return VERDICT_STAY;
}

/* A request under which two instances died does not get a third. */
enum verdict dispatch_doubt_over(struct gateway *g, struct client *c)
{
	struct instance *i = client_instance(g, c);

	must(c->state == CLIENT_DOUBT || c->state == CLIENT_LOST || c->state == CLIENT_JUDGED);
	if (c->state == CLIENT_LOST || c->x.deaths >= DEATHS_MAX)
		return blame_crashed(g, c);
	if (g->ban_count > 0 && blame_awaited(g, c) &&
	    c->x.died_ns + CAUSE_WAIT_NS > gateway_now(g)) {
		client_enter(c, CLIENT_JUDGED);
		exchange_set_deadline(g, c, c->x.died_ns + CAUSE_WAIT_NS);
		return VERDICT_STAY;
	}
	if (i)
		i->doubt_until_ns = gateway_now(g) + DOUBT_NS;
	return again_elsewhere(g, c);
}

enum verdict dispatch_expired(struct gateway *g, struct client *c)
{
	struct service *s = &g->routes.services[c->x.service];
	uint32_t retry_after_s = queue_retry_after_s(g, s);

	g->count.queue_expired++;
	s->refused_late++;
	queue_tell(g, c->x.service);
	return exchange_fail(g, c, EDGE_OVERLOADED, retry_after_s,
			     "No instance had room for this request in time.");
}

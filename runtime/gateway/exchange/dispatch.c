// SPDX-License-Identifier: Apache-2.0
/*
 * Finds an instance for a request: chooses, takes a ticket, thaws, or queues. take_ticket takes
 * tickets; dispatch_release gives them back, or upstream/ where an upstream owns one.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/blame.h"
#include "runtime/gateway/exchange/choice_tell.h"
#include "runtime/gateway/exchange/dispatch.h"
#include "runtime/gateway/exchange/held.h"
#include "runtime/gateway/exchange/queue.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/gateway/exchange/tunnel.h"
#include "runtime/gateway/message/serialize.h"
#include "runtime/gateway/route/choice.h"

#define CHOOSE_TRIES   8
#define ATTEMPTS_MAX   3
#define DEATHS_MAX     2
#define DOUBT_NS       (100 * NS_PER_MS) /* an instance that refused us is left alone so long */
#define CAUSE_WAIT_NS  (300 * NS_PER_MS) /* ebbd learns of a death within a few ms */
#define QUEUE_CHECK_NS BOARD_WANT_NS     /* other gateways give tickets back without telling us */

/* The CAS made it RUNNING; "0" is ours to write. pwrite(2) inline: through io_uring it takes 20
 * times as long. */
static void thaw(struct gateway *g, struct client *c, struct instance *i)
{
	uint64_t begin_ns = clock_mono_ns();

	if (pwrite(i->freeze_fd, "0", 1, 0) != 1)
		log_error("event=thaw_failed instance=%s error=\"%s\"", i->id, strerror(errno));
	c->x.thawed = true;
	c->x.thaw_ns = clock_mono_ns() - begin_ns;
	g->count.thaws++;
}

/* True if c now owns a ticket on i. */
static bool take_ticket(struct gateway *g, struct client *c, struct instance *i)
{
	struct exchange *x = &c->x;
	enum board_take taken = board_take(g->board, g->config.index, i->slot, i->generation);

	must(!x->has_ticket);
	if (taken != BOARD_TAKEN && taken != BOARD_TAKEN_THAW)
		return false;
	if (atomic_load_explicit(&board_slot(g->board, i->slot)->saturated, memory_order_relaxed))
		atomic_fetch_add_explicit(&board_slot(g->board, i->slot)->crowded, 1,
					  memory_order_relaxed);
	x->has_ticket = true;
	x->slot = i->slot;
	x->generation = i->generation;
	if (x->dispatched_ns == 0)
		atomic_fetch_add_explicit(&board_slot(g->board, i->slot)->invocations, 1,
					  memory_order_relaxed);
	if (taken == BOARD_TAKEN_THAW)
		thaw(g, c, i);
	return true;
}

static struct instance *instance_of(struct gateway *g, const struct client *c)
{
	return instances_get(&g->instances, c->x.slot, c->x.generation);
}

enum board_take dispatch_again(struct gateway *g, struct client *c)
{
	struct instance *i = instance_of(g, c);
	enum board_state state;

	c->x.thawed = false;
	if (!i)
		return BOARD_GONE;
	if (take_ticket(g, c, i))
		return BOARD_TAKEN;
	state = board_state_of(board_load(g->board, i->slot));
	return state == BOARD_RUNNING || state == BOARD_FROZEN ? BOARD_FULL : BOARD_GONE;
}

/* Tells the supervisor that something runs which it must freeze again. */
void dispatch_ring(struct gateway *g)
{
	const uint64_t one = 1;

	if (g->bell == 0 || --g->bell > 0)
		return;
	if (write(g->doorbell_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("event=doorbell_failed error=\"%s\"", strerror(errno));
}

static void unqueue(struct gateway *g, struct client *c)
{
	struct service *s = &g->routes.services[c->x.service];
	struct instance *i;

	if (c->state == CLIENT_QUEUED) {
		queue_remove(g, &s->queue_head, &s->queue_tail, c);
		g->queued--;
		s->queued--;
		queue_tell(g, c->x.service);
	} else if (c->state == CLIENT_WAITS_SOCKET) {
		i = &g->instances.slots[c->x.slot];
		queue_remove(g, &i->wait_head, &i->wait_tail, c);
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
		.fresh_only = x->fresh_only,
		.grpc = x->is.grpc,
	};
	struct upstream *u = upstream_attach(&g->up, &ask, c->s.index, i);

	if (!u)
		return false;
	x->upstream = u->s.index + 1;
	x->sent = (struct attempt){.reused = u->reused};
	x->http2 |= u->http2;
	return true;
}

/* Owns a ticket on i: on its way, or in line for a socket. */
static void start(struct gateway *g, struct client *c, struct instance *i)
{
	const struct service *s = &g->routes.services[c->x.service];
	struct exchange *x = &c->x;
	uint64_t end_ns = gateway_now(g) + s->record.max_duration_ms * NS_PER_MS;

	if (x->dispatched_ns == 0) {
		x->dispatched_ns = gateway_now(g);
		x->cold = x->cold && i->up_ns >= x->arrived_ns;
		if (x->dispatched_ns != x->arrived_ns)
			request_set_deadline(x->deadline_at,
					     wall_ms(&g->wall, gateway_now(g), end_ns));
	}
	x->sent_ns = gateway_now(g);
	if (!attach(g, c, i)) {
		c->state = CLIENT_WAITS_SOCKET;
		queue_push(g, &i->wait_head, &i->wait_tail, c);
		exchange_set_deadline(g, c,
				      gateway_now(g) + g->config.queue_age_ms_max * NS_PER_MS);
		tell_need_sockets(&g->tell, i);
		return;
	}
	c->state = CLIENT_ASKED;
	exchange_set_deadline(g, c, x->dispatched_ns + s->record.max_duration_ms * NS_PER_MS);
	if (x->continue_due && !x->up.in_done)
		reply_continue(g, c);
	x->continue_due = false;
}

static bool try_start(struct gateway *g, struct client *c)
{
	const struct service *s = &g->routes.services[c->x.service];

	for (int i = 0; i < CHOOSE_TRIES; i++) {
		struct choice made = choice_make(&g->instances, g->board, s, gateway_now(g));

		if (!made.best)
			return false;
		if (!take_ticket(g, c, made.best))
			continue;
		choice_made(g, c, &made);
		unqueue(g, c);
		start(g, c, made.best);
		return true;
	}
	return false;
}

static void enqueue(struct gateway *g, struct client *c)
{
	struct service *s = &g->routes.services[c->x.service];
	uint64_t age_ms =
		s->first_instance ? g->config.queue_age_ms_max : s->record.init_timeout_ms;

	if (!queue_has_room(g, s)) {
		g->count.queue_full++;
		s->refused_full++;
		queue_tell(g, c->x.service);
		reply_error(g, c, EDGE_OVERLOADED, queue_retry_after_s(g, s),
			    "Too many requests wait for an instance.");
		return;
	}
	c->x.cold = true;
	c->state = CLIENT_QUEUED;
	queue_push(g, &s->queue_head, &s->queue_tail, c);
	s->queued++;
	g->queued++;
	g->count.queued++;
	exchange_set_deadline(g, c, gateway_now(g) + age_ms * NS_PER_MS);
	timers_set(&g->timers, gateway_coarse_timer(g), gateway_now(g) + QUEUE_CHECK_NS);
	queue_tell(g, c->x.service);
}

/* A revision that serves no more leaves its requests to the service it was one of. */
static bool find_service(struct gateway *g, struct client *c)
{
	const struct service *s = &g->routes.services[c->x.service];

	if (!s->used && s->record.parent)
		c->x.service = s->record.parent - 1;
	return routes_service(&g->routes, c->x.service);
}

void dispatch_request(struct gateway *g, struct client *c)
{
	if (!find_service(g, c)) {
		reply_error(g, c, EDGE_NO_SERVICE, 0, "The service was removed.");
		return;
	}
	if (g->ban_count > 0 && blame_refuses(g, c))
		return;
	/* Waiting requests go first. */
	if (g->routes.services[c->x.service].queued == 0 && try_start(g, c))
		return;
	enqueue(g, c);
}

void dispatch_service_queue(struct gateway *g, uint32_t service)
{
	struct service *s = &g->routes.services[service];

	while (s->queue_head && try_start(g, &g->clients[s->queue_head - 1]))
		;
}

void dispatch_service_gone(struct gateway *g, uint32_t service)
{
	const struct service *s = &g->routes.services[service];

	while (s->queue_head) {
		struct client *c = &g->clients[s->queue_head - 1];

		unqueue(g, c);
		c->state = CLIENT_READY;
		dispatch_request(g, c);
	}
}

/* A silent WebSocket there may give its ticket up for who waits. */
static void want(struct gateway *g, const struct service *s)
{
	for (uint32_t at = s->first_instance; at; at = g->instances.slots[at - 1].next_of_service)
		board_want(g->board, at - 1, gateway_now(g));
}

void dispatch_all_queues(struct gateway *g)
{
	bool tell = g->need_due;

	g->need_due = false;
	for (uint32_t i = 0; i < SERVICES_MAX && (g->queued || tell); i++) {
		if (g->routes.services[i].queue_head)
			dispatch_service_queue(g, i);
		if (g->routes.services[i].queue_head)
			want(g, &g->routes.services[i]);
		if (tell && g->routes.services[i].used)
			queue_tell(g, i);
	}
	if (g->queued)
		timers_set(&g->timers, gateway_coarse_timer(g), gateway_now(g) + QUEUE_CHECK_NS);
}

/* The work that a thaw leaves is done now, when the client has its answer. Earlier, every process
 * that it wakes would take a CPU from the request. */
void dispatch_release(struct gateway *g, struct client *c)
{
	struct instance *i = instance_of(g, c);

	if (!c->x.has_ticket)
		return;
	c->x.has_ticket = false;
	if (i && c->x.thawed) {
		upstream_drop_stale(&g->up, i);
		g->bell = BELL_AFTER;
	}
	if (i && i->stock_count <= STOCK_LOW)
		tell_need_sockets(&g->tell, i);
	board_give(g->board, g->config.index, c->x.slot, c->x.generation);
	if (i && i->wake_head)
		hibernate_serve(g, i);
	if (g->routes.services[c->x.service].queue_head)
		dispatch_service_queue(g, c->x.service);
}

void dispatch_abandon(struct gateway *g, struct client *c)
{
	if (c->state == CLIENT_HEAD || c->state == CLIENT_SESSION || c->state == CLIENT_LINGER ||
	    c->state == CLIENT_DISCARD || c->state == CLIENT_PROXY)
		return;
	if (client_is_tunnel(c))
		hibernate_ended(g, c);
	unqueue(g, c);
	splice_end(&g->pipes, &c->x.up);
	splice_end(&g->pipes, &c->x.down);
	held_drop(g, c);
	exchange_part(g, c, false);
	c->state = CLIENT_FINISHING;
	dispatch_release(g, c);
}

void dispatch_elsewhere(struct gateway *g, struct client *c)
{
	exchange_part(g, c, false);
	c->state = CLIENT_READY;
	c->x.fresh_only = false;
	c->x.sent = (struct attempt){0};
	dispatch_release(g, c);
	dispatch_request(g, c);
}

static void again_elsewhere(struct gateway *g, struct client *c, struct instance *i, int err)
{
	g->count.retries++;
	if (i) {
		i->doubt_until_ns = gateway_now(g) + DOUBT_NS;
		tell_suspect(&g->tell, i, err);
	}
	c->state = CLIENT_READY;
	c->x.fresh_only = false;
	c->x.sent = (struct attempt){0};
	dispatch_release(g, c);
	dispatch_request(g, c);
}

void dispatch_failed(struct gateway *g, struct client *c, bool refused, int err)
{
	struct instance *i = instance_of(g, c);
	struct exchange *x = &c->x;
	bool may_repeat, in_doubt;

	g->count.aborted_by_instance++;
	held_unshare(g, c);
	may_repeat = x->request.size > 0 && !x->body_gone && !x->sent.got_bytes &&
		     (x->is.idempotent || refused) && ++x->attempts < ATTEMPTS_MAX;
	splice_end(&g->pipes, &x->up);
	exchange_part(g, c, false);
	/* Refused by an instance that was not in doubt: it was never there, nobody is to blame. */
	in_doubt = !refused || (x->failed_slot == x->slot && x->failed_generation == x->generation);
	x->failed_slot = x->slot;
	x->failed_generation = x->generation;
	if (may_repeat && i && x->sent.reused && x->has_ticket && !x->fresh_only) {
		/* The server closed an idle connection as we used it: nothing is wrong with it. */
		g->count.retries++;
		x->fresh_only = true;
		start(g, c, i);
		return;
	}
	c->state = may_repeat ? CLIENT_DOUBT : CLIENT_LOST;
	if (!i) {
		dispatch_doubt_over(g, c);
		return;
	}
	if (may_repeat && !in_doubt) {
		again_elsewhere(g, c, i, err);
		return;
	}
	tell_suspect(&g->tell, i, err);
	exchange_set_deadline(g, c, gateway_now(g) + CAUSE_WAIT_NS);
}

bool dispatch_held(const struct client *c)
{
	return c->x.request.size > 0 && !c->x.body_gone && !c->x.sent.got_bytes;
}

bool dispatch_repeatable(const struct client *c)
{
	return c->x.is.idempotent && dispatch_held(c) && c->x.attempts + 1 < ATTEMPTS_MAX;
}

void dispatch_anew(struct gateway *g, struct client *c, int err)
{
	struct instance *i = instance_of(g, c);

	if (!i || !c->x.has_ticket || !dispatch_held(c) || ++c->x.attempts >= ATTEMPTS_MAX) {
		c->x.sent.reused = false;
		dispatch_failed(g, c, true, err);
		return;
	}
	held_unshare(g, c);
	if (c->x.request.size == 0) { /* there was no buffer for a copy */
		dispatch_failed(g, c, true, err);
		return;
	}
	splice_end(&g->pipes, &c->x.up);
	exchange_part(g, c, false);
	g->count.retries++;
	start(g, c, i);
}

/* A request under which two instances died does not get a third. */
void dispatch_doubt_over(struct gateway *g, struct client *c)
{
	struct instance *i = instance_of(g, c);

	if (c->state == CLIENT_LOST || c->x.deaths >= DEATHS_MAX) {
		blame_crashed(g, c);
		return;
	}
	if (g->ban_count > 0 && blame_awaited(g, c) &&
	    c->x.died_ns + CAUSE_WAIT_NS > gateway_now(g)) {
		dispatch_release(g, c);
		c->state = CLIENT_JUDGED;
		exchange_set_deadline(g, c, c->x.died_ns + CAUSE_WAIT_NS);
		return;
	}
	if (i)
		i->doubt_until_ns = gateway_now(g) + DOUBT_NS;
	again_elsewhere(g, c, NULL, 0);
}

void dispatch_expired(struct gateway *g, struct client *c)
{
	struct service *s = &g->routes.services[c->x.service];
	uint32_t retry_after_s = queue_retry_after_s(g, s);

	g->count.queue_expired++;
	s->refused_late++;
	queue_tell(g, c->x.service);
	reply_error(g, c, EDGE_OVERLOADED, retry_after_s,
		    "No instance had room for this request in time.");
}

void dispatch_waiters(struct gateway *g, struct instance *i)
{
	while (i->wait_head) {
		struct client *c = &g->clients[i->wait_head - 1];

		unqueue(g, c);
		start(g, c, i);
		if (c->state == CLIENT_WAITS_SOCKET)
			return;
	}
}

void dispatch_instance_down(struct gateway *g, const struct wire_instance_down *down)
{
	struct instance *i = instances_get(&g->instances, down->slot, down->generation);

	if (!i)
		return;
	upstream_empty_pool(&g->up, i);
	hibernate_instance_down(g, i);
	i->down_cause = down->cause;
	i->down_detail = down->detail;
	blame_died(g, down, i->service);
	upstream_instance_down(&g->up, i);
	instances_down(&g->instances, &g->routes, i);
	leave_instance_down(&g->up, down->slot, down->generation);
	/* Connections to it end by themselves: the kernel resets them behind the bytes that the
	 * dead had still sent. Their tickets are of no use any more, and the slot is wanted. */
	for (uint32_t n = 0; n < g->client_count; n++) {
		struct client *c = &g->clients[n];

		if (!c->x.has_ticket || c->x.slot != down->slot ||
		    c->x.generation != down->generation)
			continue;
		if (c->state == CLIENT_WAITS_SOCKET) {
			unqueue(g, c);
			again_elsewhere(g, c, NULL, 0);
			continue;
		}
		dispatch_release(g, c);
		if (c->state == CLIENT_DOUBT || c->state == CLIENT_LOST)
			dispatch_doubt_over(g, c);
	}
}

void dispatch_start_failed(struct gateway *g, const struct wire_start_failed *failed)
{
	struct service *s = &g->routes.services[failed->service];

	s->need_told = 0; /* ebbd has forgotten who waits */
	if (s->first_instance)
		return; /* not the client's error while another can take it */
	while (s->queue_head) {
		struct client *c = &g->clients[s->queue_head - 1];

		if (failed->retry_after_s)
			reply_error(g, c, EDGE_OVERLOADED, failed->retry_after_s, "%s",
				    failed->text);
		else
			reply_error(g, c, EDGE_INSTANCE_CRASHED, 0,
				    "No instance could be started: %s", failed->text);
	}
}

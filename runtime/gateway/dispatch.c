// SPDX-License-Identifier: Apache-2.0
/*
 * Who serves a request: choose, take a ticket, thaw, or queue. Tickets are taken in take_ticket and
 * given back in dispatch_release, nowhere else.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/choice.h"
#include "runtime/gateway/proxy.h"
#include "runtime/gateway/serialize.h"

#define CHOOSE_TRIES   8
#define ATTEMPTS_MAX   3
#define DEATHS_MAX     2
#define DOUBT_NS       (100 * NS_PER_MS) /* an instance that refused us is left alone so long */
#define CAUSE_WAIT_NS  (300 * NS_PER_MS) /* ebbd learns of a death within a few ms */
#define QUEUE_CHECK_NS BOARD_WANT_NS     /* other gateways give tickets back without telling us */

/* The CAS made it RUNNING; "0" is ours to write. pwrite(2) inline: through io_uring it takes 20
 * times as long. */
static void thaw(struct proxy *p, struct client *c, struct instance *i)
{
	uint64_t begin_ns = clock_mono_ns();

	if (pwrite(i->freeze_fd, "0", 1, 0) != 1)
		log_error("event=thaw_failed instance=%s error=\"%s\"", i->id, strerror(errno));
	c->x.thawed = true;
	c->x.thaw_ns = clock_mono_ns() - begin_ns;
	p->count.thaws++;
}

/* True if c now owns a ticket on i. */
static bool take_ticket(struct proxy *p, struct client *c, struct instance *i)
{
	struct exchange *x = &c->x;
	enum board_take taken = board_take(p->board, p->config.index, i->slot, i->generation);

	must(!x->has_ticket);
	if (taken != BOARD_TAKEN && taken != BOARD_TAKEN_THAW)
		return false;
	if (atomic_load_explicit(&board_slot(p->board, i->slot)->saturated, memory_order_relaxed))
		atomic_fetch_add_explicit(&board_slot(p->board, i->slot)->crowded, 1,
					  memory_order_relaxed);
	x->has_ticket = true;
	x->slot = i->slot;
	x->generation = i->generation;
	if (!x->counted)
		atomic_fetch_add_explicit(&board_slot(p->board, i->slot)->invocations, 1,
					  memory_order_relaxed);
	x->counted = true;
	if (taken == BOARD_TAKEN_THAW)
		thaw(p, c, i);
	return true;
}

static struct instance *instance_of(struct proxy *p, const struct client *c)
{
	return instances_get(&p->instances, c->x.slot, c->x.generation);
}

enum board_take dispatch_again(struct proxy *p, struct client *c)
{
	struct instance *i = instance_of(p, c);
	enum board_state state;

	c->x.thawed = false;
	if (!i)
		return BOARD_GONE;
	if (take_ticket(p, c, i))
		return BOARD_TAKEN;
	state = board_state_of(board_load(p->board, i->slot));
	return state == BOARD_RUNNING || state == BOARD_FROZEN ? BOARD_FULL : BOARD_GONE;
}

/* Tells the supervisor that something runs which it must freeze again. */
void dispatch_ring(struct proxy *p)
{
	const uint64_t one = 1;

	if (p->bell == 0 || --p->bell > 0)
		return;
	if (write(p->doorbell_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("event=doorbell_failed error=\"%s\"", strerror(errno));
}

static void unqueue(struct proxy *p, struct client *c)
{
	struct service *s = &p->routes.services[c->x.service];
	struct instance *i;

	if (c->state == CLIENT_QUEUED) {
		queue_remove(p, &s->queue_head, &s->queue_tail, c);
		p->queued--;
		s->queued--;
		queue_tell(p, c->x.service);
	} else if (c->state == CLIENT_WAITS_SOCKET) {
		i = &p->instances.slots[c->x.slot];
		queue_remove(p, &i->wait_head, &i->wait_tail, c);
	}
}

/* Owns a ticket on i: on its way, or in line for a socket. */
static void start(struct proxy *p, struct client *c, struct instance *i)
{
	const struct service *s = &p->routes.services[c->x.service];
	struct exchange *x = &c->x;
	uint64_t end_ns = proxy_now(p) + s->record.max_duration_ms * NS_PER_MS;

	if (x->dispatched_ns == 0) {
		x->dispatched_ns = proxy_now(p);
		x->cold = x->cold && i->up_ns >= x->arrived_ns;
		if (x->dispatched_ns != x->arrived_ns)
			request_set_deadline(x->deadline_at, proxy_real_ms(p, end_ns));
	}
	x->sent_ns = proxy_now(p);
	if (!upstream_attach(p, c, i)) {
		c->state = CLIENT_WAITS_SOCKET;
		queue_push(p, &i->wait_head, &i->wait_tail, c);
		client_set_deadline(p, c, proxy_now(p) + p->config.queue_age_ms_max * NS_PER_MS);
		control_need_sockets(p, i);
		return;
	}
	c->state = CLIENT_ACTIVE;
	client_set_deadline(p, c, x->dispatched_ns + s->record.max_duration_ms * NS_PER_MS);
	if (x->wants_continue && !x->up.in_done)
		reply_continue(p, c);
	x->wants_continue = false;
}

static bool try_start(struct proxy *p, struct client *c)
{
	const struct service *s = &p->routes.services[c->x.service];

	for (int i = 0; i < CHOOSE_TRIES; i++) {
		struct choice made = choice_make(&p->instances, p->board, s, proxy_now(p));

		if (!made.best)
			return false;
		if (!take_ticket(p, c, made.best))
			continue;
		choice_made(p, c, &made);
		unqueue(p, c);
		start(p, c, made.best);
		return true;
	}
	return false;
}

static void enqueue(struct proxy *p, struct client *c)
{
	struct service *s = &p->routes.services[c->x.service];
	uint64_t age_ms =
		s->first_instance ? p->config.queue_age_ms_max : s->record.init_timeout_ms;

	if (!queue_has_room(p, s)) {
		p->count.queue_full++;
		s->refused_full++;
		queue_tell(p, c->x.service);
		reply_error(p, c, 503, "OVERLOADED", queue_retry_after_s(p, s),
			    "Too many requests wait for an instance.");
		return;
	}
	c->x.cold = true;
	c->state = CLIENT_QUEUED;
	queue_push(p, &s->queue_head, &s->queue_tail, c);
	s->queued++;
	p->queued++;
	p->count.queued++;
	client_set_deadline(p, c, proxy_now(p) + age_ms * NS_PER_MS);
	timers_set(&p->timers, PROXY_TIMER_COARSE(p), proxy_now(p) + QUEUE_CHECK_NS);
	queue_tell(p, c->x.service);
}

/* A revision that serves no more leaves its requests to the service it was one of. */
static bool find_service(struct proxy *p, struct client *c)
{
	const struct service *s = &p->routes.services[c->x.service];

	if (!s->used && s->record.parent)
		c->x.service = s->record.parent - 1;
	return routes_service(&p->routes, c->x.service);
}

void dispatch_request(struct proxy *p, struct client *c)
{
	if (!find_service(p, c)) {
		reply_error(p, c, 404, "NO_SERVICE", 0, "The service was removed.");
		return;
	}
	if (p->ban_count > 0 && blame_refuses(p, c))
		return;
	/* Who waits already goes first. */
	if (p->routes.services[c->x.service].queued == 0 && try_start(p, c))
		return;
	enqueue(p, c);
}

void dispatch_service_queue(struct proxy *p, uint32_t service)
{
	struct service *s = &p->routes.services[service];

	while (s->queue_head && try_start(p, &p->clients[s->queue_head - 1]))
		;
}

void dispatch_service_gone(struct proxy *p, uint32_t service)
{
	const struct service *s = &p->routes.services[service];

	while (s->queue_head) {
		struct client *c = &p->clients[s->queue_head - 1];

		unqueue(p, c);
		c->state = CLIENT_FINISHING;
		dispatch_request(p, c);
	}
}

/* A silent WebSocket there may give its ticket up for who waits. */
static void want(struct proxy *p, const struct service *s)
{
	for (uint32_t at = s->first_instance; at; at = p->instances.slots[at - 1].next_of_service)
		board_want(p->board, at - 1, proxy_now(p));
}

void dispatch_all_queues(struct proxy *p)
{
	bool tell = p->need_due;

	p->need_due = false;
	for (uint32_t i = 0; i < SERVICES_MAX && (p->queued || tell); i++) {
		if (p->routes.services[i].queue_head)
			dispatch_service_queue(p, i);
		if (p->routes.services[i].queue_head)
			want(p, &p->routes.services[i]);
		if (tell && p->routes.services[i].used)
			queue_tell(p, i);
	}
	if (p->queued)
		timers_set(&p->timers, PROXY_TIMER_COARSE(p), proxy_now(p) + QUEUE_CHECK_NS);
}

/* What a thaw leaves to do is done now, when the client has its answer: on the way to it every
 * wake-up of somebody else would be in the way. */
void dispatch_release(struct proxy *p, struct client *c)
{
	struct instance *i = instance_of(p, c);

	if (!c->x.has_ticket)
		return;
	c->x.has_ticket = false;
	if (i && c->x.thawed) {
		upstream_drop_stale(p, i);
		p->bell = BELL_AFTER;
	}
	if (i && i->stock_count <= STOCK_LOW)
		control_need_sockets(p, i);
	board_give(p->board, p->config.index, c->x.slot, c->x.generation);
	if (i && i->wake_head)
		hibernate_serve(p, i);
	if (p->routes.services[c->x.service].queue_head)
		dispatch_service_queue(p, c->x.service);
}

void dispatch_give(struct proxy *p, struct upstream *u)
{
	if (!u->has_ticket)
		return;
	u->has_ticket = false;
	board_give(p->board, p->config.index, u->slot, u->generation);
	if (p->routes.services[u->service].queue_head)
		dispatch_service_queue(p, u->service);
}

void dispatch_abandon(struct proxy *p, struct client *c)
{
	struct upstream *u = client_upstream(p, c);

	if (c->state == CLIENT_HEAD || c->state == CLIENT_SESSION || c->state == CLIENT_LINGER ||
	    c->state == CLIENT_DISCARD || c->state == CLIENT_PROXY)
		return;
	if (c->x.tunnel)
		tunnel_ended(p, c);
	unqueue(p, c);
	splice_end(p, &c->x.up);
	splice_end(p, &c->x.down);
	request_drop(p, c);
	if (u)
		upstream_detach(p, u, false);
	c->state = CLIENT_FINISHING;
	dispatch_release(p, c);
}

void dispatch_elsewhere(struct proxy *p, struct client *c)
{
	struct upstream *u = client_upstream(p, c);

	if (u)
		upstream_detach(p, u, false);
	c->state = CLIENT_FINISHING;
	c->x.fresh_only = c->x.reused = false;
	c->x.got_bytes = false;
	dispatch_release(p, c);
	dispatch_request(p, c);
}

static void again_elsewhere(struct proxy *p, struct client *c, struct instance *i, int err)
{
	p->count.retries++;
	if (i) {
		i->doubt_until_ns = proxy_now(p) + DOUBT_NS;
		control_suspect(p, i, err);
	}
	/* Neither queued nor joined: no state that the release below could mistake. */
	c->state = CLIENT_FINISHING;
	c->x.fresh_only = c->x.reused = false;
	c->x.got_bytes = false;
	dispatch_release(p, c);
	dispatch_request(p, c);
}

void dispatch_failed(struct proxy *p, struct client *c, bool refused, int err)
{
	struct upstream *u = client_upstream(p, c);
	struct instance *i = instance_of(p, c);
	struct exchange *x = &c->x;
	bool may_repeat, in_doubt;

	p->count.aborted_by_instance++;
	request_unshare(p, c);
	may_repeat = x->request.size > 0 && !x->body_gone && !x->got_bytes &&
		     (x->idempotent || refused) && ++x->attempts < ATTEMPTS_MAX;
	splice_end(p, &x->up);
	if (u)
		upstream_detach(p, u, false);
	/* Refused by an instance that was not in doubt: it was never there, nobody is to blame. */
	in_doubt = !refused || (x->failed_slot == x->slot && x->failed_generation == x->generation);
	x->failed_slot = x->slot;
	x->failed_generation = x->generation;
	if (may_repeat && i && x->reused && x->has_ticket && !x->fresh_only) {
		/* The server closed an idle connection as we used it: nothing is wrong with it. */
		p->count.retries++;
		x->fresh_only = true;
		start(p, c, i);
		return;
	}
	x->may_repeat = may_repeat;
	if (!i) {
		dispatch_doubt_over(p, c);
		return;
	}
	if (may_repeat && !in_doubt) {
		again_elsewhere(p, c, i, err);
		return;
	}
	control_suspect(p, i, err);
	c->state = CLIENT_DOUBT;
	client_set_deadline(p, c, proxy_now(p) + CAUSE_WAIT_NS);
}

bool dispatch_held(const struct client *c)
{
	return c->x.request.size > 0 && !c->x.body_gone && !c->x.got_bytes;
}

bool dispatch_repeatable(const struct client *c)
{
	return c->x.idempotent && dispatch_held(c) && c->x.attempts + 1 < ATTEMPTS_MAX;
}

void dispatch_anew(struct proxy *p, struct client *c, int err)
{
	struct instance *i = instance_of(p, c);
	struct upstream *u = client_upstream(p, c);

	if (!i || !c->x.has_ticket || !dispatch_held(c) || ++c->x.attempts >= ATTEMPTS_MAX) {
		c->x.reused = false;
		dispatch_failed(p, c, true, err);
		return;
	}
	request_unshare(p, c);
	if (c->x.request.size == 0) { /* there was no buffer for a copy */
		dispatch_failed(p, c, true, err);
		return;
	}
	splice_end(p, &c->x.up);
	if (u)
		upstream_detach(p, u, false);
	p->count.retries++;
	start(p, c, i);
}

/* A request under which two instances died does not get a third. */
void dispatch_doubt_over(struct proxy *p, struct client *c)
{
	struct instance *i = instance_of(p, c);

	if (!c->x.may_repeat || c->x.deaths >= DEATHS_MAX) {
		blame_crashed(p, c);
		return;
	}
	if (p->ban_count > 0 && blame_awaited(p, c) &&
	    c->x.died_ns + CAUSE_WAIT_NS > proxy_now(p)) {
		dispatch_release(p, c);
		c->state = CLIENT_DOUBT;
		client_set_deadline(p, c, c->x.died_ns + CAUSE_WAIT_NS);
		return;
	}
	if (i)
		i->doubt_until_ns = proxy_now(p) + DOUBT_NS;
	again_elsewhere(p, c, NULL, 0);
}

void dispatch_expired(struct proxy *p, struct client *c)
{
	struct service *s = &p->routes.services[c->x.service];
	uint32_t retry_after_s = queue_retry_after_s(p, s);

	p->count.queue_expired++;
	s->refused_late++;
	queue_tell(p, c->x.service);
	reply_error(p, c, 503, "OVERLOADED", retry_after_s,
		    "No instance had room for this request in time.");
}

void dispatch_waiters(struct proxy *p, struct instance *i)
{
	while (i->wait_head) {
		struct client *c = &p->clients[i->wait_head - 1];

		unqueue(p, c);
		start(p, c, i);
		if (c->state == CLIENT_WAITS_SOCKET)
			return;
	}
}

void dispatch_instance_down(struct proxy *p, const struct wire_instance_down *down)
{
	struct instance *i = instances_get(&p->instances, down->slot, down->generation);

	if (!i)
		return;
	upstream_empty_pool(p, i);
	hibernate_instance_down(p, i);
	i->down_cause = down->cause;
	i->down_detail = down->detail;
	blame_died(p, down, i->service);
	h2up_instance_down(p, i);
	instances_down(&p->instances, &p->routes, i);
	cancel_instance_down(p, down->slot, down->generation);
	/* What is joined to it ends by itself: the kernel resets the connections of the dead, after
	 * what they had still sent. Their tickets are of no use any more, the slot is wanted. */
	for (uint32_t n = 0; n < p->client_count; n++) {
		struct client *c = &p->clients[n];

		if (!c->x.has_ticket || c->x.slot != down->slot ||
		    c->x.generation != down->generation)
			continue;
		if (c->state == CLIENT_WAITS_SOCKET) {
			unqueue(p, c);
			again_elsewhere(p, c, NULL, 0);
			continue;
		}
		dispatch_release(p, c);
		if (c->state == CLIENT_DOUBT)
			dispatch_doubt_over(p, c);
	}
}

void dispatch_start_failed(struct proxy *p, const struct wire_start_failed *failed)
{
	struct service *s = &p->routes.services[failed->service];

	s->need_told = 0; /* ebbd has forgotten who waits */
	if (s->first_instance)
		return; /* not the client's error while another can take it */
	while (s->queue_head) {
		struct client *c = &p->clients[s->queue_head - 1];

		if (failed->retry_after_s)
			reply_error(p, c, 503, "OVERLOADED", failed->retry_after_s, "%s",
				    failed->text);
		else
			reply_error(p, c, 502, "INSTANCE_CRASHED", 0,
				    "No instance could be started: %s", failed->text);
	}
}

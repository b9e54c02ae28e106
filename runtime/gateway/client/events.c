// SPDX-License-Identifier: Apache-2.0
/*
 * The events of a client. While a request of the client is open, exchange/events.c handles them; in
 * all other states the table below does, state by event.
 */
#include <errno.h>

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/peer.h"
#include "runtime/gateway/client/request.h"
#include "runtime/gateway/exchange/run.h"

/* ---- handlers ---- */

static enum verdict stay(struct gateway *g, struct client *c)
{
	return VERDICT_STAY;
}

static enum verdict cut(struct gateway *g, struct client *c)
{
	return VERDICT_CUT;
}

static enum verdict unsent(struct gateway *g, struct client *c)
{
	g->count.aborted_by_client++;
	return VERDICT_CUT;
}

/* Only a front connects to this listener, and no front would read an answer in HTTP. */
static enum verdict no_introduction(struct gateway *g, struct client *c)
{
	g->count.proxy_refused++;
	return VERDICT_CUT;
}

static enum verdict introduction(struct gateway *g, struct client *c)
{
	int r = peer_read_introduction(g, c);

	if (r < 0)
		return no_introduction(g, c);
	if (r > 0)
		return client_begin(g, c);
	stream_recv(&g->io, &c->s);
	return VERDICT_STAY;
}

static enum verdict head_bytes(struct gateway *g, struct client *c)
{
	request_read(g, c);
	return VERDICT_STAY;
}

static enum verdict head_too_large(struct gateway *g, struct client *c)
{
	request_too_large(g, c);
	return VERDICT_STAY;
}

/* The head of a request did not arrive in time, or nothing came between two requests. */
static enum verdict silence(struct gateway *g, struct client *c)
{
	if (c->s.in.size == 0) {
		g->count.idle_closed++;
		return VERDICT_CUT;
	}
	g->count.head_timeouts++;
	request_refuse(g, c, 408, "its head did not arrive in time");
	return VERDICT_STAY;
}

static enum verdict session_bytes(struct gateway *g, struct client *c)
{
	g->session_user->received(g, c);
	return VERDICT_STAY;
}

static enum verdict session_sent(struct gateway *g, struct client *c)
{
	g->session_user->sent(g, c);
	return VERDICT_STAY;
}

static enum verdict session_timer(struct gateway *g, struct client *c)
{
	g->session_user->timer(g, c);
	return VERDICT_STAY;
}

static enum verdict answered(struct gateway *g, struct client *c)
{
	exchange_next(g, c);
	return VERDICT_STAY;
}

static enum verdict drop(struct gateway *g, struct client *c)
{
	stream_consume(&g->io, &c->s, c->s.in.size);
	stream_recv(&g->io, &c->s);
	return VERDICT_STAY;
}

/* ---- the table ---- */

typedef enum verdict (*handler)(struct gateway *g, struct client *c);

/* clang-format off */
/* A poll or a watch that completes here was begun for a request that is over by now. */
#define ALWAYS \
	[EVENT_READY] = stay, [EVENT_LEFT] = stay, [EVENT_LOST] = cut, [EVENT_UNSENT] = unsent
/* Our last bytes are being sent, and `then` follows. A client that ended its side still gets them.
 * Received bytes wait. */
#define SENDS(then) \
	ALWAYS, [EVENT_BYTES] = stay, [EVENT_FULL] = cut, [EVENT_SENT] = then, \
	[EVENT_END] = stay, [EVENT_TIMER] = cut

static const handler table[CLIENT_STATE_COUNT][EVENT_COUNT] = {
	[CLIENT_PROXY] = {
		ALWAYS, [EVENT_BYTES] = introduction, [EVENT_FULL] = no_introduction,
		[EVENT_END] = cut, [EVENT_TIMER] = no_introduction,
	},
	[CLIENT_HEAD] = {
		ALWAYS, [EVENT_BYTES] = head_bytes, [EVENT_FULL] = head_too_large,
		[EVENT_SENT] = stay, [EVENT_END] = cut, [EVENT_TIMER] = silence,
	},
	[CLIENT_SESSION] = {
		ALWAYS, [EVENT_BYTES] = session_bytes, [EVENT_FULL] = cut,
		[EVENT_SENT] = session_sent, [EVENT_END] = cut, [EVENT_TIMER] = session_timer,
	},
	[CLIENT_FINISHING] = {SENDS(answered)},
	[CLIENT_PARTING] = {SENDS(answered)},
	[CLIENT_FAREWELL] = {SENDS(client_linger)},
	[CLIENT_DISCARD] = {
		ALWAYS, [EVENT_BYTES] = client_discard, [EVENT_FULL] = cut,
		[EVENT_SENT] = stay, [EVENT_END] = cut, [EVENT_TIMER] = cut,
	},
	[CLIENT_LINGER] = {
		ALWAYS, [EVENT_BYTES] = drop, [EVENT_FULL] = cut,
		[EVENT_SENT] = stay, [EVENT_END] = cut, [EVENT_TIMER] = cut,
	},
};
/* clang-format on */

void client_happens(struct gateway *g, struct client *c, enum exchange_event event)
{
	handler handle;

	must(c->state < CLIENT_STATE_COUNT && event < EVENT_COUNT);
	if (client_is_open(c)) {
		exchange_run(g, c, event, 0);
		return;
	}
	handle = table[c->state][event];
	if (handle)
		client_act(g, c, handle(g, c));
	else
		log_error("event=no_handler state=%s number=%d", client_state_name(c->state),
			  (int)event);
	exchange_check(g, c);
}

/* ---- completions ---- */

/* The client that a completion is for. NULL: the client is closing, and the completion only settles
 * it, or the completion belongs to an earlier use of the slot. */
static struct client *client_of(struct gateway *g, const struct ring_event *e)
{
	struct client *c = &g->clients[e->index];

	if (e->life != c->s.life)
		return NULL;
	if (c->s.closing) {
		stream_on_late(&g->io, &c->s, e);
		client_settle(g, c);
		return NULL;
	}
	return c;
}

/* The same for polls. Completions of receives and sends are counted by stream_on_recv and
 * stream_on_send. */
static struct client *completed(struct gateway *g, const struct ring_event *e)
{
	struct client *c = client_of(g, e);

	if (c)
		c->s.pending--;
	return c;
}

void client_on_recv(void *self, const struct ring_event *e)
{
	static const enum exchange_event events[] = {
		[STREAM_MORE] = EVENT_BYTES,
		[STREAM_END] = EVENT_END,
		[STREAM_FULL] = EVENT_FULL,
		[STREAM_ERROR] = EVENT_LOST,
	};
	struct gateway *g = self;
	struct client *c = client_of(g, e);
	enum stream_result r;
	int err;

	if (!c)
		return;
	r = stream_on_recv(&g->io, &c->s, e, &err);
	if (r == STREAM_NOTHING)
		return;
	if (r == STREAM_STARVED) {
		g->count.no_buffer++;
		starved_put(&g->starved, &c->s);
		return;
	}
	c->eof |= r == STREAM_END || r == STREAM_ERROR;
	client_happens(g, c, events[r]);
}

void client_on_send(void *self, const struct ring_event *e)
{
	struct gateway *g = self;
	struct client *c = client_of(g, e);
	enum stream_result r;
	int err;

	if (!c)
		return;
	r = stream_on_send(&g->io, &c->s, e, &err);
	if (r == STREAM_MORE)
		client_happens(g, c, EVENT_SENT);
	else if (r == STREAM_ERROR)
		client_happens(g, c, EVENT_UNSENT);
}

void client_on_poll(void *self, const struct ring_event *e)
{
	struct client *c = completed(self, e);

	if (!c)
		return;
	c->s.polling = false;
	client_happens(self, c, EVENT_READY);
}

void client_on_gone(void *self, const struct ring_event *e)
{
	struct client *c = completed(self, e);

	if (!c)
		return;
	c->s.watched = false;
	if (e->res > 0)
		client_happens(self, c, EVENT_LEFT);
}

/* A timer may fire before the deadline, which may have moved. The handlers of an open exchange look
 * at their deadlines themselves. */
void client_on_timer(struct gateway *g, struct client *c)
{
	if (c->state == CLIENT_FREE || c->state == CLIENT_CLOSING)
		return;
	if (client_is_open(c) || c->deadline_ns <= gateway_now(g))
		client_happens(g, c, EVENT_TIMER);
	else
		timers_set(&g->timers, c->s.index, c->deadline_ns);
}

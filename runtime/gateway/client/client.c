// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/client/client.h"

#include <errno.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"
#include "runtime/gateway/client/peer.h"
#include "runtime/gateway/client/request.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/gateway/exchange/run.h"

#define LINGER_NS (2 * NS_PER_SEC)

static void set_idle_deadline(struct gateway *g, struct client *c)
{
	exchange_set_deadline(
		g, c,
		gateway_now(g) + (g->draining ? LINGER_NS : g->config.idle_timeout_ms * NS_PER_MS));
}

void client_begin(struct gateway *g, struct client *c)
{
	must(c->state == CLIENT_PROXY || c->state == CLIENT_HEAD);
	if (!peer_admit(g, c)) {
		reply_full(c->s.fd, EDGE_TOO_MANY_CONNECTIONS);
		client_close(g, c);
		return;
	}
	client_enter(c, CLIENT_HEAD);
	set_idle_deadline(g, c);
	if (c->s.in.size > 0)
		request_read(g, c);
	else
		stream_recv(&g->io, &c->s);
}

void client_close(struct gateway *g, struct client *c)
{
	if (c->state == CLIENT_SESSION)
		g->session_user->ended(g, c);
	exchange_close(g, c);
}

static void linger(struct gateway *g, struct client *c)
{
	if (c->eof || shutdown(c->s.fd, SHUT_WR) < 0) {
		client_close(g, c);
		return;
	}
	client_enter(c, CLIENT_LINGER);
	exchange_set_deadline(g, c, gateway_now(g) + LINGER_NS);
	stream_consume(&g->io, &c->s, c->s.in.size);
	stream_recv(&g->io, &c->s);
}

void client_leave(struct gateway *g, struct client *c)
{
	g->session_user->ended(g, c);
	client_enter(c, CLIENT_FINISHING);
	linger(g, c);
}

void client_farewell(struct gateway *g, struct client *c, const char *text, uint32_t size)
{
	c->x = (struct exchange){.request = {.buffer = BUFFER_NONE}};
	flow_init(&c->x.up, HTTP_UNTIL_CLOSE, HTTP_UNTIL_CLOSE, 0);
	flow_init(&c->x.down, HTTP_NO_BODY, HTTP_NO_BODY, 0);
	client_enter(c, CLIENT_FINISHING);
	exchange_set_deadline(g, c, gateway_now(g) + LINGER_NS);
	stream_send(&g->io, &c->s, (struct chunk){(char *)(uintptr_t)text, size, BUFFER_NONE});
}

/* The head of the answer promised that the connection goes on. It goes on when the rest of the
 * request is through, within the time that a client has to read its last answer. */
static void discard(struct gateway *g, struct client *c)
{
	while (c->s.in.size > 0 && !c->x.up.in_done) {
		struct chunk piece;

		if (flow_take(&g->io, &c->x.up, &c->s, &piece) < 0) {
			client_close(g, c);
			return;
		}
		buffers_put(g->io.buffers, piece.buffer);
	}
	if (c->x.up.in_done)
		exchange_next(g, c);
	else
		stream_recv(&g->io, &c->s);
}

static void discard_begin(struct gateway *g, struct client *c)
{
	client_enter(c, CLIENT_DISCARD);
	c->x.up.out = c->x.up.in == HTTP_CHUNKED ? HTTP_UNTIL_CLOSE : c->x.up.in; /* no frames */
	exchange_set_deadline(g, c, gateway_now(g) + LINGER_NS);
	stream_set_nonblocking(&c->s, false);
	discard(g, c);
}

static void next(struct gateway *g, struct client *c)
{
	if (c->s.carried) {
		c->s.carrier->done(c->s.carrier_self, &c->s);
		return;
	}
	if (!c->x.keep_alive || c->eof || g->draining) {
		if (c->x.up.in_done)
			client_close(g, c);
		else
			linger(g, c);
		return;
	}
	if (!c->x.up.in_done) {
		discard_begin(g, c);
		return;
	}
	client_enter(c, CLIENT_HEAD);
	c->spoke = true;
	c->head_seen = 0;
	set_idle_deadline(g, c);
	if (c->s.in.size > 0)
		request_read(g, c);
	else
		stream_recv(&g->io, &c->s);
}

const struct exchange_user client_exchange_user = {
	.next = next,
	.closed = client_settle,
};

/* Nobody but a front is connected here, and none would read an answer in HTTP. */
static void on_introduction(struct gateway *g, struct client *c)
{
	int r = peer_read_introduction(g, c);

	if (r > 0) {
		client_begin(g, c);
	} else if (r == 0) {
		stream_recv(&g->io, &c->s);
	} else {
		g->count.proxy_refused++;
		client_close(g, c);
	}
}

void client_received(struct gateway *g, struct client *c)
{
	switch (c->state) {
	case CLIENT_PROXY:
		on_introduction(g, c);
		break;
	case CLIENT_HEAD:
		request_read(g, c);
		break;
	case CLIENT_SESSION:
		g->session_user->received(g, c);
		break;
	case CLIENT_DISCARD:
		discard(g, c);
		break;
	case CLIENT_LINGER:
		stream_consume(&g->io, &c->s, c->s.in.size);
		stream_recv(&g->io, &c->s);
		break;
	default: /* kept for later otherwise; nothing more is asked for, so this is bounded */
		if (client_is_open(c))
			exchange_run(g, c, EVENT_BYTES, 0);
		break;
	}
}

static void on_end(struct gateway *g, struct client *c)
{
	c->eof = true;
	if (client_is_open(c))
		exchange_run(g, c, EVENT_END, 0);
	else if (c->state != CLIENT_FINISHING) /* answered: let it have the rest */
		client_close(g, c);
}

static void on_full(struct gateway *g, struct client *c)
{
	if (client_is_open(c)) /* half a ping, and no large buffer was left */
		exchange_run(g, c, EVENT_FULL, 0);
	else
		request_too_large(g, c);
}

static void on_lost(struct gateway *g, struct client *c)
{
	if (client_is_open(c))
		exchange_run(g, c, EVENT_LOST, 0);
	else
		client_close(g, c);
}

/* Completions of a closing client only settle it; those of an earlier one are dropped. */
static struct client *client_of(struct gateway *g, const struct loop_event *e)
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

void client_on_recv(void *self, const struct loop_event *e)
{
	struct gateway *g = self;
	struct client *c = client_of(g, e);
	int err;

	if (!c)
		return;
	switch (stream_on_recv(&g->io, &c->s, e, &err)) {
	case STREAM_MORE:
		client_received(g, c);
		break;
	case STREAM_END:
		on_end(g, c);
		break;
	case STREAM_FULL:
		on_full(g, c);
		break;
	case STREAM_STARVED:
		g->count.no_buffer++;
		starved_put(&g->starved, &c->s);
		break;
	case STREAM_ERROR:
		c->eof = true;
		on_lost(g, c);
		break;
	case STREAM_NOTHING:
		break;
	}
	exchange_check(g, c);
}

void client_sent(struct gateway *g, struct client *c)
{
	if (c->state == CLIENT_FINISHING)
		exchange_next(g, c);
	else if (c->state == CLIENT_SESSION)
		g->session_user->sent(g, c);
	else if (client_is_open(c))
		exchange_run(g, c, EVENT_SENT, 0);
}

void client_on_send(void *self, const struct loop_event *e)
{
	struct gateway *g = self;
	struct client *c = client_of(g, e);
	int err;

	if (!c)
		return;
	switch (stream_on_send(&g->io, &c->s, e, &err)) {
	case STREAM_MORE:
		client_sent(g, c);
		break;
	case STREAM_ERROR:
		g->count.aborted_by_client += !client_is_open(c);
		on_lost(g, c);
		break;
	default:
		break;
	}
	exchange_check(g, c);
}

void client_on_poll(void *self, const struct loop_event *e)
{
	struct gateway *g = self;
	struct client *c = client_of(g, e);

	if (!c)
		return;
	c->s.pending--;
	c->s.polling = false;
	if (client_is_open(c))
		exchange_run(g, c, EVENT_READY, 0);
	exchange_check(g, c);
}

void client_on_gone(void *self, const struct loop_event *e)
{
	struct gateway *g = self;
	struct client *c = client_of(g, e);

	if (!c)
		return;
	c->s.pending--;
	c->s.watched = false;
	if (e->res > 0 && client_is_open(c))
		exchange_run(g, c, EVENT_LEFT, 0);
	exchange_check(g, c);
}

/* A head that does not arrive, or nothing between two requests. */
static void on_silence(struct gateway *g, struct client *c)
{
	if (c->s.in.size > 0) {
		g->count.head_timeouts++;
		request_refuse(g, c, 408, "its head did not arrive in time");
		return;
	}
	g->count.idle_closed++;
	client_close(g, c);
}

void client_on_timer(struct gateway *g, struct client *c)
{
	if (c->state == CLIENT_FREE || c->state == CLIENT_CLOSING)
		return;
	if (client_is_open(c)) {
		exchange_run(g, c, EVENT_TIMER, 0);
		return;
	}
	if (c->deadline_ns > gateway_now(g)) {
		timers_set(&g->timers, c->s.index, c->deadline_ns);
		return;
	}
	if (c->state == CLIENT_SESSION) {
		g->session_user->timer(g, c);
	} else if (c->state == CLIENT_HEAD) {
		on_silence(g, c);
	} else {
		g->count.proxy_refused += c->state == CLIENT_PROXY;
		client_close(g, c);
	}
	exchange_check(g, c);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/client/client.h"

#include <sys/socket.h>

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"
#include "runtime/gateway/client/peer.h"
#include "runtime/gateway/client/request.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/gateway/exchange/run.h"

#define LINGER_NS      (2 * NS_PER_SEC)
#define CALLER_IDLE_NS (24 * 3600 * NS_PER_SEC)

/* A caller that was frozen uses a connection that it kept before it could see that it was closed.
 * So calls through bindings keep theirs while there is room. */
static uint64_t idle_ns(const struct gateway *g, const struct client *c)
{
	if (g->leaving)
		return LINGER_NS;
	if (c->binding && g->callers.open <= g->callers.open_max / 2)
		return CALLER_IDLE_NS;
	return g->config.idle_timeout_ms * NS_PER_MS;
}

static void set_idle_deadline(struct gateway *g, struct client *c)
{
	exchange_set_deadline(g, c, gateway_now(g) + idle_ns(g, c));
}

/* The next request may have been received already. */
static enum verdict next_request(struct gateway *g, struct client *c)
{
	must(c->x.down.trailers.buffer == BUFFER_NONE);
	client_enter(c, CLIENT_HEAD);
	c->head_seen = 0;
	set_idle_deadline(g, c);
	if (c->s.in.size > 0)
		request_read(g, c);
	else
		stream_recv(&g->io, &c->s);
	return VERDICT_STAY;
}

enum verdict client_begin(struct gateway *g, struct client *c)
{
	must(c->state == CLIENT_PROXY || c->state == CLIENT_HEAD);
	if (!peer_admit(g, c)) {
		reply_full(c->s.fd, EDGE_TOO_MANY_CONNECTIONS);
		return VERDICT_CUT;
	}
	return next_request(g, c);
}

void client_close(struct gateway *g, struct client *c)
{
	if (c->state == CLIENT_SESSION)
		g->session_user->ended(g, c);
	exchange_close(g, c);
}

void client_act(struct gateway *g, struct client *c, enum verdict v)
{
	must(v == VERDICT_STAY || v == VERDICT_CUT);
	if (v == VERDICT_CUT)
		client_close(g, c);
}

enum verdict client_linger(struct gateway *g, struct client *c)
{
	if (c->eof || shutdown(c->s.fd, SHUT_WR) < 0)
		return VERDICT_CUT;
	client_enter(c, CLIENT_LINGER);
	exchange_set_deadline(g, c, gateway_now(g) + LINGER_NS);
	stream_consume(&g->io, &c->s, c->s.in.size);
	stream_recv(&g->io, &c->s);
	return VERDICT_STAY;
}

void client_leave(struct gateway *g, struct client *c)
{
	must(c->state == CLIENT_SESSION);
	g->session_user->ended(g, c);
	client_enter(c, CLIENT_FAREWELL);
	client_act(g, c, client_linger(g, c));
}

void client_farewell(struct gateway *g, struct client *c, const char *text, uint32_t size)
{
	must(c->state == CLIENT_HEAD && !c->s.sending);
	client_enter(c, CLIENT_FAREWELL);
	exchange_set_deadline(g, c, gateway_now(g) + LINGER_NS);
	stream_send(&g->io, &c->s, (struct chunk){(char *)(uintptr_t)text, size, BUFFER_NONE});
}

/* The head of the answer promised that the connection goes on. It goes on when the rest of the
 * request has been read, within the time that a client has to read its last answer. */
enum verdict client_discard(struct gateway *g, struct client *c)
{
	must(c->state == CLIENT_DISCARD);
	while (c->s.in.size > 0 && !c->x.up.in_done) {
		struct chunk piece;

		if (flow_take(&g->io, &c->x.up, &c->s, &piece) < 0)
			return VERDICT_CUT;
		buffers_put(g->io.buffers, piece.buffer);
	}
	if (c->x.up.in_done)
		exchange_next(g, c);
	else
		stream_recv(&g->io, &c->s);
	return VERDICT_STAY;
}

static enum verdict discard_begin(struct gateway *g, struct client *c)
{
	client_enter(c, CLIENT_DISCARD);
	c->x.up.out = c->x.up.in == HTTP_CHUNKED ? HTTP_UNTIL_CLOSE : c->x.up.in; /* no frames */
	exchange_set_deadline(g, c, gateway_now(g) + LINGER_NS);
	stream_set_nonblocking(&c->s, false);
	return client_discard(g, c);
}

static enum verdict after_answer(struct gateway *g, struct client *c)
{
	bool goes_on = !c->x.answer.last && !c->eof && !g->leaving;

	if (goes_on)
		return c->x.up.in_done ? next_request(g, c) : discard_begin(g, c);
	return c->x.up.in_done && c->s.in.size == 0 ? VERDICT_CUT : client_linger(g, c);
}

static void next(struct gateway *g, struct client *c)
{
	if (!c->s.carried) {
		client_act(g, c, after_answer(g, c));
		return;
	}
	client_enter(c, CLIENT_PARTING);
	c->s.carrier->done(c->s.carrier_self, &c->s);
}

const struct exchange_user client_exchange_user = {
	.next = next,
	.closed = client_settle,
};

// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/answer.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/dispatch.h"
#include "runtime/gateway/exchange/load.h"
#include "runtime/gateway/exchange/relay.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/gateway/exchange/response.h"
#include "runtime/gateway/exchange/tunnel.h"

static const char *wrong_protocol(const struct instance *i, bool http2)
{
	if (http2)
		return i->upstream == WIRE_HTTP_1
			       ? "it speaks HTTP/2 (as gRPC servers do), and ebb.upstream is http1"
			       : "it speaks HTTP/2 (as gRPC servers do), which was found when the "
				 "body had begun; set ebb.upstream to h2c";
	return i->upstream == WIRE_HTTP_2 ? "it speaks HTTP/1.1, and ebb.upstream is h2c"
					  : "it speaks neither HTTP/2 nor HTTP/1.1";
}

void answer_speaks(struct gateway *g, struct client *c, struct upstream *u, bool http2)
{
	struct instance *i = upstream_instance(&g->up, u);
	enum speaks now = http2 ? SPEAKS_HTTP2 : SPEAKS_HTTP1;

	if (!i || (i->upstream != WIRE_HTTP_AUTO) || (i->told && i->speaks != now)) {
		reply_error(g, c, EDGE_BAD_RESPONSE, 0, "The function's answer was refused: %s.",
			    i ? wrong_protocol(i, http2) : "its instance ended");
		return;
	}
	i->told = true;
	i->speaks = now;
	if (http2)
		g->routes.services[i->service].http2_revision = i->revision;
	if (dispatch_held(c)) {
		dispatch_anew(g, c, -EPROTO);
		return;
	}
	reply_error(g, c, EDGE_BAD_RESPONSE, 0, "The function's answer was refused: %s.",
		    wrong_protocol(i, http2));
}

static void on_bytes(struct gateway *g, struct client *c, struct upstream *u)
{
	if (!c->x.sent.got_bytes) {
		load_first_byte(g, c);
		if (c->x.sent.reused)
			pool_note_kept(&g->up, u);
	}
	c->x.sent.got_bytes = true;
	if (c->state == CLIENT_ASKED)
		response_read(g, c, u);
	else
		relay_pump(g, c, RELAY_DOWN);
}

/* Whether the server cannot have read any of the request, because it had closed the connection
 * before. A request that may not be sent twice may then be sent again (RFC 9110 section 9.2.2).
 * looking: the server's end was here before the request was sent. unsent: the kernel took none of
 * the request. Else the end came first (a close with unread bytes is a reset) and nothing was
 * acknowledged. */
static bool was_closed_before(const struct client *c, const struct upstream *u, int err)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	uint64_t sent;

	if (!c->x.sent.reused || c->x.sent.got_bytes)
		return false;
	if (u->looking || c->x.sent.unsent)
		return true;
	if ((err && err != -EPIPE) || getsockopt(u->s.fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return false;
	sent = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
	/* The SYN counts as one that was acknowledged. */
	return c->x.request.size > 0 && sent + 1 >= info.tcpi_bytes_acked + c->x.request.size;
}

static void on_end(struct gateway *g, struct client *c, struct upstream *u, int err)
{
	if (c->state == CLIENT_ASKED) {
		if (c->x.sent.reused && !c->x.sent.got_bytes)
			pool_note_ended(&g->up, u);
		dispatch_failed(g, c, was_closed_before(c, u, err), err);
	} else if (client_is_tunnel(c)) {
		tunnel_on_end(g, c, RELAY_DOWN, err);
	} else if (err) { /* reset: what came is not all */
		g->count.aborted_by_instance++;
		exchange_close(g, c);
	} else {
		relay_on_end(g, c, RELAY_DOWN);
	}
}

/* It may have answered before it closed: the received bytes decide. */
static void on_broken(struct gateway *g, struct client *c, const struct upstream *u)
{
	struct exchange *x = &c->x;

	x->sent.unsent = u->s.out.size > 0 && u->s.out.at == x->request.at &&
			 u->s.out.size == x->request.size && !x->body_gone;
	x->sent.broken = true;
	x->sent.reusable = false;
	if (x->up.pipe)
		splice_end(&g->pipes, &x->up);
	upstream_no_more(u);
	if (client_is_tunnel(c))
		tunnel_pump(g, c, RELAY_UP);
}

static void on_event(void *self, struct upstream *u, enum upstream_event event, int err)
{
	struct gateway *g = self;
	struct client *c = upstream_client(g, u);

	must(c && c->x.upstream == u->s.index + 1);
	switch (event) {
	case UPSTREAM_BYTES:
		on_bytes(g, c, u);
		break;
	case UPSTREAM_FULL:
		reply_error(g, c, EDGE_BAD_RESPONSE, 0, "The head of the response is too large.");
		break;
	case UPSTREAM_END:
		on_end(g, c, u, err);
		break;
	case UPSTREAM_SENT:
		relay_pump(g, c, RELAY_UP);
		break;
	case UPSTREAM_BROKEN:
		on_broken(g, c, u);
		break;
	case UPSTREAM_READY:
		relay_ready(g, c);
		break;
	case UPSTREAM_STRAY:
		dispatch_failed(g, c, false, -EPROTO);
		break;
	case UPSTREAM_REFUSED:
	case UPSTREAM_WAS_OVER:
		dispatch_failed(g, c, true, err);
		break;
	}
	exchange_check(g, c);
}

/* ---- streams of HTTP/2 ---- */

static void refuse(struct gateway *g, struct client *c, const struct upstream_end *end)
{
	if (end->others && dispatch_repeatable(c))
		dispatch_anew(g, c, end->err);
	else if (end->kind == UPSTREAM_RESET)
		reply_error(g, c, EDGE_BAD_RESPONSE, 0,
			    "The function reset the stream without an answer (%s).", end->why);
	else
		reply_error(g, c, EDGE_BAD_RESPONSE, 0, "The function's answer was refused: %s.",
			    end->why ? end->why : "it was no answer");
}

static void on_over(void *self, struct upstream *u, const struct upstream_end *end)
{
	struct gateway *g = self;
	struct client *c = upstream_client(g, u);

	must(c && c->x.upstream == u->s.index + 1);
	if (c->state != CLIENT_ASKED) {
		g->count.aborted_by_instance++;
		c->x.reset_code = end->code;
		exchange_close(g, c);
	} else if (end->kind == UPSTREAM_GAVE_BACK) {
		load_gave_back(g, c);
	} else if (end->kind == UPSTREAM_HTTP1) {
		answer_speaks(g, c, u, false);
	} else if (end->kind == UPSTREAM_UNREAD || (end->unread && c->x.sent.reused)) {
		dispatch_anew(g, c, end->err);
	} else if (end->kind == UPSTREAM_LOST) {
		dispatch_failed(g, c, end->unread, end->err);
	} else {
		refuse(g, c, end);
	}
	exchange_check(g, c);
}

static void on_room(void *self, struct instance *i)
{
	dispatch_waiters(self, i);
}

static void on_gave(void *self, const struct upstream *u)
{
	struct gateway *g = self;

	if (g->routes.services[u->service].queue_head)
		dispatch_service_queue(g, u->service);
}

const struct upstream_user answer_user = {
	.event = on_event,
	.over = on_over,
	.room = on_room,
	.gave = on_gave,
};

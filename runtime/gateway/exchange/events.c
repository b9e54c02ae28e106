// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/events.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/dispatch.h"
#include "runtime/gateway/exchange/held.h"
#include "runtime/gateway/exchange/load.h"
#include "runtime/gateway/exchange/pace.h"
#include "runtime/gateway/exchange/relay.h"
#include "runtime/gateway/exchange/response.h"
#include "runtime/gateway/exchange/speaks.h"
#include "runtime/gateway/exchange/tunnel.h"

/* ---- of its upstream ---- */

static enum verdict first_bytes(struct gateway *g, struct client *c, const struct happening *h)
{
	struct upstream *u = client_upstream(g, c);

	if (!c->x.sent.got_bytes) {
		load_first_byte(g, c);
		if (c->x.sent.reused)
			pool_note_kept(&g->up, u);
	}
	c->x.sent.got_bytes = true;
	return response_read(g, c, u);
}

static enum verdict up_failed(struct gateway *g, struct client *c, const struct happening *h)
{
	return dispatch_failed(g, c, h->event != EVENT_UP_STRAY,
			       h->event == EVENT_UP_STRAY ? -EPROTO : h->err);
}

static enum verdict up_full(struct gateway *g, struct client *c, const struct happening *h)
{
	return exchange_fail(g, c, EDGE_BAD_RESPONSE, 0, "The head of the response is too large.");
}

/* Whether the server cannot have read any of the request, because it had closed the connection
 * before the request came. Then even a request that is not idempotent may be sent again (RFC 9110
 * section 9.2.2). That is so if the end of the connection was here before the request was sent
 * (looking), or if the kernel took no byte of the request (unsent). Else the server closed first (a
 * close with unread bytes is a reset), and it acknowledged nothing of the request. */
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
	/* The SYN counts as one acknowledged byte. */
	return c->x.request.size > 0 && sent + 1 >= info.tcpi_bytes_acked + c->x.request.size;
}

static enum verdict up_end_unanswered(struct gateway *g, struct client *c,
				      const struct happening *h)
{
	struct upstream *u = client_upstream(g, c);

	if (c->x.sent.reused && !c->x.sent.got_bytes)
		pool_note_ended(&g->up, u);
	return dispatch_failed(g, c, was_closed_before(c, u, h->err), h->err);
}

static enum verdict up_end_answer(struct gateway *g, struct client *c, const struct happening *h)
{
	if (!h->err)
		return relay_on_end(g, c, RELAY_DOWN);
	g->count.aborted_by_instance++; /* a reset: bytes of the answer may be missing */
	return VERDICT_CUT;
}

static enum verdict up_end_tunnel(struct gateway *g, struct client *c, const struct happening *h)
{
	return tunnel_on_end(g, c, RELAY_DOWN, h->err);
}

/* The server may have answered before it closed: the bytes that can still be received decide. */
static enum verdict up_broken(struct gateway *g, struct client *c, const struct happening *h)
{
	const struct upstream *u = client_upstream(g, c);
	struct exchange *x = &c->x;

	x->sent.unsent = u->s.out.size > 0 && u->s.out.at == x->request.at &&
			 u->s.out.size == x->request.size;
	x->sent.broken = true;
	x->sent.reusable = false;
	splice_end(&g->pipes, &x->up);
	upstream_no_more(u);
	return client_is_tunnel(c) ? tunnel_pump(g, c, RELAY_UP) : VERDICT_STAY;
}

static enum verdict up_over_unanswered(struct gateway *g, struct client *c,
				       const struct happening *h)
{
	const struct upstream_end *end = h->end;

	if (end->kind == UPSTREAM_GAVE_BACK)
		return load_gave_back(g, c);
	if (end->kind == UPSTREAM_HTTP1)
		return speaks_found(g, c, client_upstream(g, c), false);
	if (end->kind == UPSTREAM_UNREAD || (end->unread && c->x.sent.reused))
		return dispatch_anew(g, c, end->err);
	if (end->kind == UPSTREAM_LOST)
		return dispatch_failed(g, c, end->unread, end->err);
	if (end->others && dispatch_repeatable(c))
		return dispatch_anew(g, c, end->err);
	if (end->kind == UPSTREAM_RESET)
		return exchange_fail(g, c, EDGE_BAD_RESPONSE, 0,
				     "The function reset the stream without an answer (%s).",
				     end->why);
	return exchange_fail(g, c, EDGE_BAD_RESPONSE, 0, "The function's answer was refused: %s.",
			     end->why ? end->why : "it was no answer");
}

static enum verdict up_over_answer(struct gateway *g, struct client *c, const struct happening *h)
{
	g->count.aborted_by_instance++;
	c->x.answer.reset_code = h->end->code;
	return VERDICT_CUT;
}

/* ---- of its client, and of bodies ---- */

static enum verdict stay(struct gateway *g, struct client *c, const struct happening *h)
{
	return VERDICT_STAY;
}

static enum verdict pump_up(struct gateway *g, struct client *c, const struct happening *h)
{
	return relay_pump(g, c, RELAY_UP);
}

/* More bytes of the body came. */
static enum verdict body_bytes(struct gateway *g, struct client *c, const struct happening *h)
{
	return c->x.up.in_done ? VERDICT_STAY : relay_pump(g, c, RELAY_UP);
}

static enum verdict body_end(struct gateway *g, struct client *c, const struct happening *h)
{
	return relay_on_end(g, c, RELAY_UP);
}

static enum verdict pump_down(struct gateway *g, struct client *c, const struct happening *h)
{
	return relay_pump(g, c, RELAY_DOWN);
}

static enum verdict ready(struct gateway *g, struct client *c, const struct happening *h)
{
	return relay_ready(g, c);
}

/* An interim head (1xx) was sent: another head may have been received behind it. */
static enum verdict sent_interim(struct gateway *g, struct client *c, const struct happening *h)
{
	struct upstream *u = client_upstream(g, c);

	return u->s.in.size > 0 ? response_read(g, c, u) : VERDICT_STAY;
}

static enum verdict gone(struct gateway *g, struct client *c, const struct happening *h)
{
	g->count.aborted_by_client++;
	return VERDICT_CUT;
}

/* The client left while its body waited for an instance that does not read. Nothing else would show
 * that. */
static enum verdict left(struct gateway *g, struct client *c, const struct happening *h)
{
	return c->x.up.in_done ? VERDICT_STAY : gone(g, c, h);
}

static enum verdict cut(struct gateway *g, struct client *c, const struct happening *h)
{
	return VERDICT_CUT;
}

/* ---- tunnels ---- */

static enum verdict tunnel_up(struct gateway *g, struct client *c, const struct happening *h)
{
	return tunnel_pump(g, c, RELAY_UP);
}

static enum verdict tunnel_bytes(struct gateway *g, struct client *c, const struct happening *h)
{
	return c->x.up.in_done ? VERDICT_STAY : tunnel_pump(g, c, RELAY_UP);
}

static enum verdict tunnel_down(struct gateway *g, struct client *c, const struct happening *h)
{
	return tunnel_pump(g, c, RELAY_DOWN);
}

static enum verdict tunnel_end(struct gateway *g, struct client *c, const struct happening *h)
{
	return tunnel_on_end(g, c, RELAY_UP, 0);
}

static enum verdict tunnel_timer(struct gateway *g, struct client *c, const struct happening *h)
{
	return tunnel_on_timer(g, c);
}

/* ---- time, and deaths ---- */

/* True if the deadline has passed. A timer may fire earlier, and is then set again. */
static bool is_due(struct gateway *g, struct client *c)
{
	if (c->deadline_ns <= gateway_now(g))
		return true;
	timers_set(&g->timers, c->s.index, c->deadline_ns);
	return false;
}

static enum verdict waited(struct gateway *g, struct client *c, const struct happening *h)
{
	return is_due(g, c) ? dispatch_expired(g, c) : VERDICT_STAY;
}

static enum verdict doubted(struct gateway *g, struct client *c, const struct happening *h)
{
	return is_due(g, c) ? dispatch_doubt_over(g, c) : VERDICT_STAY;
}

/* Ends the sending side of the connection, so that the instance sees the end of its input. The
 * ticket stays with the connection until the instance closes its side. */
static void leave(struct gateway *g, struct client *c)
{
	struct upstream *u = client_upstream(g, c);
	struct exchange *x = &c->x;

	if (x->ticket == TICKET_NONE || !upstream_leave(&g->up, u, x->service))
		return; /* the upstream is closed with the exchange */
	splice_end(&g->pipes, &x->up);
	splice_end(&g->pipes, &x->down);
	held_drop(g, c);
	x->upstream = 0;
	x->ticket = TICKET_NONE; /* the connection owns the ticket now */
}

/* Checks the pace of the client, and then maxDuration. */
static enum verdict served(struct gateway *g, struct client *c, const struct happening *h)
{
	uint32_t limit_ms = g->routes.services[c->x.service].record.max_duration_ms;
	enum verdict v = pace_check(g, c);

	if (v != VERDICT_STAY || !is_due(g, c))
		return v;
	v = exchange_fail(g, c, EDGE_MAX_DURATION, 0,
			  "The function did not finish within its maxDuration of %u ms.", limit_ms);
	leave(g, c);
	return v;
}

static enum verdict down_waiting(struct gateway *g, struct client *c, const struct happening *h)
{
	dispatch_unqueue(g, c);
	g->count.retries++;
	return dispatch_elsewhere(g, c);
}

static enum verdict down_doubted(struct gateway *g, struct client *c, const struct happening *h)
{
	return dispatch_doubt_over(g, c);
}

/* ---- the table ---- */

typedef enum verdict (*handler)(struct gateway *g, struct client *c, const struct happening *h);

/* clang-format off */
/* Received bytes stay in the stream while nobody can read them. */
#define WAITS \
	[EVENT_BYTES] = stay, [EVENT_SENT] = stay, [EVENT_READY] = stay, [EVENT_LEFT] = stay, \
	[EVENT_END] = gone, [EVENT_LOST] = gone, [EVENT_UNSENT] = gone, [EVENT_FULL] = cut
/* The request is with an instance; `timer` looks at the times of this state. */
#define JOINED(timer) \
	[EVENT_UP_FULL] = up_full, [EVENT_UP_BROKEN] = up_broken, [EVENT_FULL] = cut, \
	[EVENT_LOST] = gone, [EVENT_UNSENT] = gone, [EVENT_TIMER] = timer, [EVENT_DOWN] = stay
/* It is a request whose body may still be on its way. */
#define SERVED \
	JOINED(served), [EVENT_UP_SENT] = pump_up, [EVENT_UP_READY] = ready, \
	[EVENT_BYTES] = body_bytes, [EVENT_BODY_END] = body_end, [EVENT_READY] = ready, \
	[EVENT_END] = gone, [EVENT_LEFT] = left
/* Its instance failed: the time to hear of the cause passes, or the cause is known. */
#define DOUBTS WAITS, [EVENT_TIMER] = doubted, [EVENT_DOWN] = down_doubted
/* Bytes after a 101. A tunnel to an instance that died ends by itself: the kernel resets the
 * connections of the dead, after what they had still sent. */
#define TUNNELS \
	JOINED(tunnel_timer), [EVENT_UP_BYTES] = tunnel_down, [EVENT_UP_END] = up_end_tunnel, \
	[EVENT_UP_SENT] = tunnel_up, [EVENT_UP_READY] = stay, [EVENT_BYTES] = tunnel_bytes, \
	[EVENT_SENT] = tunnel_down, [EVENT_READY] = stay, [EVENT_END] = tunnel_end, \
	[EVENT_LEFT] = stay

static const handler table[CLIENT_STATE_COUNT][EVENT_COUNT] = {
	[CLIENT_QUEUED] = {WAITS, [EVENT_TIMER] = waited},
	[CLIENT_WAITS_SOCKET] = {WAITS, [EVENT_TIMER] = waited, [EVENT_DOWN] = down_waiting},
	[CLIENT_ASKED] = {
		SERVED, [EVENT_UP_BYTES] = first_bytes, [EVENT_UP_STRAY] = up_failed,
		[EVENT_UP_END] = up_end_unanswered, [EVENT_UP_REFUSED] = up_failed,
		[EVENT_UP_WAS_OVER] = up_failed, [EVENT_UP_OVER] = up_over_unanswered,
		[EVENT_SENT] = sent_interim,
	},
	[CLIENT_ANSWERING] = {
		SERVED, [EVENT_UP_BYTES] = pump_down, [EVENT_UP_END] = up_end_answer,
		[EVENT_UP_OVER] = up_over_answer, [EVENT_SENT] = pump_down,
	},
	[CLIENT_TUNNEL] = {TUNNELS},
	[CLIENT_SPARED] = {TUNNELS},
	[CLIENT_ASLEEP] = {TUNNELS},
	[CLIENT_WAKING] = {TUNNELS},
	[CLIENT_DOUBT] = {DOUBTS},
	[CLIENT_LOST] = {DOUBTS},
	[CLIENT_JUDGED] = {WAITS, [EVENT_TIMER] = doubted},
};
/* clang-format on */

enum verdict exchange_handle(struct gateway *g, struct client *c, const struct happening *h)
{
	handler handle;

	must(c->state < CLIENT_STATE_COUNT && h->event < EVENT_COUNT);
	handle = table[c->state][h->event];
	if (handle)
		return handle(g, c, h);
	log_error("event=no_handler state=%s number=%d", client_state_name(c->state), h->event);
	return VERDICT_STAY;
}

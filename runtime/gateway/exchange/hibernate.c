// SPDX-License-Identifier: Apache-2.0
/*
 * WebSockets that cost nothing while nobody speaks. After hibernate_ms without a message a
 * WebSocket gives its ticket back, so that the instance can freeze; the connections on both sides
 * stay as they are. Meanwhile the gateway answers the client's pings and swallows its pongs.
 * Anything else from the client (a message, a close frame, the end of the connection, a pong that
 * the server waits for) first takes a ticket on the same instance again, which thaws it, and then
 * passes. If the instance is at its limit, the WebSocket waits in a line that each gateway has for
 * each instance, and keeps the bytes of one receive. Bytes of the server pass at once and need no
 * ticket: a frozen server could not send them.
 *
 * A silent WebSocket with a ticket keeps others waiting at the limit of an instance, and
 * hibernate_ms may be longer than their patience. So while somebody waits (board_want), a WebSocket
 * that was silent for YIELD_NS gives its ticket away and sleeps early. The instance still does not
 * freeze before the end of hibernate_ms (board_keep_awake).
 */
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/queue.h"
#include "runtime/gateway/exchange/ticket.h"
#include "runtime/gateway/exchange/tunnel.h"

#define YIELD_NS     HIBERNATE_LOOK_NS /* most answers to a message are out by then */
#define LOOK_MOST_NS NS_PER_SEC        /* no event says that others wait */

/* ---- to sleep ---- */

static bool between(struct gateway *g, struct client *c)
{
	const struct tunnel *t = tunnel_of(g, c);
	const struct upstream *u = client_upstream(g, c);

	return ws_between_messages(&t->up) && ws_between_messages(&t->down) && !c->s.sending &&
	       c->s.in.size == 0 && !u->s.sending && u->s.in.size == 0;
}

static bool may_sleep(struct gateway *g, struct client *c)
{
	const struct tunnel *t = tunnel_of(g, c);

	return c->state == CLIENT_TUNNEL && t->hibernate_ms > 0 && !t->closing && !t->leaving &&
	       !c->x.up.in_done && !c->x.down.in_done && c->x.ticket != TICKET_NONE &&
	       client_upstream(g, c);
}

static uint64_t silent_since_ns(struct gateway *g, struct client *c)
{
	const struct tunnel *t = tunnel_of(g, c);
	uint64_t last_ns = t->data_ns;

	/* A ping is no message, but its answer is awaited for as long as one. */
	if (t->client_pinged)
		for (int way = 0; way < 2; way++)
			last_ns = t->moved_ns[way] > last_ns ? t->moved_ns[way] : last_ns;
	return last_ns;
}

/* The next look comes soon after a message and then ever more rarely. Only a look shows whether
 * others wait. */
static uint64_t look_again_ns(uint64_t now_ns, uint64_t last_ns, uint64_t end_ns)
{
	uint64_t wait_ns = now_ns - last_ns;

	wait_ns = wait_ns < YIELD_NS ? YIELD_NS : wait_ns;
	wait_ns = wait_ns < LOOK_MOST_NS ? wait_ns : LOOK_MOST_NS;
	return end_ns > now_ns && end_ns < now_ns + wait_ns ? end_ns : now_ns + wait_ns;
}

uint64_t hibernate_try(struct gateway *g, struct client *c)
{
	struct tunnel *t = tunnel_of(g, c);
	uint64_t now_ns = gateway_now(g), last_ns, end_ns;
	bool yields;

	if (!may_sleep(g, c))
		return 0;
	last_ns = silent_since_ns(g, c);
	end_ns = last_ns + t->hibernate_ms * NS_PER_MS;
	yields = end_ns > now_ns && now_ns - last_ns >= YIELD_NS &&
		 board_wanted(g->board, c->x.slot, now_ns);
	if ((end_ns > now_ns && !yields) || !between(g, c))
		return look_again_ns(now_ns, last_ns, end_ns);
	if (yields)
		board_keep_awake(g->board, c->x.slot, end_ns);
	g->count.yields += yields;
	client_enter(c, CLIENT_ASLEEP);
	t->until_ns = 0;
	t->client_pinged = false;
	g->count.hibernations++;
	board_sleep(g->board, g->config.index, c->x.slot, 1);
	return 0;
}

/* ---- asleep ---- */

/* Answers one ping of the client. False: no buffer is free. */
static bool answer(struct gateway *g, struct client *c, const struct ws_frame *ping)
{
	struct chunk pong = {.buffer = BUFFER_NONE};

	pong.buffer = buffers_get(g->io.buffers, BUFFER_UNIT);
	if (pong.buffer == BUFFER_NONE)
		return false;
	pong.at = buffers_at(g->io.buffers, pong.buffer);
	pong.size = (uint32_t)ws_write_pong(pong.at, ping, c->s.in.at + ping->head_bytes);
	if (!c->s.sending)
		tunnel_of(g, c)->moved_ns[RELAY_DOWN] = gateway_now(g);
	stream_send(&g->io, &c->s, pong);
	tunnel_look_at(g, c, gateway_now(g) + g->config.idle_timeout_ms * NS_PER_MS);
	g->count.pongs++;
	return true;
}

/* Deals with one control frame of the client. False: the instance must get it. */
static bool deal_with(struct gateway *g, struct client *c, const struct ws_frame *frame)
{
	struct tunnel *t = tunnel_of(g, c);
	bool ours = frame->opcode == WS_PONG
			    ? !t->server_pinged
			    : frame->opcode == WS_PING && ws_between_frames(&t->down) &&
				      answer(g, c, frame);

	if (ours)
		stream_consume(&g->io, &c->s, frame->head_bytes + frame->payload_bytes);
	return ours;
}

static void wait_for_rest(struct gateway *g, struct client *c)
{
	struct tunnel *t = tunnel_of(g, c);

	if (t->until_ns == 0) {
		t->until_ns = gateway_now(g) + g->config.head_timeout_ms * NS_PER_MS;
		tunnel_look_at(g, c, t->until_ns);
	}
	stream_recv(&g->io, &c->s);
}

enum hibernate_wake hibernate_read(struct gateway *g, struct client *c)
{
	struct tunnel *t = tunnel_of(g, c);
	struct ws_frame frame;

	while (c->state == CLIENT_ASLEEP && c->s.in.size > 0) {
		int r = ws_peek_control(&t->up, c->s.in.at, c->s.in.size, &frame);

		if (r == 0) {
			wait_for_rest(g, c);
			return HIBERNATE_WAITS;
		}
		if (r > 0 && c->s.sending && c->s.next.size)
			return HIBERNATE_WAITS; /* a client that reads no pongs gets no more;
						 * tunnel_pump calls this again */
		if (r < 0 || !deal_with(g, c, &frame))
			return hibernate_wake(g, c);
		if (!t->leaving)
			t->until_ns = 0;
	}
	if (c->state == CLIENT_ASLEEP)
		stream_recv(&g->io, &c->s);
	return HIBERNATE_WAITS;
}

/* ---- awake again ---- */

static void leave_line(struct gateway *g, struct client *c)
{
	must(c->state == CLIENT_WAKING && g->wakers > 0 && chain_is_linked(&c->in_line));
	chain_remove(&c->in_line);
	g->wakers--;
}

static void awake(struct gateway *g, struct client *c)
{
	struct tunnel *t = tunnel_of(g, c);

	client_enter(c, c->x.ticket != TICKET_NONE ? CLIENT_TUNNEL : CLIENT_SPARED);
	if (!t->leaving)
		t->until_ns = 0;
	t->data_ns = gateway_now(g);
	board_sleep(g->board, g->config.index, c->x.slot, -1);
	tunnel_look_at(g, c, gateway_now(g) + HIBERNATE_LOOK_NS);
}

enum hibernate_wake hibernate_wake_now(struct gateway *g, struct client *c, struct instance *i)
{
	enum board_take taken = ticket_again(g, c);
	/* A draining instance runs until it ends, and takes bytes on open connections. */
	bool spared = taken == BOARD_GONE && i &&
		      board_state_of(board_load(g->board, i->slot)) == BOARD_DRAINING;

	must(c->state == CLIENT_ASLEEP || c->state == CLIENT_WAKING);
	if (taken == BOARD_FULL)
		return HIBERNATE_WAITS;
	if (c->state == CLIENT_WAKING)
		leave_line(g, c);
	client_enter(c, CLIENT_ASLEEP);
	g->count.wakes += taken == BOARD_TAKEN || taken == BOARD_TAKEN_THAW;
	if (taken == BOARD_GONE && !spared)
		return HIBERNATE_GONE;
	awake(g, c);
	return HIBERNATE_WOKEN;
}

enum hibernate_wake hibernate_wake(struct gateway *g, struct client *c)
{
	struct tunnel *t = tunnel_of(g, c);
	struct instance *i = client_instance(g, c);
	enum hibernate_wake woken;

	if (c->state != CLIENT_ASLEEP)
		return HIBERNATE_WAITS;
	woken = !i || chain_is_empty(&i->wakes) ? hibernate_wake_now(g, c, i) : HIBERNATE_WAITS;
	if (woken != HIBERNATE_WAITS)
		return woken;
	must(i);
	client_enter(c, CLIENT_WAKING);
	board_want(g->board, c->x.slot, gateway_now(g));
	chain_add_last(&i->wakes, &c->in_line);
	g->wakers++;
	if (!t->leaving) {
		t->until_ns = gateway_now(g) + g->config.queue_age_ms_max * NS_PER_MS;
		tunnel_look_at(g, c, t->until_ns);
	}
	timers_set(&g->timers, gateway_coarse_timer(g), gateway_now(g) + WAKER_CHECK_NS);
	return HIBERNATE_WAITS;
}

/* ---- ends ---- */

void hibernate_ended(struct gateway *g, struct client *c)
{
	if (c->state != CLIENT_ASLEEP && c->state != CLIENT_WAKING)
		return;
	if (c->state == CLIENT_WAKING)
		leave_line(g, c);
	client_enter(c, CLIENT_TUNNEL);
	board_sleep(g->board, g->config.index, c->x.slot, -1);
	(void)ticket_again(g, c); /* the end of the exchange gives the ticket back */
}

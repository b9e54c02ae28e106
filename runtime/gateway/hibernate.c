// SPDX-License-Identifier: Apache-2.0
/*
 * WebSockets that cost nothing while nobody speaks. After hibernate_ms without a message the ticket
 * is given back, so that the instance can freeze; the connections on both sides stay as they are.
 * Meanwhile the gateway answers the client's pings and swallows its pongs. Anything else takes a
 * ticket on the same instance again (and thaws it) and then passes as ever: a message, a close
 * frame, an end of the connection, the pong the server waits for. At its limit the instance has a
 * line per gateway, each in it with what one receive brought. What the server says by itself passes
 * at once and needs no ticket: it could not say it if it were frozen.
 *
 * An instance at its limit would have others wait for all of that silence, and hibernate_ms may be
 * longer than they wait. So while somebody waits (board_want), one that was silent for YIELD_NS
 * gives its ticket to him and sleeps early; the instance does not freeze before its time for all
 * that (board_keep_awake).
 */
#include "runtime/base/clock.h"
#include "runtime/gateway/proxy.h"

#define CHECK_NS     BOARD_WANT_NS     /* other gateways give tickets back without telling us */
#define YIELD_NS     HIBERNATE_LOOK_NS /* the answer to a message is mostly out by then */
#define LOOK_MOST_NS NS_PER_SEC        /* nobody tells us either that others wait */

static struct instance *instance_of(struct proxy *p, const struct client *c)
{
	return instances_get(&p->instances, c->x.slot, c->x.generation);
}

/* ---- to sleep ---- */

static bool between(struct proxy *p, struct client *c)
{
	const struct tunnel *t = tunnel_of(p, c);
	const struct upstream *u = client_upstream(p, c);

	return ws_between_messages(&t->up) && ws_between_messages(&t->down) && !c->s.sending &&
	       c->s.in.size == 0 && !u->s.sending && u->s.in.size == 0;
}

static bool may_sleep(struct proxy *p, struct client *c)
{
	const struct tunnel *t = tunnel_of(p, c);

	return t->hibernate_ms > 0 && t->mode == TUNNEL_OPEN && !t->closing && !t->leaving &&
	       !c->x.up.in_done && !c->x.down.in_done && c->x.has_ticket && client_upstream(p, c);
}

static uint64_t silent_since_ns(struct proxy *p, struct client *c)
{
	const struct tunnel *t = tunnel_of(p, c);
	uint64_t last_ns = t->data_ns;

	/* A ping is no message, but its answer is waited for, for as long. */
	if (t->client_pinged)
		for (int way = 0; way < 2; way++)
			last_ns = t->moved_ns[way] > last_ns ? t->moved_ns[way] : last_ns;
	return last_ns;
}

/* Soon after a message, later ever more rarely: whether others wait can only be seen by looking. */
static uint64_t look_again_ns(uint64_t now_ns, uint64_t last_ns, uint64_t end_ns)
{
	uint64_t wait_ns = now_ns - last_ns;

	wait_ns = wait_ns < YIELD_NS ? YIELD_NS : wait_ns;
	wait_ns = wait_ns < LOOK_MOST_NS ? wait_ns : LOOK_MOST_NS;
	return end_ns > now_ns && end_ns < now_ns + wait_ns ? end_ns : now_ns + wait_ns;
}

uint64_t hibernate_try(struct proxy *p, struct client *c)
{
	struct tunnel *t = tunnel_of(p, c);
	uint64_t now_ns = proxy_now(p), last_ns, end_ns;
	struct instance *i;
	bool yields;

	if (!may_sleep(p, c))
		return 0;
	last_ns = silent_since_ns(p, c);
	end_ns = last_ns + t->hibernate_ms * NS_PER_MS;
	yields = end_ns > now_ns && now_ns - last_ns >= YIELD_NS &&
		 board_wanted(p->board, c->x.slot, now_ns);
	if ((end_ns > now_ns && !yields) || !between(p, c))
		return look_again_ns(now_ns, last_ns, end_ns);
	if (yields)
		board_keep_awake(p->board, c->x.slot, end_ns);
	p->count.yields += yields;
	t->mode = TUNNEL_ASLEEP;
	t->until_ns = 0;
	t->client_pinged = false;
	p->count.hibernations++;
	board_sleep(p->board, p->config.index, c->x.slot, 1);
	dispatch_release(p, c);
	i = instance_of(p, c);
	if (i && board_state_of(board_load(p->board, i->slot)) == BOARD_DRAINING)
		tunnel_leave(p, c); /* it was spared until now because somebody spoke */
	return 0;
}

/* ---- asleep ---- */

/* Answers one ping. False if that is not possible now. */
static bool answer(struct proxy *p, struct client *c, const struct ws_frame *ping)
{
	struct chunk pong = {.buffer = BUFFER_NONE};

	pong.buffer = buffers_get(p->io.buffers, BUFFER_UNIT);
	if (pong.buffer == BUFFER_NONE)
		return false;
	pong.at = buffers_at(p->io.buffers, pong.buffer);
	pong.size = (uint32_t)ws_write_pong(pong.at, ping, c->s.in.at + ping->head_bytes);
	if (!c->s.sending)
		tunnel_of(p, c)->moved_ns[RELAY_DOWN] = proxy_now(p);
	stream_send(&p->io, &c->s, pong);
	tunnel_look_at(p, c, proxy_now(p) + p->config.idle_timeout_ms * NS_PER_MS);
	p->count.pongs++;
	return true;
}

/* One frame of the client's: true if it was dealt with without the instance. */
static bool deal_with(struct proxy *p, struct client *c, const struct ws_frame *frame)
{
	struct tunnel *t = tunnel_of(p, c);
	bool ours = frame->opcode == WS_PONG
			    ? !t->server_pinged
			    : frame->opcode == WS_PING && ws_between_frames(&t->down) &&
				      answer(p, c, frame);

	if (ours)
		stream_consume(&p->io, &c->s, frame->head_bytes + frame->payload_bytes);
	return ours;
}

static void wait_for_rest(struct proxy *p, struct client *c)
{
	struct tunnel *t = tunnel_of(p, c);

	if (t->until_ns == 0) {
		t->until_ns = proxy_now(p) + p->config.head_timeout_ms * NS_PER_MS;
		tunnel_look_at(p, c, t->until_ns);
	}
	stream_recv(&p->io, &c->s);
}

void hibernate_read(struct proxy *p, struct client *c)
{
	struct tunnel *t = tunnel_of(p, c);
	struct ws_frame frame;

	while (t->mode == TUNNEL_ASLEEP && c->s.in.size > 0) {
		int r = ws_peek_control(&t->up, c->s.in.at, c->s.in.size, &frame);

		if (r == 0) {
			wait_for_rest(p, c);
			return;
		}
		if (r > 0 && c->s.sending && c->s.next.size)
			return; /* a client that reads no pongs gets no more; tunnel_pump comes back
				 */
		if (r < 0 || !deal_with(p, c, &frame))
			hibernate_wake(p, c);
		else if (!t->leaving)
			t->until_ns = 0;
	}
	if (t->mode == TUNNEL_ASLEEP)
		stream_recv(&p->io, &c->s);
}

/* ---- awake again ---- */

static void leave_line(struct proxy *p, struct client *c)
{
	struct instance *i = &p->instances.slots[c->x.slot];

	queue_remove(p, &i->wake_head, &i->wake_tail, c);
	p->wakers--;
}

static void awake(struct proxy *p, struct client *c)
{
	struct tunnel *t = tunnel_of(p, c);

	t->mode = TUNNEL_OPEN;
	if (!t->leaving)
		t->until_ns = 0;
	t->data_ns = proxy_now(p);
	board_sleep(p->board, p->config.index, c->x.slot, -1);
	tunnel_look_at(p, c, proxy_now(p) + HIBERNATE_LOOK_NS);
	tunnel_pump(p, c, RELAY_UP);
}

/* True if that is the end of waiting. */
static bool wake_now(struct proxy *p, struct client *c, struct instance *i)
{
	switch (dispatch_again(p, c)) {
	case BOARD_TAKEN:
	case BOARD_TAKEN_THAW:
		p->count.wakes++;
		break;
	case BOARD_FULL:
		return false;
	case BOARD_GONE:
		/* It drains: it runs until it ends, and takes what comes on open connections. */
		if (i && board_state_of(board_load(p->board, i->slot)) == BOARD_DRAINING)
			break;
		if (tunnel_of(p, c)->mode == TUNNEL_WAKING)
			leave_line(p, c);
		tunnel_of(p, c)->mode = TUNNEL_ASLEEP;
		tunnel_finish(p, c, WS_INTERNAL_ERROR);
		return true;
	}
	if (tunnel_of(p, c)->mode == TUNNEL_WAKING)
		leave_line(p, c);
	awake(p, c);
	return true;
}

void hibernate_wake(struct proxy *p, struct client *c)
{
	struct tunnel *t = tunnel_of(p, c);
	struct instance *i = instance_of(p, c);

	if (t->mode != TUNNEL_ASLEEP)
		return;
	if ((!i || !i->wake_head) && wake_now(p, c, i))
		return;
	t->mode = TUNNEL_WAKING;
	board_want(p->board, c->x.slot, proxy_now(p));
	queue_push(p, &i->wake_head, &i->wake_tail, c);
	p->wakers++;
	if (!t->leaving) {
		t->until_ns = proxy_now(p) + p->config.queue_age_ms_max * NS_PER_MS;
		tunnel_look_at(p, c, t->until_ns);
	}
	timers_set(&p->timers, PROXY_TIMER_COARSE(p), proxy_now(p) + CHECK_NS);
}

/* Not from inside itself: whoever wakes may end at once and give its ticket back. */
void hibernate_serve(struct proxy *p, struct instance *i)
{
	if (p->serving_wakers)
		return;
	p->serving_wakers = true;
	while (i->wake_head && wake_now(p, &p->clients[i->wake_head - 1], i))
		;
	p->serving_wakers = false;
}

void hibernate_serve_all(struct proxy *p)
{
	for (uint32_t slot = 0; slot < INSTANCES_MAX && p->wakers > 0; slot++) {
		struct instance *i = &p->instances.slots[slot];

		if (i->wake_head)
			hibernate_serve(p, i);
		if (i->wake_head)
			board_want(p->board, slot, proxy_now(p));
	}
	if (p->wakers > 0)
		timers_set(&p->timers, PROXY_TIMER_COARSE(p), proxy_now(p) + CHECK_NS);
}

/* ---- ends ---- */

void hibernate_ended(struct proxy *p, struct client *c)
{
	struct tunnel *t = tunnel_of(p, c);

	if (t->mode == TUNNEL_OPEN)
		return;
	if (t->mode == TUNNEL_WAKING)
		leave_line(p, c);
	t->mode = TUNNEL_OPEN;
	board_sleep(p->board, p->config.index, c->x.slot, -1);
	(void)dispatch_again(p, c); /* given back by whoever ends it */
}

void hibernate_instance_down(struct proxy *p, struct instance *i)
{
	while (i->wake_head)
		tunnel_finish(p, &p->clients[i->wake_head - 1], WS_INTERNAL_ERROR);
}

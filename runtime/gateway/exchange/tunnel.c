// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/gateway.h"

#define LEAVE_NS  (1 * NS_PER_SEC) /* at a drain: time for the message that is under way */
#define ANSWER_NS (2 * NS_PER_SEC) /* and then time for the close frame of the client */

static const struct chunk no_chunk = {.buffer = BUFFER_NONE};

int tunnel_init(struct gateway *g)
{
	g->tunnels = calloc(g->client_count, sizeof(*g->tunnels));
	return g->tunnels ? 0 : -ENOMEM;
}

static uint64_t idle_ns(const struct gateway *g)
{
	return g->config.idle_timeout_ms * NS_PER_MS;
}

static uint64_t first_look_ns(const struct gateway *g, const struct tunnel *t)
{
	return gateway_now(g) +
	       (t->hibernate_ms && HIBERNATE_LOOK_NS < idle_ns(g) ? HIBERNATE_LOOK_NS : idle_ns(g));
}

/* ---- the end ---- */

/* The frames need no buffer, because they are few and never change. */
static struct chunk close_frame(int code)
{
	static const char frames[][WS_CLOSE_SIZE] = {
		{'\x88', 2, WS_GOING_AWAY >> 8, (char)(WS_GOING_AWAY & 0xff)},
		{'\x88', 2, WS_PROTOCOL_ERROR >> 8, (char)(WS_PROTOCOL_ERROR & 0xff)},
		{'\x88', 2, WS_INTERNAL_ERROR >> 8, (char)(WS_INTERNAL_ERROR & 0xff)},
		{'\x88', 2, WS_TRY_AGAIN_LATER >> 8, (char)(WS_TRY_AGAIN_LATER & 0xff)},
	};
	size_t n = code == WS_GOING_AWAY       ? 0
		   : code == WS_PROTOCOL_ERROR ? 1
		   : code == WS_INTERNAL_ERROR ? 2
					       : 3;

	return (struct chunk){
		.at = (char *)(uintptr_t)frames[n], .size = WS_CLOSE_SIZE, .buffer = BUFFER_NONE};
}

static bool may_tell(const struct client *c, const struct tunnel *t)
{
	return t->frames && !t->closing && !t->told && ws_between_frames(&t->down) &&
	       !(c->s.sending && c->s.next.size);
}

enum verdict tunnel_over(struct gateway *g, struct client *c, int code)
{
	must(client_is_tunnel(c));
	tunnel_of(g, c)->goodbye = code;
	return VERDICT_FAREWELL;
}

bool tunnel_farewell(struct gateway *g, struct client *c, struct chunk *out)
{
	const struct tunnel *t = tunnel_of(g, c);

	if (!t->goodbye || !may_tell(c, t))
		return false;
	*out = close_frame(t->goodbye);
	return true;
}

/* The bytes are no valid frame, where frames must be understood. The whole frames before them have
 * passed. */
static enum verdict violated(struct gateway *g, struct client *c, bool tell_instance)
{
	struct upstream *u = client_upstream(g, c);
	char frame[WS_CLOSE_MASKED_SIZE];

	g->count.websocket_violations++;
	if (tell_instance && !tunnel_of(g, c)->closing && !u->s.sending)
		(void)!send(u->s.fd, frame, ws_write_close(frame, WS_PROTOCOL_ERROR, true),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	return tunnel_over(g, c, WS_PROTOCOL_ERROR);
}

static bool is_retired(struct gateway *g, const struct client *c)
{
	enum board_state state = board_state_of(board_load(g->board, c->x.slot));

	return !instances_get(&g->instances, c->x.slot, c->x.generation) ||
	       (state != BOARD_RUNNING && state != BOARD_FROZEN);
}

/* Passes a FIN on, after all bytes before it have passed. */
static enum verdict shut(struct gateway *g, struct client *c, int way)
{
	struct tunnel *t = tunnel_of(g, c);
	struct leg leg = client_leg(g, c, way);

	leg.flow->done = true;
	if (way == RELAY_DOWN && (t->hibernate_ms || t->leaving || is_retired(g, c))) {
		/* The instance will not send a close frame any more, so the gateway does. */
		return tunnel_over(g, c, c->x.sent.broken ? WS_INTERNAL_ERROR : WS_GOING_AWAY);
	}
	if ((c->x.up.done || c->x.sent.broken) && c->x.down.done)
		return VERDICT_CUT;
	(void)shutdown(leg.to->fd, SHUT_WR);
	tunnel_look_at(g, c, gateway_now(g) + idle_ns(g));
	return VERDICT_STAY;
}

/* ---- bytes on their way ---- */

static void note_frame(struct tunnel *t, int way, const struct ws_reader *r)
{
	bool up = way == RELAY_UP;

	if (r->opcode == WS_CLOSE)
		t->closing = true;
	else if (r->opcode == WS_PING)
		*(up ? &t->client_pinged : &t->server_pinged) = true;
	else if (r->opcode == WS_PONG)
		*(up ? &t->server_pinged : &t->client_pinged) = false;
}

#define NOT_WHOLE UINT32_MAX

/* Follows the frames in the bytes that are about to pass. False: a frame violates the protocol.
 * *whole is then the end of the last frame before it, or NOT_WHOLE if part of the bad frame has
 * passed already. */
static bool follow(struct gateway *g, struct tunnel *t, int way, const struct chunk *piece,
		   uint32_t *whole)
{
	struct ws_reader *r = way == RELAY_UP ? &t->up : &t->down;
	uint32_t at = 0;

	*whole = ws_between_frames(r) ? 0 : NOT_WHOLE;
	for (;;) {
		size_t used;
		enum ws_step step = ws_next(r, piece->at + at, piece->size - at, &used);

		at += (uint32_t)used;
		if (step == WS_BAD)
			return false;
		if (r->opcode < WS_CLOSE)
			t->data_ns = gateway_now(g);
		if (step == WS_MORE)
			return true;
		if (step == WS_HEAD)
			note_frame(t, way, r);
		else
			*whole = at;
	}
}

/* Ends the tunnel in both directions with 1002, behind the whole frames of the piece. */
static enum verdict refuse(struct gateway *g, struct client *c, int way, struct chunk piece,
			   uint32_t whole)
{
	struct tunnel *t = tunnel_of(g, c);
	struct upstream *u = client_upstream(g, c);
	bool tell = ws_between_frames(&t->up);

	piece.size = whole == NOT_WHOLE ? 0 : whole;
	if (way == RELAY_UP && piece.size > 0)
		tell = send(u->s.fd, piece.at, piece.size, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		       (ssize_t)piece.size;
	else if (way == RELAY_UP)
		tell = whole == 0;
	if (way == RELAY_DOWN && piece.size > 0)
		stream_send(&g->io, &c->s, piece);
	else
		buffers_put(g->io.buffers, piece.buffer);
	if (way == RELAY_DOWN && whole != NOT_WHOLE)
		ws_reader_init(&t->down, false, false); /* so the client can be told */
	return violated(g, c, tell);
}

static enum verdict pass(struct gateway *g, struct client *c, int way, struct leg leg)
{
	struct tunnel *t = tunnel_of(g, c);
	struct chunk piece = leg.from->in;
	uint32_t whole;

	leg.from->in = no_chunk;
	if (t->frames && !follow(g, t, way, &piece, &whole)) {
		if (t->hibernate_ms) {
			return refuse(g, c, way, piece, whole);
		}
		t->frames = false; /* the gateway needs no frames here: client and server decide */
	}
	stream_send(&g->io, leg.to, piece);
	tunnel_look_at(g, c, first_look_ns(g, t));
	if (!leg.flow->in_done)
		stream_recv(&g->io, leg.from); /* one piece ahead */
	return VERDICT_STAY;
}

/* ---- drain ---- */

/* Sends a close frame to the client if one may be sent. late: also inside a message, between two of
 * its frames. */
static bool say_goodbye(struct gateway *g, struct client *c, bool late)
{
	struct tunnel *t = tunnel_of(g, c);

	if (t->told || !may_tell(c, t) || (!late && !ws_between_messages(&t->down)))
		return false;
	stream_send(&g->io, &c->s, close_frame(WS_GOING_AWAY));
	t->told = true;
	t->until_ns = gateway_now(g) + ANSWER_NS;
	tunnel_look_at(g, c, t->until_ns);
	return true;
}

static void leave(struct gateway *g, struct client *c)
{
	struct tunnel *t = tunnel_of(g, c);

	if (!t->frames || t->leaving)
		return;
	t->leaving = true;
	t->until_ns = gateway_now(g) + LEAVE_NS;
	if (!say_goodbye(g, c, false))
		tunnel_look_at(g, c, t->until_ns);
}

void tunnel_drain(struct gateway *g)
{
	for (uint32_t i = 0; i < g->client_count; i++)
		if (client_is_tunnel(&g->clients[i]))
			leave(g, &g->clients[i]);
}

void tunnel_instance_drain(struct gateway *g, uint32_t slot, uint32_t generation, bool all)
{
	for (uint32_t n = 0; n < g->client_count; n++) {
		struct client *c = &g->clients[n];

		if (client_is_tunnel(c) && c->x.slot == slot && c->x.generation == generation &&
		    (all || c->state == CLIENT_ASLEEP))
			leave(g, c);
	}
}

/* Drops frames that the instance sends after our close frame. */
static enum verdict drop(struct gateway *g, struct client *c, struct stream *from)
{
	stream_consume(&g->io, from, from->in.size);
	if (c->x.down.in_done)
		return shut(g, c, RELAY_DOWN);
	stream_recv(&g->io, from);
	return VERDICT_STAY;
}

/* ---- events ---- */

void tunnel_prepare(struct gateway *g, struct client *c, const struct http_head *response)
{
	struct tunnel *t = tunnel_of(g, c);
	const struct service *s = &g->routes.services[c->x.service];
	bool extensions = http_find(response, "sec-websocket-extensions") != NULL;

	*t = (struct tunnel){.moved_ns = {gateway_now(g), gateway_now(g)},
			     .data_ns = gateway_now(g)};
	ws_reader_init(&t->up, true, extensions);
	ws_reader_init(&t->down, false, extensions);
	t->frames = http_find(response, "sec-websocket-accept") != NULL;
	t->hibernate_ms = t->frames ? s->record.hibernate_ms : 0;
}

static enum verdict pump(struct gateway *g, struct client *c, int way)
{
	struct tunnel *t = tunnel_of(g, c);
	struct leg leg = client_leg(g, c, way);

	if (way == RELAY_UP && c->x.sent.broken && c->x.down.done)
		return VERDICT_CUT;
	if (leg.flow->done || (way == RELAY_UP && c->x.sent.broken))
		return VERDICT_STAY;
	if (way == RELAY_UP && (c->state == CLIENT_ASLEEP || c->state == CLIENT_WAKING))
		return tunnel_woken(g, c, hibernate_read(g, c));
	if (way == RELAY_DOWN && (t->told || (t->leaving && say_goodbye(g, c, false))))
		return drop(g, c, leg.from);
	if (!leg.to->sending)
		t->moved_ns[way] = gateway_now(g);
	if (!leg.to->sending && leg.from->in.size > 0)
		return pass(g, c, way, leg);
	if (!leg.to->sending && leg.flow->in_done)
		return shut(g, c, way);
	if (leg.from->in.size == 0 && !leg.flow->in_done)
		stream_recv(&g->io, leg.from);
	return VERDICT_STAY;
}

enum verdict tunnel_woken(struct gateway *g, struct client *c, enum hibernate_wake how)
{
	if (how == HIBERNATE_GONE)
		return tunnel_over(g, c, WS_INTERNAL_ERROR);
	return how == HIBERNATE_WOKEN ? pump(g, c, RELAY_UP) : VERDICT_STAY;
}

enum verdict tunnel_pump(struct gateway *g, struct client *c, int way)
{
	enum verdict v;

	must(client_is_tunnel(c) && client_upstream(g, c));
	v = pump(g, c, way);
	if (v == VERDICT_STAY && way == RELAY_DOWN && c->state == CLIENT_ASLEEP && c->s.in.size > 0)
		return tunnel_woken(
			g, c, hibernate_read(g, c)); /* it waited until the last pong was sent */
	return v;
}

enum verdict tunnel_begin(struct gateway *g, struct client *c)
{
	enum verdict v;

	must(c->state == CLIENT_ASKED);
	client_enter(c, CLIENT_TUNNEL);
	flow_init(&c->x.up, HTTP_UNTIL_CLOSE, HTTP_UNTIL_CLOSE, 0);
	flow_init(&c->x.down, HTTP_UNTIL_CLOSE, HTTP_UNTIL_CLOSE, 0);
	tunnel_look_at(g, c, first_look_ns(g, tunnel_of(g, c)));
	if (g->leaving)
		leave(g, c);
	v = tunnel_pump(g, c, RELAY_DOWN);
	return v == VERDICT_STAY ? tunnel_pump(g, c, RELAY_UP) : v;
}

enum verdict tunnel_on_end(struct gateway *g, struct client *c, int way, int err)
{
	client_leg(g, c, way).flow->in_done = true;
	if (way == RELAY_UP && (c->state == CLIENT_ASLEEP || c->state == CLIENT_WAKING))
		return tunnel_woken(g, c, hibernate_wake(g, c)); /* the function must see the end */
	if (way == RELAY_DOWN && err) {
		g->count.aborted_by_instance++;
		c->x.sent.broken = true; /* a reset ends both ways */
	}
	return tunnel_pump(g, c, way);
}

/* True if when_ns has passed. Else *next_ns becomes when_ns, if that is earlier. */
static bool due(struct gateway *g, uint64_t when_ns, uint64_t *next_ns)
{
	if (when_ns <= gateway_now(g))
		return true;
	if (*next_ns == 0 || when_ns < *next_ns)
		*next_ns = when_ns;
	return false;
}

static bool stalled(struct gateway *g, struct client *c, uint64_t *next_ns)
{
	const struct tunnel *t = tunnel_of(g, c);
	struct upstream *u = client_upstream(g, c);

	if (c->s.sending && due(g, t->moved_ns[RELAY_DOWN] + idle_ns(g), next_ns))
		return true;
	if (u && u->s.sending && due(g, t->moved_ns[RELAY_UP] + idle_ns(g), next_ns))
		return true;
	if (!c->x.up.done && !c->x.down.done)
		return false;
	return due(g,
		   (t->moved_ns[0] > t->moved_ns[1] ? t->moved_ns[0] : t->moved_ns[1]) + idle_ns(g),
		   next_ns);
}

static enum verdict waited(struct gateway *g, struct client *c)
{
	struct tunnel *t = tunnel_of(g, c);

	t->until_ns = 0;
	if (t->leaving)
		return t->told || !say_goodbye(g, c, true) ? VERDICT_CUT : VERDICT_STAY;
	if (c->state == CLIENT_WAKING) {
		g->count.queue_expired++;
		return tunnel_over(g, c, WS_TRY_AGAIN_LATER);
	}
	/* The rest of a control frame did not come in time: the instance gets the bytes. */
	return c->state == CLIENT_ASLEEP ? tunnel_woken(g, c, hibernate_wake(g, c)) : VERDICT_STAY;
}

static bool is_draining(struct gateway *g, struct client *c)
{
	const struct instance *i = client_instance(g, c);

	return i && board_state_of(board_load(g->board, i->slot)) == BOARD_DRAINING;
}

enum verdict tunnel_on_timer(struct gateway *g, struct client *c)
{
	struct tunnel *t = tunnel_of(g, c);
	uint64_t next_ns = 0, again_ns;

	if (t->until_ns && due(g, t->until_ns, &next_ns))
		return waited(g, c);
	if (stalled(g, c, &next_ns))
		return VERDICT_CUT;
	again_ns = hibernate_try(g, c);
	if (c->state == CLIENT_ASLEEP && is_draining(g, c))
		leave(g, c); /* the drain spared it because it was awake */
	if (again_ns)
		(void)due(g, again_ns, &next_ns);
	if (next_ns)
		tunnel_look_at(g, c, next_ns);
	return VERDICT_STAY;
}

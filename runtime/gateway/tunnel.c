// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/proxy.h"

#define LEAVE_NS  (1 * NS_PER_SEC) /* at a drain: so long for the message that is under way */
#define ANSWER_NS (2 * NS_PER_SEC) /* and so long for the client's close frame */
#define SEND_NS   (5 * NS_PER_SEC) /* for the last bytes, as of other answers */

static const struct chunk no_chunk = {.buffer = BUFFER_NONE};

int tunnel_init(struct proxy *p)
{
	p->tunnels = calloc(p->client_count, sizeof(*p->tunnels));
	return p->tunnels ? 0 : -ENOMEM;
}

struct tunnel *tunnel_of(struct proxy *p, const struct client *c)
{
	return &p->tunnels[c->s.index];
}

static struct flow *flow_of(struct client *c, int way)
{
	return way == RELAY_UP ? &c->x.up : &c->x.down;
}

void tunnel_look_at(struct proxy *p, struct client *c, uint64_t when_ns)
{
	/* Only ever asked for, never taken back: whoever is called too early asks again. */
	c->deadline_ns = 0;
	timers_set(&p->timers, c->s.index, when_ns);
}

static uint64_t idle_ns(const struct proxy *p)
{
	return p->config.idle_timeout_ms * NS_PER_MS;
}

static uint64_t first_look_ns(const struct proxy *p, const struct tunnel *t)
{
	return proxy_now(p) +
	       (t->hibernate_ms && HIBERNATE_LOOK_NS < idle_ns(p) ? HIBERNATE_LOOK_NS : idle_ns(p));
}

/* ---- the end ---- */

void tunnel_ended(struct proxy *p, struct client *c)
{
	hibernate_ended(p, c);
	c->x.tunnel = false;
}

/* The frames cost no buffer: there are few of them and they never change. */
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

void tunnel_finish(struct proxy *p, struct client *c, int code)
{
	bool tell = code && may_tell(c, tunnel_of(p, c));

	dispatch_abandon(p, c);
	c->x.keep_alive = false;
	c->x.up.in_done = false; /* what the client still sends is read, or a RST loses our last */
	c->state = CLIENT_FINISHING;
	client_set_deadline(p, c, proxy_now(p) + SEND_NS);
	if (tell)
		stream_send(&p->io, &c->s, close_frame(code));
	if (!c->s.sending)
		client_next(p, c);
}

/* A frame that is none, where frames must be understood. What was whole before it has passed. */
static void violated(struct proxy *p, struct client *c, bool tell_instance)
{
	struct upstream *u = client_upstream(p, c);
	char frame[WS_CLOSE_MASKED_SIZE];

	p->count.websocket_violations++;
	if (tell_instance && !tunnel_of(p, c)->closing && !u->s.sending)
		(void)!send(u->s.fd, frame, ws_write_close(frame, WS_PROTOCOL_ERROR, true),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	tunnel_finish(p, c, WS_PROTOCOL_ERROR);
}

static bool is_retired(struct proxy *p, const struct client *c)
{
	enum board_state state = board_state_of(board_load(p->board, c->x.slot));

	return !instances_get(&p->instances, c->x.slot, c->x.generation) ||
	       (state != BOARD_RUNNING && state != BOARD_FROZEN);
}

/* Passes a FIN on, when all before it has passed. */
static void shut(struct proxy *p, struct client *c, int way)
{
	struct tunnel *t = tunnel_of(p, c);
	struct upstream *u = client_upstream(p, c);
	struct stream *dst = way == RELAY_UP ? &u->s : &c->s;

	flow_of(c, way)->done = true;
	if (way == RELAY_DOWN && (t->hibernate_ms || t->leaving || is_retired(p, c))) {
		/* Nobody there is left to end it properly. */
		tunnel_finish(p, c, c->x.up_broken ? WS_INTERNAL_ERROR : WS_GOING_AWAY);
		return;
	}
	if ((c->x.up.done || c->x.up_broken) && c->x.down.done) {
		client_close(p, c);
		return;
	}
	(void)shutdown(dst->fd, SHUT_WR);
	tunnel_look_at(p, c, proxy_now(p) + idle_ns(p));
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

/* Follows the frames in what is about to pass. False for a violation; *whole is then where the last
 * frame before it ended, NOT_WHOLE if part of the bad one has passed already. */
static bool follow(struct proxy *p, struct tunnel *t, int way, const struct chunk *piece,
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
			t->data_ns = proxy_now(p);
		if (step == WS_MORE)
			return true;
		if (step == WS_HEAD)
			note_frame(t, way, r);
		else
			*whole = at;
	}
}

/* Ends it in both directions with 1002, behind what was whole. */
static void refuse(struct proxy *p, struct client *c, int way, struct chunk piece, uint32_t whole)
{
	struct tunnel *t = tunnel_of(p, c);
	struct upstream *u = client_upstream(p, c);
	bool tell = ws_between_frames(&t->up);

	piece.size = whole == NOT_WHOLE ? 0 : whole;
	if (way == RELAY_UP && piece.size > 0)
		tell = send(u->s.fd, piece.at, piece.size, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		       (ssize_t)piece.size;
	else if (way == RELAY_UP)
		tell = whole == 0;
	if (way == RELAY_DOWN && piece.size > 0)
		stream_send(&p->io, &c->s, piece);
	else
		buffers_put(p->io.buffers, piece.buffer);
	if (way == RELAY_DOWN && whole != NOT_WHOLE)
		ws_reader_init(&t->down, false, false); /* the client can be told */
	violated(p, c, tell);
}

static void pass(struct proxy *p, struct client *c, int way, struct stream *src, struct stream *dst)
{
	struct tunnel *t = tunnel_of(p, c);
	struct chunk piece = src->in;
	uint32_t whole;

	src->in = no_chunk;
	if (t->frames && !follow(p, t, way, &piece, &whole)) {
		if (t->hibernate_ms) {
			refuse(p, c, way, piece, whole);
			return;
		}
		t->frames = false; /* nothing here depends on it: it is between the two of them */
	}
	stream_send(&p->io, dst, piece);
	tunnel_look_at(p, c, first_look_ns(p, t));
	if (!flow_of(c, way)->in_done)
		stream_recv(&p->io, src); /* one piece ahead */
}

/* ---- drain ---- */

/* late: a message that goes on is cut between two of its frames. */
static bool say_goodbye(struct proxy *p, struct client *c, bool late)
{
	struct tunnel *t = tunnel_of(p, c);

	if (t->told || !may_tell(c, t) || (!late && !ws_between_messages(&t->down)))
		return false;
	stream_send(&p->io, &c->s, close_frame(WS_GOING_AWAY));
	t->told = true;
	t->until_ns = proxy_now(p) + ANSWER_NS;
	tunnel_look_at(p, c, t->until_ns);
	return true;
}

void tunnel_leave(struct proxy *p, struct client *c)
{
	struct tunnel *t = tunnel_of(p, c);

	if (!t->frames || t->leaving)
		return;
	t->leaving = true;
	t->until_ns = proxy_now(p) + LEAVE_NS;
	if (!say_goodbye(p, c, false))
		tunnel_look_at(p, c, t->until_ns);
}

void tunnel_drain(struct proxy *p)
{
	for (uint32_t i = 0; i < p->client_count; i++)
		if (p->clients[i].state == CLIENT_ACTIVE && p->clients[i].x.tunnel)
			tunnel_leave(p, &p->clients[i]);
}

void tunnel_instance_drain(struct proxy *p, uint32_t slot, uint32_t generation, bool all)
{
	for (uint32_t n = 0; n < p->client_count; n++) {
		struct client *c = &p->clients[n];

		if (c->state == CLIENT_ACTIVE && c->x.tunnel && c->x.slot == slot &&
		    c->x.generation == generation && (all || p->tunnels[n].mode == TUNNEL_ASLEEP))
			tunnel_leave(p, c);
	}
}

/* What the instance says after our close frame is behind the end of the conversation. */
static void drop(struct proxy *p, struct client *c, struct upstream *u)
{
	stream_consume(&p->io, &u->s, u->s.in.size);
	if (c->x.down.in_done)
		shut(p, c, RELAY_DOWN);
	else
		stream_recv(&p->io, &u->s);
}

/* ---- events ---- */

void tunnel_begin(struct proxy *p, struct client *c, const struct http_head *response)
{
	struct tunnel *t = tunnel_of(p, c);
	const struct service *s = &p->routes.services[c->x.service];
	bool extensions = http_find(response, "sec-websocket-extensions") != NULL;

	*t = (struct tunnel){.moved_ns = {proxy_now(p), proxy_now(p)}, .data_ns = proxy_now(p)};
	ws_reader_init(&t->up, true, extensions);
	ws_reader_init(&t->down, false, extensions);
	t->frames = http_find(response, "sec-websocket-accept") != NULL;
	t->hibernate_ms = t->frames ? s->record.hibernate_ms : 0;
	c->x.tunnel = true;
	c->x.keep_alive = false;
	flow_init(&c->x.up, HTTP_UNTIL_CLOSE, HTTP_UNTIL_CLOSE, 0);
	flow_init(&c->x.down, HTTP_UNTIL_CLOSE, HTTP_UNTIL_CLOSE, 0);
	tunnel_look_at(p, c, first_look_ns(p, t));
	if (p->draining)
		tunnel_leave(p, c);
}

static void pump(struct proxy *p, struct client *c, int way)
{
	struct tunnel *t = tunnel_of(p, c);
	struct upstream *u = client_upstream(p, c);
	struct flow *f = flow_of(c, way);
	struct stream *src, *dst;

	if (way == RELAY_UP && c->x.up_broken && c->x.down.done)
		client_close(p, c);
	if (!u || f->done || (way == RELAY_UP && c->x.up_broken))
		return;
	if (way == RELAY_UP && t->mode != TUNNEL_OPEN) {
		hibernate_read(p, c);
		return;
	}
	if (way == RELAY_DOWN && (t->told || (t->leaving && say_goodbye(p, c, false)))) {
		drop(p, c, u);
		return;
	}
	src = way == RELAY_UP ? &c->s : &u->s;
	dst = way == RELAY_UP ? &u->s : &c->s;
	if (!dst->sending)
		t->moved_ns[way] = proxy_now(p);
	if (!dst->sending && src->in.size > 0)
		pass(p, c, way, src, dst);
	else if (!dst->sending && f->in_done)
		shut(p, c, way);
	else if (src->in.size == 0 && !f->in_done)
		stream_recv(&p->io, src);
}

void tunnel_pump(struct proxy *p, struct client *c, int way)
{
	pump(p, c, way);
	if (way == RELAY_DOWN && c->x.tunnel && tunnel_of(p, c)->mode == TUNNEL_ASLEEP &&
	    c->s.in.size > 0)
		hibernate_read(p, c); /* it waited until its last pong was out */
}

void tunnel_on_end(struct proxy *p, struct client *c, int way, int err)
{
	struct tunnel *t = tunnel_of(p, c);

	flow_of(c, way)->in_done = true;
	if (way == RELAY_UP && t->mode != TUNNEL_OPEN) {
		hibernate_wake(p, c); /* the function is to know */
		return;
	}
	if (way == RELAY_DOWN && err) {
		p->count.aborted_by_instance++;
		c->x.up_broken = true; /* a reset is the end of both ways */
	}
	tunnel_pump(p, c, way);
}

/* Now if it is overdue, else when; of several the first counts. */
static bool due(struct proxy *p, uint64_t when_ns, uint64_t *next_ns)
{
	if (when_ns <= proxy_now(p))
		return true;
	if (*next_ns == 0 || when_ns < *next_ns)
		*next_ns = when_ns;
	return false;
}

static bool stalled(struct proxy *p, struct client *c, uint64_t *next_ns)
{
	const struct tunnel *t = tunnel_of(p, c);
	struct upstream *u = client_upstream(p, c);

	if (c->s.sending && due(p, t->moved_ns[RELAY_DOWN] + idle_ns(p), next_ns))
		return true;
	if (u && u->s.sending && due(p, t->moved_ns[RELAY_UP] + idle_ns(p), next_ns))
		return true;
	if (!c->x.up.done && !c->x.down.done)
		return false;
	return due(p,
		   (t->moved_ns[0] > t->moved_ns[1] ? t->moved_ns[0] : t->moved_ns[1]) + idle_ns(p),
		   next_ns);
}

static void waited(struct proxy *p, struct client *c)
{
	struct tunnel *t = tunnel_of(p, c);

	t->until_ns = 0;
	if (t->leaving) {
		if (t->told || !say_goodbye(p, c, true))
			client_close(p, c);
	} else if (t->mode == TUNNEL_WAKING) {
		p->count.queue_expired++;
		tunnel_finish(p, c, WS_TRY_AGAIN_LATER);
	} else if (t->mode == TUNNEL_ASLEEP) {
		hibernate_wake(p, c); /* half a ping: let the function have it */
	}
}

void tunnel_on_timer(struct proxy *p, struct client *c)
{
	struct tunnel *t = tunnel_of(p, c);
	uint64_t next_ns = 0, again_ns;

	if (t->until_ns && due(p, t->until_ns, &next_ns)) {
		waited(p, c);
		return;
	}
	if (stalled(p, c, &next_ns)) {
		client_close(p, c);
		return;
	}
	again_ns = hibernate_try(p, c);
	if (again_ns)
		(void)due(p, again_ns, &next_ns);
	if (next_ns)
		tunnel_look_at(p, c, next_ns);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/frames/h2_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/frames/h2_setup.h"

/* One socket in CONN_SHARE may have a connection of HTTP/2, within these bounds; and the bytes of
 * the arena of each. */
#define CONN_SHARE           4u
#define CONNS_MIN            8u
#define CONNS_MAX            1024u
#define ARENA_BYTES(streams) (98304u + (streams)*1536u)
/* Bodies may use one large buffer in so many, because heads need large buffers too. */
#define LARGE_SHARE 2u

static uint64_t now_ns(const struct h2_conn *c)
{
	return stream_now(c->side->io);
}

/* ---- all connections of one end ---- */

int h2_side_init(struct h2_side *side, uint32_t sockets, size_t conn_size, uint32_t streams)
{
	uint32_t count = sockets / CONN_SHARE;

	must(conn_size >= sizeof(struct h2_conn) && side->user && side->io);
	count = count < CONNS_MIN ? CONNS_MIN : count > CONNS_MAX ? CONNS_MAX : count;
	side->conn_size = conn_size;
	side->arena_bytes = ARENA_BYTES(streams);
	side->conns = calloc(count, conn_size);
	side->free = calloc(count, sizeof(*side->free));
	side->memory = h2_memory_reserve(count, side->arena_bytes);
	if (!side->conns || !side->free || !side->memory)
		return -ENOMEM;
	for (uint32_t i = count; i > 0; i--)
		side->free[side->free_count++] = i - 1;
	side->conn_count = count;
	return h2_option_new(&side->options);
}

void h2_side_retry(struct h2_side *side)
{
	struct chain *link;

	while ((link = chain_take_first(&side->waiting)))
		h2_mark(container_of(link, struct h2_conn, in_waiting));
}

/* A connection that is marked meanwhile is flushed the next time. */
void h2_side_flush(struct h2_side *side)
{
	struct chain due, *link;

	chain_init(&due);
	chain_take_all(&side->due, &due);
	while ((link = chain_take_first(&due))) {
		struct h2_conn *c = container_of(link, struct h2_conn, in_due);

		side->user->flush(c);
		if (c->out.ng && (c->held.size || c->out.hungry) &&
		    !chain_is_linked(&c->in_waiting))
			chain_add_last(&side->waiting, &c->in_waiting);
	}
}

/* ---- one connection ---- */

struct h2_conn *h2_conn_begin(struct h2_side *side, struct stream *socket, uint32_t *index)
{
	struct h2_conn *c;

	if (side->free_count == 0)
		return NULL;
	*index = side->free[--side->free_count];
	c = (struct h2_conn *)(void *)(side->conns + *index * side->conn_size);
	must(!c->out.ng);
	memset(c, 0, side->conn_size);
	c->side = side;
	c->socket = socket;
	c->block.text.buffer = BUFFER_NONE;
	chain_init(&c->in_due);
	chain_init(&c->in_waiting);
	chain_init(&c->streams);
	chain_init(&c->work);
	chain_init(&c->heads);
	h2_credit_init(&c->credit, now_ns(c));
	h2_arena_init(&c->arena, side->memory + (size_t)*index * side->arena_bytes,
		      side->arena_bytes);
	return c;
}

int h2_conn_greet(struct h2_conn *c, const nghttp2_settings_entry *settings, size_t count)
{
	if (nghttp2_submit_settings(c->out.ng, NGHTTP2_FLAG_NONE, settings, count) ||
	    nghttp2_session_set_local_window_size(c->out.ng, NGHTTP2_FLAG_NONE, 0,
						  H2_SESSION_WINDOW))
		return -ENOMEM;
	return 0;
}

void h2_conn_end(struct h2_conn *c)
{
	struct h2_side *side = c->side;

	must(chain_is_empty(&c->streams) && side->free_count < side->conn_count);
	h2_block_drop(c);
	chain_remove(&c->in_due);
	chain_remove(&c->in_waiting);
	nghttp2_session_del(c->out.ng);
	c->out.ng = NULL;
	*side->refused += c->arena.refusals;
	side->free[side->free_count++] =
		(uint32_t)((size_t)((char *)c - side->conns) / side->conn_size);
}

int h2_conn_charge(struct h2_conn *c, int64_t cost)
{
	return h2_charge(&c->credit, now_ns(c), cost) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

void h2_conn_work(struct h2_conn *c)
{
	struct chain *link;

	while ((link = chain_take_first(&c->work))) {
		struct h2_stream *t = container_of(link, struct h2_stream, in_work);
		uint8_t events = t->events;

		t->events = 0;
		c->side->user->work(c, t, events);
	}
}

/* ---- input ---- */

/* Puts bytes of a body behind the waiting ones. False: no room. */
static bool put(struct h2_stream *t, const uint8_t *at, uint32_t size)
{
	struct stream_io *io = t->conn->side->io;

	if (!stream_put(io, t->socket, at, size, io->buffers->large_count / LARGE_SHARE))
		return false;
	t->untaken += size;
	h2_note(t, H2_BYTES);
	return true;
}

/* Tries again to put the held piece. False: there is still no room. */
static bool take_held(struct h2_conn *c)
{
	struct h2_stream *t;

	if (c->held.size == 0)
		return true;
	t = h2_stream_get(c, c->held.id);
	if (t && !put(t, c->held.at, c->held.size))
		return false;
	if (!t)
		(void)nghttp2_session_consume_stream(c->out.ng, c->held.id, c->held.size);
	c->held.size = 0;
	stream_consume(c->side->io, c->socket, c->held.eaten);
	h2_conn_work(c);
	return true;
}

int h2_conn_parse(struct h2_conn *c, const bool *stop)
{
	struct stream *s = c->socket;
	ssize_t n;

	while (!*stop && s->in.size > 0 && take_held(c) && s->in.size > 0) {
		n = nghttp2_session_mem_recv(c->out.ng, (const uint8_t *)s->in.at, s->in.size);
		if (n > 0 && !h2_charge_bytes(&c->credit, now_ns(c), (uint64_t)n))
			n = NGHTTP2_ERR_FLOODED;
		if (n < 0)
			return (int)n;
		if (c->held.size)
			c->held.eaten = (uint32_t)n;
		else
			stream_consume(c->side->io, s, (uint32_t)n);
		h2_conn_work(c);
	}
	return 0;
}

int h2_on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *self)
{
	return h2_conn_charge(self, h2_frame_cost(hd));
}

int h2_on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
	       void *self)
{
	struct h2_conn *c = self;
	struct h2_stream *t = h2_stream_get(c, id);

	/* The window of the connection is given back at once, because each stream has its own
	 * window. */
	(void)nghttp2_session_consume_connection(ng, size);
	c->credit.useful += size;
	if (!t || t->deaf) {
		(void)nghttp2_session_consume_stream(ng, id, size);
		return 0;
	}
	if (put(t, data, (uint32_t)size))
		return 0;
	c->held.at = data;
	c->held.size = (uint32_t)size;
	c->held.id = id;
	(*c->side->held)++;
	return NGHTTP2_ERR_PAUSE;
}

/* ---- output ---- */

bool h2_conn_gather(struct h2_conn *c, bool (*next)(void *self))
{
	struct stream *s = c->socket;

	if (c->out.broken || (s->sending && s->next.size) ||
	    !h2_out_fill(&c->out, c->side->io->buffers, next, c))
		return false;
	stream_send(c->side->io, s, c->out.chunk);
	return true;
}

int h2_send_body(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
		 nghttp2_data_source *source, void *self)
{
	struct h2_conn *c = self;
	struct h2_stream *t = h2_stream_get(c, frame->hd.stream_id);

	if (!t)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (!h2_out_body(&c->out, head, c->side->user->body(t), length))
		return NGHTTP2_ERR_WOULDBLOCK;
	c->side->user->wrote(t, length);
	return 0;
}

/* ---- streams ---- */

void h2_stream_begin(struct h2_conn *c, struct h2_stream *t, struct stream *socket, int32_t id)
{
	must(!t->conn && socket->carried);
	*t = (struct h2_stream){.conn = c, .socket = socket, .id = id};
	chain_init(&t->of_conn);
	chain_init(&t->in_work);
	chain_init(&t->in_heads);
	chain_add_first(&c->streams, &t->of_conn);
	c->stream_count++;
}

void h2_stream_end(struct h2_stream *t)
{
	must(t->conn && t->conn->stream_count > 0);
	chain_remove(&t->in_work);
	chain_remove(&t->in_heads);
	chain_remove(&t->of_conn);
	t->conn->side->wide_count -= t->wide;
	t->conn->stream_count--;
	t->conn = NULL;
}

struct h2_stream *h2_head_next(struct h2_conn *c)
{
	struct chain *link = chain_take_first(&c->heads);

	return link ? container_of(link, struct h2_stream, in_heads) : NULL;
}

/* A long body over a long way needs a wide window. The share of large buffers for bodies (put)
 * bounds how many streams may have one. */
static void widen(struct h2_stream *t)
{
	struct h2_side *side = t->conn->side;
	uint32_t room = side->io->buffers->large_bytes - BUFFER_HEADROOM - BUFFER_SLACK;

	if (side->wide_count >= side->wide_max)
		return;
	t->wide = true;
	side->wide_count++;
	(void)nghttp2_session_set_local_window_size(
		t->conn->out.ng, NGHTTP2_FLAG_NONE, t->id,
		(int32_t)(room < H2_WIDE_WINDOW ? room : H2_WIDE_WINDOW));
}

void h2_stream_took(struct h2_stream *t)
{
	uint32_t left = t->socket->in.size, took = t->untaken - left;

	if (t->untaken <= left || t->over)
		return;
	(void)nghttp2_session_consume_stream(t->conn->out.ng, t->id, took);
	t->untaken = left;
	if (took < H2_STREAM_WINDOW - t->taken)
		t->taken += (uint16_t)took;
	else if (!t->wide)
		widen(t);
}

void h2_stream_resume(struct h2_stream *t)
{
	if (t->deferred)
		(void)nghttp2_session_resume_data(t->conn->out.ng, t->id);
	t->deferred = false;
	h2_mark(t->conn);
}

bool h2_stream_sent(struct h2_stream *t)
{
	struct stream *s = t->socket;

	buffers_put(t->conn->side->io->buffers, s->out.buffer);
	s->out = s->next;
	s->next = (struct chunk){.buffer = BUFFER_NONE};
	if (s->out.size > 0)
		return false;
	s->sending = false;
	h2_note(t, H2_SENT);
	return true;
}

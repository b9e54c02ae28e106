// SPDX-License-Identifier: Apache-2.0
/* nghttp2's callbacks: they collect heads, keep bodies and note what came; see h2.h. */
#include <errno.h>
#include <string.h>

#include "runtime/gateway/frames/h2_setup.h"
#include "runtime/gateway/h2/h2.h"

/* More than so many times the largest head, decoded, is no head but an attack on the decoder. */
#define BOMB_FACTOR 4u

static int flood(struct h2_session *s)
{
	s->g->count.h2_floods++;
	s->failed = true;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *self)
{
	struct h2_session *s = self;

	return h2_charge(&s->credit, gateway_now(s->g), h2_frame_cost(hd)) ? 0 : flood(s);
}

static void drop_block(struct h2_session *s)
{
	buffers_put(s->g->io.buffers, s->block.buffer);
	s->block.buffer = BUFFER_NONE;
	s->block.ignored = true;
}

/* A frame that made nghttp2 reset its stream: cheap to send, dear to us (CVE-2025-8671). */
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *self)
{
	struct h2_session *s = self;

	s->g->count.h2_errors++;
	if (s->block.id == frame->hd.stream_id) { /* no end of it will be told */
		drop_block(s);
		s->block.open = false;
	}
	return h2_charge(&s->credit, gateway_now(s->g), 20) ? 0 : flood(s);
}

static void place(struct h2_session *s, char **text, uint32_t *room)
{
	struct buffers *b = s->g->io.buffers;

	*text = buffers_at(b, s->block.buffer) + BUFFER_HEADROOM;
	*room = buffers_size(b, s->block.buffer) - BUFFER_HEADROOM - BUFFER_SLACK;
}

static void refuse_stream(struct h2_session *s, int32_t id)
{
	s->g->count.h2_refused++;
	(void)nghttp2_submit_rst_stream(s->out.ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *self)
{
	struct h2_session *s = self;
	struct h2_block *b = &s->block;
	uint32_t room;
	char *text;

	drop_block(s);
	*b = (struct h2_block){.open = true, .id = frame->hd.stream_id, .buffer = BUFFER_NONE};
	s->block_ns = gateway_now(s->g);
	b->ignored = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
	if (b->ignored)
		return 0;
	b->buffer = buffers_get(s->g->io.buffers, BUFFER_UNIT);
	if (b->buffer == BUFFER_NONE) {
		s->g->count.no_buffer++;
		b->ignored = true;
		refuse_stream(s, b->id);
		return 0;
	}
	place(s, &text, &room);
	h2_head_init(&b->head, text, room, s->g->config.head_bytes_max);
	return 0;
}

/* A larger buffer for a head that does not fit. False if there is none. */
static bool grow(struct h2_session *s)
{
	struct buffers *pool = s->g->io.buffers;
	struct h2_block *b = &s->block;
	uint32_t old = b->buffer, room;
	char *text;

	if (buffers_size(pool, old) != BUFFER_UNIT)
		return false;
	b->buffer = buffers_get(pool, pool->large_bytes);
	if (b->buffer == BUFFER_NONE) {
		b->buffer = old;
		return false;
	}
	place(s, &text, &room);
	memcpy(text, b->head.text, b->head.size);
	h2_head_move(&b->head, text, room);
	buffers_put(pool, old);
	return true;
}

static void too_large(struct h2_head *h)
{
	h->status = 431;
	h->why = "the head is too large";
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
		     nghttp2_rcbuf *value, uint8_t flags, void *self)
{
	struct h2_session *s = self;
	struct h2_block *b = &s->block;
	nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
	struct http_slice field = {(const char *)n.base, n.len},
			  text = {(const char *)v.base, v.len};

	b->listed += n.len + v.len + 32;
	s->credit.useful += n.len + v.len;
	if (b->listed > (uint64_t)s->g->config.head_bytes_max * BOMB_FACTOR)
		return flood(s);
	if (b->ignored)
		return 0;
	while (h2_head_field(&b->head, field, text) == -ENOBUFS)
		if (!grow(s))
			too_large(&b->head);
	return 0;
}

/* nghttp2 would leave such a field out and go on. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
			     nghttp2_rcbuf *value, uint8_t flags, void *self)
{
	struct h2_session *s = self;

	if (!s->block.ignored && s->block.head.status == 0) {
		s->block.head.status = 400;
		s->block.head.why = "a header field is malformed";
	}
	return 0;
}

/* The head is complete: it gets a client of its own. */
static void begin_request(struct h2_session *s, int32_t id, bool ended)
{
	struct h2_block *b = &s->block;
	struct gateway *g = s->g;
	struct h2_stream *t;
	struct client *c;

	if (b->ignored)
		return;
	while (h2_head_end(&b->head, ended) == -ENOBUFS)
		if (!grow(s))
			too_large(&b->head);
	c = s->leaving ? NULL : client_open_carried(g, h2_carrier(s), &h2_stream_carrier);
	if (!c) {
		drop_block(s);
		refuse_stream(s, id);
		return;
	}
	h2_stream_open(s, c, id);
	t = &g->h2->streams[c->s.index];
	c->s.ended = ended;
	t->status = (uint16_t)b->head.status;
	t->why = b->head.why;
	if (t->status == 0) {
		c->s.in = (struct chunk){b->head.text + b->head.begin, b->head.size - b->head.begin,
					 b->buffer};
		b->buffer = BUFFER_NONE;
	}
	drop_block(s);
	h2_note(s, t, H2_NEW);
}

static void end_of_request(struct h2_session *s, int32_t id)
{
	struct h2_stream *t = h2_stream_get(s, id);

	if (!t)
		return;
	h2_client(s->g, t)->s.ended = true;
	h2_note(s, t, H2_END);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *self)
{
	struct h2_session *s = self;
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (frame->hd.type == NGHTTP2_HEADERS) {
		s->block.open = false;
		if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
			begin_request(s, frame->hd.stream_id, ended);
		else if (ended)
			end_of_request(s, frame->hd.stream_id);
	} else if (frame->hd.type == NGHTTP2_DATA && ended) {
		end_of_request(s, frame->hd.stream_id);
	} else if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK)) {
		s->acknowledged = true;
	}
	return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
		   void *self)
{
	struct h2_session *s = self;
	struct h2_stream *t = h2_stream_get(s, id);

	/* The window of the connection is open always: streams have theirs. */
	(void)nghttp2_session_consume_connection(ng, size);
	s->credit.useful += size;
	if (!t || t->status) {
		(void)nghttp2_session_consume_stream(ng, id, size);
		return 0;
	}
	if (h2_stream_put(s, t, data, (uint32_t)size))
		return 0;
	s->held.at = data;
	s->held.size = (uint32_t)size;
	s->held.id = id;
	s->g->count.h2_held++;
	return NGHTTP2_ERR_PAUSE;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *self)
{
	struct h2_session *s = self;
	struct h2_stream *t = h2_stream_get(s, id);

	if (s->block.open && s->block.id == id)
		drop_block(s);
	if (!t)
		return 0;
	t->over = true;
	if (!t->end_sent)
		h2_note(s, t, H2_GONE);
	return 0;
}

int h2_callbacks_init(struct h2 *h)
{
	static const struct h2_callbacks set = {
		.begin_frame = on_begin_frame,
		.invalid_frame = on_invalid_frame,
		.begin_headers = on_begin_headers,
		.header = on_header,
		.invalid_header = on_invalid_header,
		.frame = on_frame,
		.data = on_data,
		.stream_close = on_stream_close,
		.frame_sent = h2_on_frame_sent,
		.send_body = h2_send_body,
	};

	return h2_callbacks_new(&set, &h->callbacks);
}

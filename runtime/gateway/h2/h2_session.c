// SPDX-License-Identifier: Apache-2.0
/* The callbacks of nghttp2: they collect heads, keep bodies and note events; see h2.h. */
#include <errno.h>
#include <string.h>

#include "runtime/gateway/frames/h2_fields.h"
#include "runtime/gateway/frames/h2_setup.h"
#include "runtime/gateway/h2/h2.h"

/* A frame made nghttp2 reset its stream: cheap for the peer, dear for us (CVE-2025-8671). */
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *self)
{
	struct h2_session *s = self;

	s->g->count.h2_errors++;
	h2_block_lost(&s->conn, frame->hd.stream_id);
	return h2_conn_charge(&s->conn, 20);
}

static void refuse_stream(struct h2_session *s, int32_t id)
{
	s->g->count.h2_refused++;
	(void)nghttp2_submit_rst_stream(s->conn.out.ng, NGHTTP2_FLAG_NONE, id,
					NGHTTP2_REFUSED_STREAM);
}

static bool is_deaf(struct h2_session *s, int32_t id)
{
	const struct h2_stream *t = h2_stream_get(&s->conn, id);

	return !t || t->deaf;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *self)
{
	struct h2_session *s = self;
	struct h2_block *b = &s->conn.block;

	s->block_ns = gateway_now(s->g);
	s->trailers = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
	if (!h2_block_begin(&s->conn, frame->hd.stream_id,
			    s->trailers && is_deaf(s, frame->hd.stream_id))) {
		s->g->count.no_buffer++;
		b->ignored = true; /* without a buffer the request has no trailers */
		if (!s->trailers)
			refuse_stream(s, b->id);
	} else if (!s->trailers) {
		h2_head_init(&s->head, b->text.at, h2_block_room(&s->conn),
			     s->g->config.head_bytes_max);
	}
	return 0;
}

/* Moves the head into a larger buffer. False if there is none. */
static bool grow(struct h2_session *s)
{
	struct chunk *text = &s->conn.block.text;

	text->size = s->head.size;
	if (!h2_block_grow(&s->conn))
		return false;
	h2_head_move(&s->head, text->at, h2_block_room(&s->conn));
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
	nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
	struct http_slice field = {(const char *)n.base, n.len},
			  text = {(const char *)v.base, v.len};

	if (!h2_block_count(&s->conn, n.len, v.len, s->g->config.head_bytes_max))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (s->conn.block.ignored)
		return 0;
	if (s->trailers) {
		if (!h2_fields_clean(field, text) ||
		    !h2_block_field(&s->conn, field, text, s->g->config.head_bytes_max))
			h2_block_drop(&s->conn);
		return 0;
	}
	while (h2_head_field(&s->head, field, text) == -ENOBUFS)
		if (!grow(s))
			too_large(&s->head);
	return 0;
}

/* Refuses a malformed field; nghttp2 alone would leave it out and go on. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
			     nghttp2_rcbuf *value, uint8_t flags, void *self)
{
	struct h2_session *s = self;

	if (s->trailers) {
		h2_block_drop(&s->conn);
	} else if (!s->conn.block.ignored && s->head.status == 0) {
		s->head.status = 400;
		s->head.why = "a header field is malformed";
	}
	return 0;
}

/* The head of a request is complete: gives the request a client of its own. */
static void begin_request(struct h2_session *s, int32_t id, bool ended)
{
	struct h2_block *b = &s->conn.block;
	const struct h2_head *head = &s->head;
	struct gateway *g = s->g;
	struct h2_request *t;
	struct client *c;

	if (b->ignored)
		return;
	while (h2_head_end(&s->head, ended) == -ENOBUFS)
		if (!grow(s))
			too_large(&s->head);
	c = s->leaving ? NULL : client_open_carried(g, h2_carrier(s), &h2_stream_carrier);
	if (!c) {
		h2_block_drop(&s->conn);
		refuse_stream(s, id);
		return;
	}
	h2_request_open(s, c, id);
	t = &g->h2->requests[c->s.index];
	c->s.ended = ended;
	t->status = (uint16_t)head->status;
	t->why = head->why;
	t->stream.deaf = head->status != 0;
	if (head->status == 0) {
		c->s.in = (struct chunk){head->text + head->begin, head->size - head->begin,
					 b->text.buffer};
		b->text.buffer = BUFFER_NONE;
	}
	h2_block_drop(&s->conn);
	h2_note(&t->stream, H2_NEW);
}

/* The request ends with its trailers. */
static void take_trailers(struct h2_session *s, int32_t id)
{
	struct h2_stream *t = h2_stream_get(&s->conn, id);

	if (t)
		h2_block_trailers(&s->conn, t->socket, s->g->config.head_bytes_max);
	h2_block_drop(&s->conn);
}

static void end_of_request(struct h2_session *s, int32_t id)
{
	struct h2_stream *t = h2_stream_get(&s->conn, id);

	if (!t)
		return;
	t->socket->ended = true;
	h2_note(t, H2_END);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *self)
{
	struct h2_session *s = self;
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (frame->hd.type == NGHTTP2_HEADERS) {
		s->conn.block.open = false;
		if (!s->trailers) {
			begin_request(s, frame->hd.stream_id, ended);
			return 0;
		}
		take_trailers(s, frame->hd.stream_id);
	}
	if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) && ended)
		end_of_request(s, frame->hd.stream_id);
	else if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK))
		s->acknowledged = true;
	return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *self)
{
	struct h2_session *s = self;
	struct h2_stream *t = h2_stream_get(&s->conn, id);

	if (s->conn.block.open && s->conn.block.id == id)
		h2_block_drop(&s->conn);
	if (!t)
		return 0;
	t->over = true;
	if (!t->end_sent)
		h2_note(t, H2_GONE);
	return 0;
}

int h2_callbacks_init(struct h2 *h)
{
	static const struct h2_callbacks set = {
		.begin_frame = h2_on_begin_frame,
		.invalid_frame = on_invalid_frame,
		.begin_headers = on_begin_headers,
		.header = on_header,
		.invalid_header = on_invalid_header,
		.frame = on_frame,
		.data = h2_on_data,
		.stream_close = on_stream_close,
		.frame_sent = h2_on_frame_sent,
		.send_body = h2_send_body,
	};

	return h2_callbacks_new(&set, &h->side.callbacks);
}

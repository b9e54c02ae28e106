// SPDX-License-Identifier: Apache-2.0
/* The callbacks of nghttp2 for connections to instances: they write heads as text, keep bodies and
 * note events; see h2up.h. */
#include <errno.h>
#include <string.h>

#include "runtime/gateway/frames/h2_fields.h"
#include "runtime/gateway/frames/h2_setup.h"
#include "runtime/gateway/upstream/h2up.h"
#include "runtime/http/status.h"

static struct h2up_stream *stream_get(struct h2up_session *s, int32_t id)
{
	return h2up_stream_of(h2_stream_get(&s->conn, id));
}

/* ---- heads ---- */

/* A frame made nghttp2 reset its stream. */
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *self)
{
	struct h2up_session *s = self;
	struct h2up_stream *t = stream_get(s, frame->hd.stream_id);

	s->p->count->h2up_errors++;
	if (t)
		t->why = nghttp2_strerror(error);
	h2_block_lost(&s->conn, frame->hd.stream_id);
	return h2_conn_charge(&s->conn, 20);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *self)
{
	struct h2up_session *s = self;
	struct h2up_stream *t = stream_get(s, frame->hd.stream_id);

	s->head = (struct h2up_head){.trailers = t && t->head_came};
	if (h2_block_begin(&s->conn, frame->hd.stream_id, !t))
		return 0;
	s->p->count->no_buffer++;
	s->head.too_large = true;
	return 0;
}

/* Adds text to the head, in a larger buffer if need be. */
static void add(struct h2up_session *s, const char *at, size_t size)
{
	if (!s->head.too_large)
		s->head.too_large = !h2_block_add(&s->conn, at, size, s->p->config->head_bytes_max);
}

#define add_lit(s, literal) add(s, literal, sizeof(literal) - 1)

static void add_status(struct h2up_session *s, struct http_slice value)
{
	struct h2up_head *b = &s->head;
	const char *reason;

	b->malformed |= b->status != 0 || b->trailers || value.size != 3;
	for (size_t i = 0; i < value.size && !b->malformed; i++)
		b->malformed |= value.at[i] < '0' || value.at[i] > '9';
	if (b->malformed)
		return;
	b->status = (uint16_t)((value.at[0] - '0') * 100 + (value.at[1] - '0') * 10 +
			       (value.at[2] - '0'));
	b->interim = value.at[0] == '1';
	reason = http_status_phrase(b->status);
	add_lit(s, "HTTP/1.1 ");
	add(s, value.at, value.size);
	add_lit(s, " ");
	add(s, reason, strlen(reason));
	add_lit(s, "\r\n");
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
		     nghttp2_rcbuf *value, uint8_t flags, void *self)
{
	struct h2up_session *s = self;
	struct h2up_head *b = &s->head;
	nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
	struct http_slice field = {(const char *)n.base, n.len},
			  text = {(const char *)v.base, v.len};

	if (!h2_block_count(&s->conn, n.len, v.len, s->p->config->head_bytes_max))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (s->conn.block.ignored || b->malformed || b->too_large)
		return 0;
	if (http_slice_is(field, ":status")) {
		add_status(s, text);
		return 0;
	}
	b->malformed |= !h2_fields_clean(field, text) || (!b->status && !b->trailers);
	if (b->malformed)
		return 0;
	b->has_length |= http_slice_is(field, "content-length");
	if (!b->too_large)
		b->too_large = !h2_block_field(&s->conn, field, text, s->p->config->head_bytes_max);
	return 0;
}

/* Refuses a malformed field; nghttp2 alone would leave it out and go on. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
			     nghttp2_rcbuf *value, uint8_t flags, void *self)
{
	struct h2up_session *s = self;

	s->head.malformed = true;
	return 0;
}

static void end_of_answer(struct h2up_stream *t)
{
	t->stream.socket->ended = true;
	h2up_note(t, H2_END);
}

/* Puts the text of a head behind the received bytes of its stream. False: no room. */
static bool give_head(struct h2up_session *s, struct h2up_stream *t)
{
	struct stream *stream = t->stream.socket;
	struct chunk *text = &s->conn.block.text;

	if (stream->in.size > 0)
		return stream_put(&s->p->io, stream, text->at, text->size, 0);
	buffers_put(s->p->io.buffers, stream->in.buffer);
	stream->in = *text;
	*text = (struct chunk){.buffer = BUFFER_NONE};
	return true;
}

static void on_head(struct h2up_session *s, struct h2up_stream *t, bool ended)
{
	struct h2up_head *b = &s->head;

	if (ended && !b->interim && !b->has_length && b->status != 204 && b->status != 304 &&
	    !t->head)
		add_lit(s, "content-length: 0\r\n");
	add_lit(s, "\r\n");
	if (b->malformed || !b->status || (ended && b->interim)) {
		h2up_gone(s, t, UPSTREAM_NO_ANSWER, "its head is malformed");
	} else if (b->too_large || !give_head(s, t)) {
		h2up_gone(s, t, UPSTREAM_NO_ANSWER, "its head is too large");
	} else {
		t->head_came = !b->interim;
		h2up_note(t, H2_BYTES);
		if (ended)
			end_of_answer(t);
	}
}

static void on_trailers(struct h2up_session *s, struct h2up_stream *t, bool ended)
{
	const struct h2up_head *b = &s->head;

	if (b->malformed || b->too_large || !ended) {
		h2up_gone(s, t, UPSTREAM_NO_ANSWER, "its trailers are malformed or too large");
		return;
	}
	h2_block_trailers(&s->conn, t->stream.socket, s->p->config->head_bytes_max);
	end_of_answer(t);
}

/* ---- the rest ---- */

static void on_settings(struct h2up_session *s)
{
	struct instance *i = h2up_instance(s);

	s->settled = true;
	if (i)
		i->h2_streams_max = h2up_limit(s);
	h2up_shed(s);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *self)
{
	struct h2up_session *s = self;
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct h2up_stream *t = stream_get(s, frame->hd.stream_id);

	if (frame->hd.type == NGHTTP2_HEADERS) {
		s->conn.block.open = false;
		if (t && !s->conn.block.ignored)
			s->head.trailers ? on_trailers(s, t, ended) : on_head(s, t, ended);
		h2_block_drop(&s->conn);
	} else if (frame->hd.type == NGHTTP2_DATA && ended && t) {
		end_of_answer(t);
	} else if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
		on_settings(s);
	} else if (frame->hd.type == NGHTTP2_GOAWAY) {
		s->p->count->h2up_goaways++;
		h2up_leave(s);
	} else if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK)) {
		h2up_on_pong(s, frame->ping.opaque_data);
	}
	return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *self)
{
	struct h2up_session *s = self;
	struct h2up_stream *t = stream_get(s, id);

	if (s->conn.block.open && s->conn.block.id == id)
		h2_block_drop(&s->conn);
	s->open -= s->open > 0;
	h2_mark(&s->conn);
	if (!t)
		return 0;
	t->stream.over = true;
	if (t->stream.socket->ended)
		return 0;
	t->code = code;
	if (code == NGHTTP2_REFUSED_STREAM && !t->head_came)
		h2up_gone(s, t, s->leaving ? UPSTREAM_UNREAD : UPSTREAM_GAVE_BACK, NULL);
	else
		h2up_gone(s, t, t->why ? UPSTREAM_NO_ANSWER : UPSTREAM_RESET, t->why);
	return 0;
}

int h2up_callbacks_init(struct h2up *h)
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
		.frame_sent = h2up_on_frame_sent,
		.frame_not_sent = h2up_on_frame_not_sent,
		.send_body = h2_send_body,
	};

	return h2_callbacks_new(&set, &h->side.callbacks);
}

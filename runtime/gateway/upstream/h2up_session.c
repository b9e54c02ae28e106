// SPDX-License-Identifier: Apache-2.0
/* nghttp2's callbacks for connections to instances: they make text of heads, keep bodies and make
 * notes; see h2up.h. */
#include <errno.h>
#include <string.h>

#include "runtime/gateway/frames/h2_setup.h"
#include "runtime/gateway/upstream/h2up.h"
#include "runtime/http/scan.h"
#include "runtime/http/status.h"

/* More than so many times the largest head, decoded, is an attack on the decoder. */
#define BOMB_FACTOR 4u
/* Of the large buffers bodies leave one in so many for heads. */
#define LARGE_SHARE 2u

static int charge(struct h2up_session *s, int64_t cost)
{
	return h2_charge(&s->credit, upstreams_now(s->p), cost) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *self)
{
	return charge(self, h2_frame_cost(hd));
}

/* ---- heads ---- */

static void drop_block(struct h2up_session *s)
{
	buffers_put(s->p->io.buffers, s->block.text.buffer);
	s->block.text = (struct chunk){.buffer = BUFFER_NONE};
}

/* A frame that made nghttp2 reset its stream. */
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *self)
{
	struct h2up_session *s = self;
	struct h2up_stream *t =
		frame->hd.stream_id ? h2up_stream_get(s, frame->hd.stream_id) : NULL;

	s->p->count->h2up_errors++;
	if (t)
		t->why = nghttp2_strerror(error);
	if (s->block.open && s->block.id == frame->hd.stream_id) { /* no end of it will be told */
		drop_block(s);
		s->block.open = false;
	}
	return charge(s, 20);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *self)
{
	struct h2up_session *s = self;
	struct h2up_block *b = &s->block;
	struct h2up_stream *t = h2up_stream_get(s, frame->hd.stream_id);

	drop_block(s);
	*b = (struct h2up_block){.open = true, .id = frame->hd.stream_id};
	b->text.buffer = BUFFER_NONE;
	b->ignored = !t;
	b->trailers = t && t->head_came;
	if (b->ignored)
		return 0;
	b->text.buffer = buffers_get(s->p->io.buffers, BUFFER_UNIT);
	if (b->text.buffer == BUFFER_NONE) {
		s->p->count->no_buffer++;
		b->too_large = true;
		return 0;
	}
	b->text.at = buffers_at(s->p->io.buffers, b->text.buffer) + BUFFER_HEADROOM;
	return 0;
}

/* Text behind what is there, in a larger buffer if need be. */
static void add(struct h2up_session *s, const char *at, size_t size)
{
	struct buffers *pool = s->p->io.buffers;
	struct chunk *c = &s->block.text, larger;

	if (s->block.too_large)
		return;
	if (c->size + size > buffers_size(pool, c->buffer) - BUFFER_HEADROOM - BUFFER_SLACK) {
		larger.buffer = buffers_size(pool, c->buffer) == BUFFER_UNIT &&
						c->size + size <= s->p->config->head_bytes_max
					? buffers_get(pool, pool->large_bytes)
					: BUFFER_NONE;
		if (larger.buffer == BUFFER_NONE) {
			s->block.too_large = true;
			return;
		}
		larger.at = buffers_at(pool, larger.buffer) + BUFFER_HEADROOM;
		larger.size = c->size;
		memcpy(larger.at, c->at, c->size);
		buffers_put(pool, c->buffer);
		*c = larger;
	}
	memcpy(c->at + c->size, at, size);
	c->size += (uint32_t)size;
}

#define add_lit(s, literal) add(s, literal, sizeof(literal) - 1)

static void add_status(struct h2up_session *s, struct http_slice value)
{
	struct h2up_block *b = &s->block;
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

/* A field that could change the meaning of the text is none; nghttp2 looked too. */
static bool is_field(struct http_slice name, struct http_slice value)
{
	for (size_t i = 0; i < name.size; i++)
		if (!http_is_token_char((unsigned char)name.at[i]))
			return false;
	return name.size > 0 && (value.size == 0 || http_text_clean(value));
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
		     nghttp2_rcbuf *value, uint8_t flags, void *self)
{
	struct h2up_session *s = self;
	struct h2up_block *b = &s->block;
	nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
	struct http_slice field = {(const char *)n.base, n.len},
			  text = {(const char *)v.base, v.len};

	b->listed += n.len + v.len + 32;
	s->credit.useful += n.len + v.len;
	if (b->listed > (uint64_t)s->p->config->head_bytes_max * BOMB_FACTOR)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (b->ignored || b->malformed || b->too_large)
		return 0;
	if (http_slice_is(field, ":status")) {
		add_status(s, text);
		return 0;
	}
	b->malformed |= !is_field(field, text) || (!b->status && !b->trailers);
	if (b->malformed)
		return 0;
	b->has_length |= http_slice_is(field, "content-length");
	add(s, field.at, field.size);
	add_lit(s, ": ");
	add(s, text.at, text.size);
	add_lit(s, "\r\n");
	return 0;
}

/* nghttp2 would leave such a field out and go on. */
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
			     nghttp2_rcbuf *value, uint8_t flags, void *self)
{
	struct h2up_session *s = self;

	s->block.malformed = true;
	return 0;
}

static void end_of_answer(struct h2up_session *s, struct h2up_stream *t)
{
	h2up_upstream(s, t)->s.ended = true;
	h2up_note(s, t, H2UP_END);
}

/* The text of a head goes behind what its stream has. */
static bool give_head(struct h2up_session *s, struct h2up_stream *t)
{
	struct stream *stream = &h2up_upstream(s, t)->s;
	struct h2up_block *b = &s->block;

	if (stream->in.size > 0)
		return stream_put(&s->p->io, stream, b->text.at, b->text.size, 0);
	buffers_put(s->p->io.buffers, stream->in.buffer);
	stream->in = b->text;
	b->text = (struct chunk){.buffer = BUFFER_NONE};
	return true;
}

static void on_head(struct h2up_session *s, struct h2up_stream *t, bool ended)
{
	struct h2up_block *b = &s->block;

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
		h2up_note(s, t, H2UP_BYTES);
		if (ended)
			end_of_answer(s, t);
	}
}

static void on_trailers(struct h2up_session *s, struct h2up_stream *t, bool ended)
{
	struct h2up_block *b = &s->block;
	struct stream *stream = &h2up_upstream(s, t)->s;

	add_lit(s, "\r\n");
	if (b->malformed || b->too_large || !ended) {
		h2up_gone(s, t, UPSTREAM_NO_ANSWER, "its trailers are malformed or too large");
		return;
	}
	if (b->text.size > 2 && stream->trailers.buffer == BUFFER_NONE) {
		stream->trailers = b->text;
		b->text = (struct chunk){.buffer = BUFFER_NONE};
	}
	end_of_answer(s, t);
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
	struct h2up_stream *t =
		frame->hd.stream_id ? h2up_stream_get(s, frame->hd.stream_id) : NULL;

	if (frame->hd.type == NGHTTP2_HEADERS) {
		s->block.open = false;
		if (t && !s->block.ignored)
			s->block.trailers ? on_trailers(s, t, ended) : on_head(s, t, ended);
		drop_block(s);
	} else if (frame->hd.type == NGHTTP2_DATA && ended && t) {
		end_of_answer(s, t);
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

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
		   void *self)
{
	struct h2up_session *s = self;
	struct h2up_stream *t = h2up_stream_get(s, id);
	struct stream_io *io = &s->p->io;

	(void)nghttp2_session_consume_connection(ng, size);
	s->credit.useful += size;
	if (!t) {
		(void)nghttp2_session_consume_stream(ng, id, size);
		return 0;
	}
	if (stream_put(io, &h2up_upstream(s, t)->s, data, (uint32_t)size,
		       io->buffers->large_count / LARGE_SHARE)) {
		t->untaken += (uint32_t)size;
		h2up_note(s, t, H2UP_BYTES);
		return 0;
	}
	s->held.at = data;
	s->held.size = (uint32_t)size;
	s->held.id = id;
	s->p->count->h2up_held++;
	return NGHTTP2_ERR_PAUSE;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *self)
{
	struct h2up_session *s = self;
	struct h2up_stream *t = h2up_stream_get(s, id);

	if (s->block.open && s->block.id == id)
		drop_block(s);
	s->open -= s->open > 0;
	h2up_mark(s);
	if (!t)
		return 0;
	t->over = true;
	if (h2up_upstream(s, t)->s.ended)
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
		.begin_frame = on_begin_frame,
		.invalid_frame = on_invalid_frame,
		.begin_headers = on_begin_headers,
		.header = on_header,
		.invalid_header = on_invalid_header,
		.frame = on_frame,
		.data = on_data,
		.stream_close = on_stream_close,
		.frame_sent = h2up_on_frame_sent,
		.frame_not_sent = h2up_on_frame_not_sent,
		.send_body = h2up_send_body,
	};

	return h2_callbacks_new(&set, &h->callbacks);
}

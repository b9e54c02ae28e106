// SPDX-License-Identifier: Apache-2.0
/*
 * The output of a connection is gathered into a buffer once per round of the loop: frames of
 * nghttp2, heads that wait with their exchanges, and bodies, which are copied once, from the buffer
 * in which they were received.
 */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/h2/h2.h"
#include "runtime/gateway/frames/h2_fields.h"

/* ---- heads ---- */

void h2_head_ready(struct h2_request *t)
{
	if (!t->submitted)
		h2_head_waits(&t->stream);
}

/* Everything given to the stream is with nghttp2 or sent. */
static void piece_done(struct h2_request *t)
{
	if (!h2_stream_sent(&t->stream) && !t->final_sent)
		h2_head_ready(t); /* the next head follows an interim one */
}

/* Reads a head that our serializer wrote, so its lines need no check. Returns its bytes, 0 if it is
 * not whole. */
static uint32_t read_head(struct chunk *c, struct h2_fields *f, bool *interim)
{
	char *end = memmem(c->at, c->size, "\r\n\r\n", 4), *line;
	struct http_header h;

	f->count = 0;
	if (!end || c->size < 12)
		return 0;
	*interim = c->at[9] == '1';
	f->at[f->count++] =
		(nghttp2_nv){(uint8_t *)(uintptr_t) ":status", (uint8_t *)c->at + 9, 7, 3,
			     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
	line = memchr(c->at, '\n', c->size);
	while (line && (line = h2_fields_line(line, end, &h)))
		if (!h2_fields_hop(h.name))
			h2_fields_add(f, (char *)(uintptr_t)h.name.at, h.name.size,
				      (char *)(uintptr_t)h.value.at, h.value.size);
	return (uint32_t)(end + 4 - c->at);
}

static bool has_trailers(const struct client *c)
{
	return c->state != CLIENT_ASKED && c->x.down.trailers.buffer != BUFFER_NONE;
}

/* Whether size bytes are the last of the stream. */
static bool is_last(const struct client *c, size_t size)
{
	return size == c->s.out.size && c->s.next.size == 0 && c->x.down.in_done;
}

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
			 uint32_t *flags, nghttp2_data_source *source, void *self);

static void submit_head(struct h2_session *s, struct h2_request *t)
{
	struct client *c = h2_client(t);
	nghttp2_data_provider body = {.read_callback = read_body};
	struct h2_fields f;
	bool interim = false, bare;
	uint32_t bytes = read_head(&c->s.out, &f, &interim);
	int r = NGHTTP2_ERR_INVALID_ARGUMENT;

	c->s.out.at += bytes;
	c->s.out.size -= bytes;
	bare = is_last(c, 0) && !has_trailers(c);
	t->final_sent = !interim;
	if (bytes && interim)
		r = nghttp2_submit_headers(s->conn.out.ng, NGHTTP2_FLAG_NONE, t->stream.id, NULL,
					   f.at, f.count, NULL);
	else if (bytes)
		r = nghttp2_submit_response(s->conn.out.ng, t->stream.id, f.at, f.count,
					    bare ? NULL : &body);
	if (r == 0)
		return;
	s->g->count.h2_errors++;
	h2_note(&t->stream, H2_GONE); /* h2_work_on ends it with a reset */
}

/* Submits the fields behind the body. */
static void submit_trailers(struct h2_session *s, struct h2_request *t, uint32_t *flags)
{
	struct chunk *text = &h2_client(t)->x.down.trailers;
	struct http_head head;
	const char *why;
	struct h2_fields f = {.count = 0};

	if (t->trailers_sent || http_trailers_parse(text->at, text->size, &head, &why))
		return;
	h2_fields_add_all(&f, &head);
	if (f.count && nghttp2_submit_trailer(s->conn.out.ng, t->stream.id, f.at, f.count) == 0) {
		t->trailers_sent = true;
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	}
}

int h2_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *self)
{
	struct h2_session *s = self;
	struct h2_stream *stream = h2_stream_get(&s->conn, frame->hd.stream_id);
	struct h2_request *t = h2_request_of(stream);

	if (!stream)
		return 0;
	if (frame->hd.type == NGHTTP2_DATA)
		h2_refund(&s->conn.credit, 3);
	if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
		t->stream.end_sent = true;
		h2_note(&t->stream, H2_SENT);
	}
	if (frame->hd.type == NGHTTP2_HEADERS && t->submitted) {
		t->submitted = false;
		if (h2_client(t)->s.out.size == 0)
			piece_done(t);
	}
	return 0;
}

/* ---- bodies ---- */

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
			 uint32_t *flags, nghttp2_data_source *source, void *self)
{
	struct h2_session *s = self;
	struct h2_stream *stream = h2_stream_get(&s->conn, id);
	struct h2_request *t = h2_request_of(stream);
	struct client *c;
	size_t size;

	if (!stream)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	c = h2_client(t);
	size = h2_out_share(&s->conn.out, c->s.out.size, length);
	if (is_last(c, size)) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (has_trailers(c))
			submit_trailers(s, t, flags);
	} else if (size == 0) {
		t->stream.deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (size)
		*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	return (ssize_t)size;
}

const void *h2_body(const struct h2_stream *stream)
{
	return stream->socket->out.at;
}

void h2_wrote(struct h2_stream *stream, size_t size)
{
	struct chunk *out = &stream->socket->out;

	out->at += size;
	out->size -= (uint32_t)size;
	if (out->size == 0)
		piece_done(h2_request_of(stream));
}

/* ---- gathering ---- */

static bool next_head(void *self)
{
	struct h2_session *s = self;
	struct h2_stream *stream = h2_head_next(&s->conn);
	struct h2_request *t = h2_request_of(stream);

	if (!stream)
		return false;
	t->submitted = true;
	submit_head(s, t);
	return true;
}

bool h2_gather(struct h2_session *s)
{
	bool sending = s->conn.socket->sending;

	if (!h2_conn_gather(&s->conn, next_head))
		return false;
	if (!sending)
		s->stuck_ns = gateway_now(s->g);
	return true;
}

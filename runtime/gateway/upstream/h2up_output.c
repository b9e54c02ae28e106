// SPDX-License-Identifier: Apache-2.0
/*
 * The output of a connection to an instance: heads out of the text of requests, bodies out of their
 * chunks, each copied once. nghttp2 has one head at a time, because the text of a request may be
 * freed before nghttp2 writes it.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/frames/h2_fields.h"
#include "runtime/gateway/upstream/h2up.h"
#include "runtime/http/h2_head.h"

/* ---- heads ---- */

static void literal(struct h2_fields *f, const char *name, const char *value, size_t size)
{
	f->at[f->count++] =
		(nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			     size, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static void take_field(struct h2up_stream *t, struct h2_fields *f, const struct http_header *h)
{
	if (http_slice_is_nocase(h->name, "host")) {
		f->at[3].value = (uint8_t *)(uintptr_t)h->value.at;
		f->at[3].valuelen = h->value.size;
		return;
	}
	if (h2_fields_hop(h->name))
		return;
	if (http_slice_is_nocase(h->name, "content-length"))
		t->body_left = strtoull(h->value.at, NULL, 10);
	h2_fields_add(f, (char *)(uintptr_t)h->name.at, h->name.size,
		      (char *)(uintptr_t)h->value.at, h->value.size);
}

/* Reads a head that request_write wrote, so its lines need no check. Returns its bytes, 0 if it is
 * not whole. */
static uint32_t read_head(struct h2up_stream *t, struct chunk *c, struct h2_fields *f)
{
	char *end = memmem(c->at, c->size, "\r\n\r\n", 4), *line, *target, *after;
	struct http_header h;

	line = end ? memchr(c->at, '\n', c->size) : NULL;
	target = line ? memchr(c->at, ' ', (size_t)(line - c->at)) : NULL;
	after = target ? memchr(target + 1, ' ', (size_t)(line - target)) : NULL;
	if (!after)
		return 0;
	f->count = 0;
	literal(f, ":method", c->at, (size_t)(target - c->at));
	literal(f, ":scheme", "http", 4);
	literal(f, ":path", target + 1, (size_t)(after - target - 1));
	literal(f, ":authority", "localhost", 9);
	while (line && (line = h2_fields_line(line, end, &h)))
		take_field(t, f, &h);
	return (uint32_t)(end + 4 - c->at);
}

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
			 uint32_t *flags, nghttp2_data_source *source, void *self);

static void submit_head(struct h2up_session *s, struct h2up_stream *t)
{
	struct upstream *u = h2up_upstream(t);
	nghttp2_data_provider body = {.read_callback = read_body};
	struct h2_fields f;
	uint32_t bytes = read_head(t, &u->s.out, &f);
	int32_t id;

	if (bytes == 0) {
		h2up_gone(s, t, UPSTREAM_NO_ANSWER, "its request has no head");
		return;
	}
	t->body_ended = t->framing == HTTP_NO_BODY || (t->framing == HTTP_LENGTH && !t->body_left);
	id = nghttp2_submit_request(s->conn.out.ng, NULL, f.at, f.count,
				    t->body_ended ? NULL : &body, t);
	if (id < 0) { /* no stream ids or memory are left, or GOAWAY came */
		h2up_leave(s);
		h2up_gone(s, t, UPSTREAM_UNREAD, NULL);
		return;
	}
	t->stream.id = id;
	t->sent_before = s->gathered + s->conn.out.chunk.size;
	s->pending = u->s.index + 1;
	u->s.out.at += bytes;
	u->s.out.size -= bytes;
}

static bool next_head(void *self)
{
	struct h2up_session *s = self;
	struct h2_stream *stream;

	if (s->pending || s->open >= (s->settled ? h2up_limit(s) : 1))
		return false;
	stream = h2_head_next(&s->conn);
	if (!stream)
		return false;
	submit_head(s, h2up_stream_of(stream));
	return true;
}

/* Everything given to the stream is with nghttp2 or sent. */
static void piece_done(struct h2up_stream *t)
{
	if (h2_stream_sent(&t->stream))
		h2_mark(t->stream.conn);
}

static bool piece_over(const struct h2up_stream *t)
{
	const struct stream *stream = t->stream.socket;

	return stream->sending && stream->out.size == 0 && t->run.size == 0;
}

/* Whether the frame is the head of a request; trailers are HEADERS too. */
static bool is_head(const nghttp2_frame *frame)
{
	return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

int h2up_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *self)
{
	struct h2up_session *s = self;
	struct h2_stream *stream = h2_stream_get(&s->conn, frame->hd.stream_id);
	struct h2up_stream *t = h2up_stream_of(stream);

	/* Each of our DATA frames may be answered by two WINDOW_UPDATEs and a PING. */
	if (frame->hd.type == NGHTTP2_DATA)
		h2_refund(&s->conn.credit, 8);
	if (is_head(frame)) {
		s->pending = 0;
		s->open++;
		h2_refund(&s->conn.credit, 30);
	}
	if (!stream)
		return 0;
	if (is_head(frame)) {
		must(s->unsent > 0);
		t->opened = true;
		s->unsent--;
		if (piece_over(t))
			piece_done(t);
	}
	if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
	    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		t->stream.end_sent = true;
	return 0;
}

int h2up_on_frame_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *self)
{
	struct h2up_session *s = self;
	struct h2up_stream *t;

	if (!is_head(frame) || !s->pending)
		return 0;
	t = &s->p->h2up->streams[s->pending - 1];
	s->pending = 0;
	if (error != NGHTTP2_ERR_STREAM_CLOSING) /* we reset that stream ourselves */
		h2up_leave(s);
	if (t->stream.conn == &s->conn && t->stream.id == frame->hd.stream_id)
		h2up_gone(s, t, UPSTREAM_UNREAD, NULL);
	return 0;
}

/* ---- bodies ---- */

/* Takes the next bytes of the body out of the piece at hand, without its framing. */
static int take_run(struct h2up_stream *t, struct chunk *c, struct http_slice *run)
{
	size_t used = 0;
	int r;

	if (t->framing == HTTP_LENGTH) {
		used = c->size < t->body_left ? c->size : (size_t)t->body_left;
		*run = (struct http_slice){c->at, used};
		t->body_left -= used;
		t->body_ended = t->body_left == 0;
	} else {
		r = http_chunked_next(&t->chunks, c->at, c->size, &used, run);
		if (r < 0)
			return r;
		t->body_ended = r == 1;
		if (t->chunks.in_trailers) { /* all of them: our last piece is one */
			t->trailers = *run;
			run->size = 0;
		}
	}
	c->at += used;
	c->size -= (uint32_t)used;
	return 0;
}

/* Finds out whether the body has ended: the rest of the piece may be framing only. */
static int look_ahead(struct h2up_stream *t, struct chunk *c)
{
	struct http_slice more;
	struct http_chunked before = t->chunks;
	struct chunk piece = *c;

	while (!t->body_ended && piece.size > 0) {
		if (take_run(t, &piece, &more) < 0)
			return -1;
		if (more.size > 0) { /* more body bytes: they are taken later */
			t->chunks = before;
			t->body_ended = false;
			return 0;
		}
		*c = piece;
		before = t->chunks;
	}
	return 0;
}

/* Submits the fields behind the body. nghttp2 copies them, because their piece is freed soon. */
static void submit_trailers(struct h2up_session *s, struct h2up_stream *t, uint32_t *flags)
{
	struct h2_fields f = {.count = 0};
	struct http_head head;
	const char *why;

	if (t->trailers.size <= 2 ||
	    http_trailers_parse(t->trailers.at, t->trailers.size, &head, &why))
		return;
	t->trailers.size = 0;
	h2_fields_add_all(&f, &head);
	for (size_t i = 0; i < f.count; i++)
		f.at[i].flags = NGHTTP2_NV_FLAG_NONE;
	if (f.count && nghttp2_submit_trailer(s->conn.out.ng, t->stream.id, f.at, f.count) == 0)
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
}

static ssize_t read_body(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length,
			 uint32_t *flags, nghttp2_data_source *source, void *self)
{
	struct h2up_session *s = self;
	struct h2_stream *stream = h2_stream_get(&s->conn, id);
	struct h2up_stream *t = h2up_stream_of(stream);
	struct chunk *out;
	size_t size;

	if (!stream)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	out = &h2up_upstream(t)->s.out;
	while (t->run.size == 0 && !t->body_ended) {
		if (piece_over(t))
			piece_done(t);
		if (out->size == 0)
			break;
		if (take_run(t, out, &t->run) < 0)
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	size = h2_out_share(&s->conn.out, t->run.size, length);
	if (size == t->run.size && t->framing == HTTP_CHUNKED && look_ahead(t, out) < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (size == t->run.size && t->body_ended) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		submit_trailers(s, t, flags);
	} else if (size == 0) {
		t->stream.deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (size)
		*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	else if (piece_over(t))
		piece_done(t);
	return (ssize_t)size;
}

const void *h2up_body(const struct h2_stream *stream)
{
	return h2up_stream_of(stream)->run.at;
}

void h2up_wrote(struct h2_stream *stream, size_t size)
{
	struct h2up_stream *t = h2up_stream_of(stream);

	t->run.at += size;
	t->run.size -= size;
	if (piece_over(t))
		piece_done(t);
}

bool h2up_gather(struct h2up_session *s)
{
	if (!s->connected || !h2_conn_gather(&s->conn, next_head))
		return false;
	s->gathered += s->conn.out.chunk.size;
	return true;
}

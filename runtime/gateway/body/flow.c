// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/body/flow.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/message/serialize.h"
#include "runtime/http/h2_head.h"

static const char last_chunk[] = "0\r\n\r\n";

void flow_init(struct flow *f, enum http_framing in, enum http_framing out, uint64_t bytes)
{
	*f = (struct flow){.in = in, .out = out, .left = bytes, .in_done = in == HTTP_NO_BODY};
	f->max = UINT64_MAX;
	f->trailers.buffer = BUFFER_NONE;
	http_chunked_init(&f->chunks);
	f->done = f->in_done;
}

/* Trailers are collected beside the body, in a buffer that only exists if there are any. */
static int keep_trailers(struct stream_io *io, struct flow *f, struct http_slice run, bool last)
{
	struct chunk *t = &f->trailers;
	struct http_head parsed;
	const char *why;

	if (t->size == 0 && (run.at[0] == '\r' || run.at[0] == '\n'))
		return 0; /* the empty line, and nothing before it */
	if (t->buffer == BUFFER_NONE)
		t->buffer = buffers_get(io->buffers, BUFFER_UNIT);
	if (t->buffer == BUFFER_NONE || run.size > BUFFER_UNIT - t->size)
		return -ENOBUFS;
	t->at = buffers_at(io->buffers, t->buffer);
	memcpy(t->at + t->size, run.at, run.size);
	t->size += (uint32_t)run.size;
	return last && http_trailers_parse(t->at, t->size, &parsed, &why) ? -EBADMSG : 0;
}

/* Closes the gaps between the chunks in data[0..*size), so that the body is the first *body bytes.
 * Sets *size to the bytes that were consumed. */
static int decode(struct stream_io *io, struct flow *f, char *data, uint32_t *size, uint32_t *body)
{
	uint32_t at = 0, out = 0;

	while (at < *size && !f->in_done) {
		struct http_slice run;
		size_t used = 0;
		int r = http_chunked_next(&f->chunks, data + at, *size - at, &used, &run);

		if (r < 0)
			return r;
		f->in_done = r == 1;
		at += (uint32_t)used;
		if (f->chunks.in_trailers) {
			r = keep_trailers(io, f, run, f->in_done);
			if (r < 0)
				return r;
			continue;
		}
		memmove(data + out, run.at, run.size);
		out += (uint32_t)run.size;
	}
	*size = at;
	*body = out;
	return 0;
}

/* Writes one chunk around the bytes where they lie: a received buffer has room before and behind
 * them (buffers.h). */
static void frame(struct chunk *c, bool last)
{
	static const char hex[] = "0123456789abcdef";
	uint32_t size = c->size;
	char *at = c->at;

	if (size) {
		memcpy(c->at + size, "\r\n", 2);
		*--at = '\n';
		*--at = '\r';
		for (uint32_t n = size; n; n >>= 4)
			*--at = hex[n & 15];
		c->size += 2 + (uint32_t)(c->at - at);
		c->at = at;
	}
	if (last) {
		memcpy(c->at + c->size, last_chunk, 5);
		c->size += 5;
	}
}

void flow_take_end(struct flow *f, struct stream *s)
{
	f->in_done = true;
	if (!f->chunks.keep_trailers || f->trailers.buffer != BUFFER_NONE)
		return;
	f->trailers = s->trailers;
	s->trailers = (struct chunk){.buffer = BUFFER_NONE};
}

/* Bytes behind the end of the body stay with the stream, in a buffer of its own. */
static int keep_rest(struct stream_io *io, struct stream *s, uint32_t used)
{
	struct chunk rest = {.size = s->in.size - used, .buffer = BUFFER_NONE};

	if (rest.size == 0) {
		s->in = rest;
		return 0;
	}
	rest.buffer =
		buffers_get(io->buffers, BUFFER_HEADROOM + rest.size + BUFFER_SLACK <= BUFFER_UNIT
						 ? BUFFER_UNIT
						 : io->buffers->large_bytes);
	if (rest.buffer == BUFFER_NONE)
		return -ENOBUFS;
	rest.at = buffers_at(io->buffers, rest.buffer) + BUFFER_HEADROOM;
	memcpy(rest.at, s->in.at + used, rest.size);
	s->in = rest;
	return 0;
}

int flow_take(struct stream_io *io, struct flow *f, struct stream *s, struct chunk *out)
{
	struct chunk taken = s->in;
	uint32_t used = taken.size;
	int r;

	must(s->in.size > 0 && !f->in_done);
	if (f->in == HTTP_LENGTH) {
		used = used < f->left ? used : (uint32_t)f->left;
		f->left -= used;
		f->in_done = f->left == 0;
		taken.size = used;
	} else if (f->in == HTTP_CHUNKED) {
		r = decode(io, f, taken.at, &used, &taken.size);
		if (r < 0)
			return r;
	}
	if (taken.size > f->max)
		return -EFBIG;
	f->max -= taken.size;
	r = keep_rest(io, s, used);
	if (r < 0)
		return r;
	if (f->in == HTTP_UNTIL_CLOSE && s->ended)
		flow_take_end(f, s);
	f->bytes += taken.size;
	/* Trailers are sent in a piece of their own, by finished() in exchange/relay.c. */
	f->end_framed = f->in_done && (f->out != HTTP_CHUNKED || f->trailers.buffer == BUFFER_NONE);
	if (f->out == HTTP_CHUNKED)
		frame(&taken, f->end_framed);
	*out = taken;
	return 0;
}

struct chunk flow_last_piece(struct stream_io *io, struct flow *f)
{
	struct chunk piece = {(char *)(uintptr_t)last_chunk, 5, BUFFER_NONE};
	uint32_t buffer = BUFFER_NONE;
	struct http_head head;
	struct writer w;
	const char *why;

	must(f->out == HTTP_CHUNKED && f->in_done);
	if (f->trailers.size && !http_trailers_parse(f->trailers.at, f->trailers.size, &head, &why))
		buffer = buffers_get(io->buffers, BUFFER_UNIT);
	if (buffer == BUFFER_NONE)
		return piece;
	w = (struct writer){.at = buffers_at(io->buffers, buffer)};
	w.end = w.at + BUFFER_UNIT;
	writer_lit(&w, "0\r\n");
	for (size_t i = 0; i < head.header_count; i++)
		writer_field(&w, &head.headers[i]);
	writer_lit(&w, "\r\n");
	if (w.overflow) {
		buffers_put(io->buffers, buffer);
		return piece;
	}
	piece.at = buffers_at(io->buffers, buffer);
	piece.size = (uint32_t)(w.at - piece.at);
	piece.buffer = buffer;
	return piece;
}

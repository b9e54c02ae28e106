// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies. Each way holds one piece that is being sent and at most one that was received
 * behind it; nothing is asked of a source whose sink is slower, so memory does not grow. Chunked
 * bodies are decoded, checked and framed anew, in place; extensions end here, and so do trailers
 * that nobody asked for.
 */
#include <errno.h>
#include <string.h>

#include "runtime/gateway/proxy.h"
#include "runtime/gateway/serialize.h"
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

void flow_fini(struct stream_io *io, struct flow *f)
{
	buffers_put(io->buffers, f->trailers.buffer);
	f->trailers = (struct chunk){.buffer = BUFFER_NONE};
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

/* Closes the gaps between the chunks in data[0..*size): the body is then the first *body bytes.
 * Sets *size to what was used. */
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

/* One chunk around the bytes, where they are: there is room before and behind them (buffers.h). */
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

/* The carrier of s said that nothing follows; and what stands behind the body, if that is wanted.
 */
static void take_end(struct flow *f, struct stream *s)
{
	f->in_done = true;
	if (!f->chunks.keep_trailers || f->trailers.buffer != BUFFER_NONE)
		return;
	f->trailers = s->trailers;
	s->trailers = (struct chunk){.buffer = BUFFER_NONE};
}

/* What is behind the end of the body stays with the stream, in a buffer of its own. */
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
		take_end(f, s);
	f->bytes += taken.size;
	/* Trailers come in a piece of their own, see finished(). */
	f->end_framed = f->in_done && (f->out != HTTP_CHUNKED || f->trailers.buffer == BUFFER_NONE);
	if (f->out == HTTP_CHUNKED)
		frame(&taken, f->end_framed);
	*out = taken;
	return 0;
}

static void broken(struct proxy *p, struct client *c, enum relay_way way, int err)
{
	if (err == -ENOBUFS)
		p->count.no_buffer++;
	if (way == RELAY_UP && err == -EBADMSG) {
		c->x.keep_alive = false;
		reply_error(p, c, 400, "BAD_REQUEST", 0, "The chunked body is malformed.");
		return;
	}
	if (way == RELAY_UP && err == -EFBIG) {
		request_body_too_large(p, c);
		return;
	}
	if (way == RELAY_DOWN)
		p->count.aborted_by_instance++;
	client_close(p, c);
}

/* The end of a chunked body, with the trailers that may stand there. */
static struct chunk last_piece(struct proxy *p, struct flow *f)
{
	struct chunk piece = {(char *)(uintptr_t)last_chunk, 5, BUFFER_NONE};
	uint32_t buffer = BUFFER_NONE;
	struct writer w;
	const char *why;

	if (f->trailers.size &&
	    !http_trailers_parse(f->trailers.at, f->trailers.size, &p->head, &why))
		buffer = buffers_get(p->io.buffers, BUFFER_UNIT);
	if (buffer == BUFFER_NONE)
		return piece;
	w = (struct writer){.at = buffers_at(p->io.buffers, buffer)};
	w.end = w.at + BUFFER_UNIT;
	writer_lit(&w, "0\r\n");
	for (size_t i = 0; i < p->head.header_count; i++)
		writer_field(&w, &p->head.headers[i]);
	writer_lit(&w, "\r\n");
	if (w.overflow) {
		buffers_put(p->io.buffers, buffer);
		return piece;
	}
	piece.at = buffers_at(p->io.buffers, buffer);
	piece.size = (uint32_t)(w.at - piece.at);
	piece.buffer = buffer;
	return piece;
}

/* Everything of this way was received and what was received is sent. */
static void finished(struct proxy *p, struct client *c, struct flow *f, enum relay_way way)
{
	f->done = true;
	/* Only the end of the source told us that this was all, or trailers follow. */
	if (f->out == HTTP_CHUNKED && !f->end_framed) {
		if (way == RELAY_UP)
			request_ended(p, c);
		stream_send(&p->io, way == RELAY_UP ? &client_upstream(p, c)->s : &c->s,
			    last_piece(p, f));
		flow_fini(&p->io, f);
	}
	if (way == RELAY_UP) {
		if (c->s.in.size == 0 && !buffers_low(p->io.buffers))
			stream_recv(&p->io, &c->s); /* to see the client go away */
	} else {
		response_received(p, c);
		if (!c->s.sending)
			client_next(p, c);
	}
}

static void send_piece(struct proxy *p, struct client *c, struct upstream *u, enum relay_way way)
{
	bool up = way == RELAY_UP;
	struct flow *f = up ? &c->x.up : &c->x.down;
	struct stream *src = up ? &c->s : &u->s, *dst = up ? &u->s : &c->s;
	struct chunk piece;
	int r = flow_take(&p->io, f, src, &piece);

	if (r < 0) {
		broken(p, c, way, r);
		return;
	}
	if (up && piece.size) {
		if (c->x.request.size > 0)
			blame_label(c);
		c->x.body_gone = true; /* it will not be sent again: its buffer is free */
		request_drop(p, c);
	}
	if (piece.size)
		stream_send(&p->io, dst, piece);
	else
		buffers_put(p->io.buffers, piece.buffer);
	if (f->end_framed && !up) {
		response_received(p, c);
		if (!c->s.sending)
			client_next(p, c);
	} else if (!f->in_done || !f->end_framed) {
		relay_pump(p, c, way);
	} else if (!piece.size) {
		finished(p, c, f, way);
	}
}

/* Bodies this long wait for splice(2) rather than being read ahead. */
static bool is_long(const struct client *c, const struct upstream *u, const struct flow *f)
{
	return f->in == HTTP_LENGTH && f->left >= 32768 && !c->s.carried && !u->s.carried;
}

void relay_pump(struct proxy *p, struct client *c, enum relay_way way)
{
	bool up = way == RELAY_UP;
	struct upstream *u = client_upstream(p, c);
	struct flow *f = up ? &c->x.up : &c->x.down;
	struct stream *src, *dst;

	if (c->x.tunnel) {
		tunnel_pump(p, c, way);
		return;
	}
	if (!u || f->done || f->pipe || (up && c->x.up_broken))
		return;
	src = up ? &c->s : &u->s;
	dst = up ? &u->s : &c->s;
	if (c->pace.next_ns == 0 && !f->in_done)
		pace_begin(p, c);
	if (dst->sending) {
		if (src->in.size == 0 && !f->in_done && !is_long(c, u, f) &&
		    !buffers_low(p->io.buffers))
			stream_recv(&p->io, src);
		else if (up && !f->in_done)
			stream_watch(&p->io, src);
	} else if (f->in_done) {
		finished(p, c, f, way);
	} else if (src->in.size > 0) {
		send_piece(p, c, u, way);
	} else if (!is_long(c, u, f) || !splice_begin(p, c, way)) {
		stream_recv(&p->io, src);
	}
}

void relay_on_end(struct proxy *p, struct client *c, enum relay_way way)
{
	struct flow *f = way == RELAY_UP ? &c->x.up : &c->x.down;

	if (f->in != HTTP_UNTIL_CLOSE) {
		p->count.aborted_by_instance++;
		client_close(p, c);
		return;
	}
	take_end(f, way == RELAY_UP ? &c->s : &client_upstream(p, c)->s);
	relay_pump(p, c, way);
}

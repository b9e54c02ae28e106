// SPDX-License-Identifier: Apache-2.0
/* Streams as the sockets of clients: their input, their output, their ends. */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/run.h"
#include "runtime/gateway/h2/h2.h"

#define LARGE_SHARE \
	2u /* of the large buffers bodies may have one in so many: heads need them too */

/* ---- opening and ending ---- */

void h2_stream_open(struct h2_session *s, struct client *c, int32_t id)
{
	struct h2_stream *all = s->g->h2->streams, *t = &all[c->s.index];

	must(t->session == 0 && c->s.carried);
	*t = (struct h2_stream){.session = (uint32_t)(s - s->g->h2->sessions) + 1, .id = id};
	t->next = s->streams;
	if (s->streams)
		all[s->streams - 1].prev = c->s.index + 1;
	s->streams = c->s.index + 1;
	s->stream_count++;
	s->g->count.h2_streams++;
	if (++s->requests == s->g->config.connection_requests_max) {
		s->g->count.request_limits++;
		h2_drain(s->g, h2_carrier(s));
	}
	(void)nghttp2_session_set_stream_user_data(s->out.ng, id, t);
}

static void unlink_stream(struct h2_session *s, struct h2_stream *t)
{
	struct h2_stream *all = s->g->h2->streams;

	must(s->stream_count > 0 && !t->links.in_work);
	if (t->prev)
		all[t->prev - 1].next = t->next;
	else
		s->streams = t->next;
	if (t->next)
		all[t->next - 1].prev = t->prev;
	t->session = 0;
	if (--s->stream_count == 0)
		s->quiet_ns = gateway_now(s->g);
}

/* Tells the peer how the stream ended, unless the peer knows. NO_ERROR: the answer was complete
 * before the request was (RFC 9113 section 8.1). */
static void part(struct h2_session *s, struct h2_stream *t, const struct client *c)
{
	uint8_t reset = c->x.answer.reset_code;
	uint32_t code = t->end_sent ? NGHTTP2_NO_ERROR : reset ? reset : NGHTTP2_INTERNAL_ERROR;

	if (t->over)
		return;
	(void)nghttp2_session_set_stream_user_data(s->out.ng, t->id, NULL);
	/* It also keeps nghttp2 from writing a head whose text is about to go. */
	if ((!t->end_sent || !c->s.ended) &&
	    nghttp2_submit_rst_stream(s->out.ng, NGHTTP2_FLAG_NONE, t->id, code))
		s->out.broken = true;
	h2_mark(s);
}

static void on_closed(void *self, struct stream *stream)
{
	struct gateway *g = self;
	struct client *c = &g->clients[stream->index];
	struct h2_stream *t = &g->h2->streams[stream->index];
	struct h2_session *s;

	if (t->session == 0)
		return;
	s = h2_session_of(g, t);
	h2_work_remove(&s->lists, h2_stream_table(g->h2), stream->index);
	h2_heads_remove(&s->lists, h2_stream_table(g->h2), stream->index);
	part(s, t, c);
	if (s->held.size && s->held.id == t->id)
		h2_mark(s);
	unlink_stream(s, t);
	if (s->stream_count == 0)
		h2_set_deadline(s);
}

static void on_gone(struct gateway *g, struct client *c)
{
	c->eof = true;
	client_happens(g, c, EVENT_LOST);
}

void h2_streams_end(struct h2_session *s)
{
	while (s->streams)
		on_gone(s->g, &s->g->clients[s->streams - 1]);
}

/* ---- the request ---- */

bool h2_stream_put(struct h2_session *s, struct h2_stream *t, const uint8_t *at, uint32_t size)
{
	struct stream_io *io = &s->g->io;

	if (!stream_put(io, &h2_client(s->g, t)->s, at, size,
			io->buffers->large_count / LARGE_SHARE))
		return false;
	t->untaken += size;
	h2_note(s, t, H2_BYTES);
	return true;
}

/* The exchange took what it had, or had none: the peer may send as much again. */
static void on_wants(void *self, struct stream *stream)
{
	struct gateway *g = self;
	struct h2_stream *t = &g->h2->streams[stream->index];
	struct h2_session *s;

	if (t->session == 0 || t->over)
		return;
	s = h2_session_of(g, t);
	if (t->untaken > stream->in.size) {
		(void)nghttp2_session_consume_stream(s->out.ng, t->id,
						     t->untaken - stream->in.size);
		t->untaken = stream->in.size;
		h2_mark(s);
	}
	if (s->held.size && s->held.id == t->id)
		h2_mark(s);
	else if (stream->ended && stream->in.size == 0)
		h2_note(s, t, H2_END);
	h2_mark(s);
}

static void begin(struct gateway *g, struct client *c, const struct h2_stream *t)
{
	if (t->status == 0) {
		request_read(g, c);
		return;
	}
	g->count.heads_too_large += t->status == 431;
	request_refuse(g, c, t->status, t->why);
}

/* More of the body, or its end, for an exchange that waits for it. */
static void go_on(struct gateway *g, struct client *c)
{
	struct flow *up = &c->x.up;

	if (!c->s.receiving)
		return;
	if (c->s.in.size > 0) {
		c->s.receiving = false;
		client_happens(g, c, EVENT_BYTES);
	} else if (c->s.ended && client_is_joined(c) && up->in == HTTP_UNTIL_CLOSE &&
		   !up->in_done) {
		c->s.receiving = false;
		exchange_run(g, c, EVENT_BODY_END, 0);
	}
}

/* One stream. Each step may be its last. */
static void work_on(struct gateway *g, struct h2_stream *t, uint8_t events)
{
	struct client *c = h2_client(g, t);
	uint32_t life = c->s.life;

	if (events & H2_GONE) {
		on_gone(g, c);
		return;
	}
	if (events & H2_NEW)
		begin(g, c, t);
	if (c->s.life == life && (events & (H2_BYTES | H2_END)))
		go_on(g, c);
	if (c->s.life == life && (events & H2_SENT) && !c->s.sending)
		client_happens(g, c, EVENT_SENT);
}

void h2_work(struct h2_session *s)
{
	while (s->lists.work_head) {
		uint32_t index = s->lists.work_head - 1;
		struct h2_stream *t = &s->g->h2->streams[index];
		uint8_t events = t->links.events;

		h2_work_remove(&s->lists, h2_stream_table(s->g->h2), index);
		t->links.events = 0;
		work_on(s->g, t, events);
		exchange_check(s->g, h2_client(s->g, t));
	}
}

/* ---- the response ---- */

static void on_has(void *self, struct stream *stream)
{
	struct gateway *g = self;
	struct h2_stream *t = &g->h2->streams[stream->index];
	struct h2_session *s;

	if (t->session == 0 || t->over)
		return;
	s = h2_session_of(g, t);
	if (!t->final_sent)
		h2_head_ready(s, t);
	else if (t->deferred)
		(void)nghttp2_session_resume_data(s->out.ng, t->id);
	t->deferred = false;
	h2_mark(s);
}

static void on_done(void *self, struct stream *stream)
{
	struct gateway *g = self;
	struct h2_stream *t = &g->h2->streams[stream->index];

	if (t->end_sent) {
		h2_refund(&h2_session_of(g, t)->credit, 12);
		client_close(g, &g->clients[stream->index]);
	} else {
		on_has(self, stream); /* only the end is left */
	}
}

const struct stream_carrier h2_stream_carrier = {
	.wants = on_wants,
	.has = on_has,
	.done = on_done,
	.closed = on_closed,
};

// SPDX-License-Identifier: Apache-2.0
/* Streams as the sockets of upstreams: their input, their output, their ends. */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/upstream/h2up.h"

/* ---- opening and ending ---- */

void h2up_stream_open(struct h2up_session *s, struct upstream *u, const struct ask *ask)
{
	struct h2up_stream *all = s->p->h2up->streams, *t = &all[u->s.index];

	must(all[u->s.index].session == 0);
	*t = (struct h2up_stream){.session = (uint32_t)(s - s->p->h2up->sessions) + 1,
				  .framing = ask->framing,
				  .head = ask->head,
				  .next = s->streams};
	http_chunked_init(&t->chunks);
	if (s->streams)
		all[s->streams - 1].prev = u->s.index + 1;
	s->streams = u->s.index + 1;
	s->count++;
	s->unsent++;
	s->p->count->h2up_streams++;
	h2_heads_push(&s->lists, h2up_stream_table(s->p->h2up), u->s.index);
}

static void unlink_stream(struct h2up_session *s, struct h2up_stream *t)
{
	struct h2up_stream *all = s->p->h2up->streams;

	must(s->count > 0 && !t->links.in_work);
	if (t->prev)
		all[t->prev - 1].next = t->next;
	else
		s->streams = t->next;
	if (t->next)
		all[t->next - 1].prev = t->prev;
	t->session = 0;
	s->unsent -= !t->opened;
	if (--s->count == 0)
		h2up_idles(s);
}

/* Tells the instance that nobody waits any more, unless both sides have ended it. */
static void part(struct h2up_session *s, struct h2up_stream *t, const struct upstream *u)
{
	if (t->over || !t->id || !s->out.ng)
		return;
	(void)nghttp2_session_set_stream_user_data(s->out.ng, t->id, NULL);
	/* It also keeps nghttp2 from writing a head whose text is about to go. */
	(void)nghttp2_submit_rst_stream(s->out.ng, NGHTTP2_FLAG_NONE, t->id,
					u->s.ended ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
	t->over = true;
}

static void on_closed(void *self, struct stream *stream)
{
	struct upstreams *p = self;
	struct upstream *u = &p->slots[stream->index];
	struct h2up_stream *t = &p->h2up->streams[stream->index];
	struct h2up_session *s;

	if (t->session == 0)
		return;
	s = h2up_session_of(p, t);
	h2_work_remove(&s->lists, h2up_stream_table(p->h2up), stream->index);
	h2_heads_remove(&s->lists, h2up_stream_table(p->h2up), stream->index);
	part(s, t, u);
	unlink_stream(s, t);
	h2up_mark(s);
}

/* maxDuration has passed: it is told, and a PING behind that comes back when it was heard. */
bool h2up_cancel(struct upstreams *p, struct upstream *u)
{
	struct h2up_stream *t = &p->h2up->streams[u->s.index];
	struct h2up_session *s;
	uint32_t who[2] = {u->s.index, u->s.life};
	uint8_t opaque[8];

	if (t->session == 0 || !t->opened || t->over)
		return false;
	s = h2up_session_of(p, t);
	part(s, t, u);
	memcpy(opaque, who, sizeof(opaque));
	(void)nghttp2_submit_ping(s->out.ng, NGHTTP2_FLAG_NONE, opaque);
	h2up_mark(s);
	return true;
}

void h2up_on_pong(struct h2up_session *s, const uint8_t *opaque)
{
	uint32_t who[2], session = (uint32_t)(s - s->p->h2up->sessions) + 1;
	struct h2up_stream *t;

	memcpy(who, opaque, sizeof(who));
	if (who[0] >= s->p->slot_count)
		return;
	t = &s->p->h2up->streams[who[0]];
	if (t->session == session && h2up_upstream(s, t)->s.life == who[1] &&
	    h2up_upstream(s, t)->left)
		h2up_gone(s, t, UPSTREAM_RESET, NULL);
}

/* ---- how an owner hears of the end ---- */

/* As a client that speaks HTTP/2 is told of an answer that broke off. */
static uint8_t code_for_client(const struct h2up_stream *t)
{
	switch (t->end.kind == UPSTREAM_RESET ? t->code : NGHTTP2_INTERNAL_ERROR) {
	case NGHTTP2_CANCEL:
	case NGHTTP2_ENHANCE_YOUR_CALM:
	case NGHTTP2_INADEQUATE_SECURITY:
		return (uint8_t)t->code;
	default:
		return NGHTTP2_INTERNAL_ERROR;
	}
}

static void over(struct upstreams *p, struct h2up_stream *t)
{
	struct upstream *u = &p->slots[t - p->h2up->streams];
	struct upstream_end end = t->end; /* the slot may be used again on the way */

	if (!u->owner) { /* left, and now it knows */
		upstream_close(p, u);
		return;
	}
	end.code = code_for_client(t);
	if (end.kind == UPSTREAM_RESET)
		end.why = nghttp2_http2_strerror(t->code);
	p->user->over(p->self, u, &end);
}

/* ---- the answer ---- */

static void go_on(struct upstreams *p, struct upstream *u)
{
	if (!u->s.receiving)
		return;
	if (u->s.in.size > 0 || u->s.ended) {
		u->s.receiving = false;
		upstream_deliver(p, u, u->s.in.size > 0 ? STREAM_MORE : STREAM_END, 0);
	}
}

/* The exchange took what it had: the instance may send as much again. */
static void on_wants(void *self, struct stream *stream)
{
	struct upstreams *p = self;
	struct h2up_stream *t = &p->h2up->streams[stream->index];
	struct h2up_session *s;

	if (t->session == 0)
		return;
	s = h2up_session_of(p, t);
	if (t->untaken > stream->in.size && !t->over) {
		(void)nghttp2_session_consume_stream(s->out.ng, t->id,
						     t->untaken - stream->in.size);
		t->untaken = stream->in.size;
	}
	if (stream->ended && stream->in.size == 0)
		h2up_note(s, t, H2UP_END);
	h2up_mark(s);
}

static void on_has(void *self, struct stream *stream)
{
	struct upstreams *p = self;
	struct h2up_stream *t = &p->h2up->streams[stream->index];
	struct h2up_session *s;

	if (t->session == 0 || t->over)
		return;
	s = h2up_session_of(p, t);
	if (t->deferred)
		(void)nghttp2_session_resume_data(s->out.ng, t->id);
	t->deferred = false;
	h2up_mark(s);
}

const struct stream_carrier h2up_stream_carrier = {
	.wants = on_wants,
	.has = on_has,
	.closed = on_closed,
};

/* One stream. Each step may be its last. */
static void work_on(struct upstreams *p, struct h2up_stream *t, uint8_t events)
{
	struct upstream *u = &p->slots[t - p->h2up->streams];
	uint32_t life = u->s.life;

	if (events & (H2UP_BYTES | H2UP_END)) /* bytes in front of a reset count */
		go_on(p, u);
	if (u->s.life == life && (events & H2UP_OVER)) {
		over(p, t);
		return;
	}
	if (u->s.life == life && (events & H2UP_SENT) && !u->s.sending && u->owner)
		p->user->event(p->self, u, UPSTREAM_SENT, 0);
}

void h2up_work(struct h2up_session *s)
{
	while (s->lists.work_head) {
		uint32_t index = s->lists.work_head - 1;
		struct h2up_stream *t = &s->p->h2up->streams[index];
		uint8_t events = t->links.events;

		h2_work_remove(&s->lists, h2up_stream_table(s->p->h2up), index);
		t->links.events = events & H2UP_OVER; /* that it is over is told once */
		work_on(s->p, t, events);
	}
}

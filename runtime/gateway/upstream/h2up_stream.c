// SPDX-License-Identifier: Apache-2.0
/* Streams in the place of sockets of upstreams: their input, their output, their ends. */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/upstream/h2up.h"

/* ---- opening and ending ---- */

void h2up_stream_open(struct h2up_session *s, struct upstream *u, const struct ask *ask)
{
	struct h2up_stream *t = &s->p->h2up->streams[u->s.index];

	must(!t->stream.conn);
	*t = (struct h2up_stream){.framing = ask->framing, .head = ask->head};
	http_chunked_init(&t->chunks);
	t->chunks.keep_trailers = true;
	h2_stream_begin(&s->conn, &t->stream, &u->s, 0);
	s->unsent++;
	s->p->count->h2up_streams++;
	h2_head_waits(&t->stream);
}

/* The stream that `stream` is the socket of. NULL: there is none any more. */
static struct h2up_stream *stream_of(const struct upstreams *p, const struct stream *stream)
{
	struct h2up_stream *t = &p->h2up->streams[stream->index];

	return t->stream.conn ? t : NULL;
}

/* Tells the instance that nobody waits for the answer any more, unless both sides have ended the
 * stream. */
static void part(struct h2up_session *s, struct h2up_stream *t, const struct upstream *u)
{
	if (t->stream.over || !t->stream.id || !s->conn.out.ng)
		return;
	(void)nghttp2_session_set_stream_user_data(s->conn.out.ng, t->stream.id, NULL);
	/* The reset also keeps nghttp2 from writing a head whose text is freed soon. */
	(void)nghttp2_submit_rst_stream(s->conn.out.ng, NGHTTP2_FLAG_NONE, t->stream.id,
					u->s.ended ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
	t->stream.over = true;
}

static void on_closed(void *self, struct stream *stream)
{
	struct upstreams *p = self;
	struct h2up_stream *t = stream_of(p, stream);
	struct h2up_session *s;

	if (!t)
		return;
	s = h2up_session_of(t->stream.conn);
	part(s, t, &p->slots[stream->index]);
	s->unsent -= !t->opened;
	h2_stream_end(&t->stream);
	if (s->conn.stream_count == 0)
		h2up_idles(s);
	h2_mark(&s->conn);
}

/* maxDuration has passed: resets the stream and sends a PING behind the reset. The answer to the
 * PING says that the instance has read the reset. */
bool h2up_cancel(struct upstreams *p, struct upstream *u)
{
	struct h2up_stream *t = stream_of(p, &u->s);
	struct h2up_session *s;
	uint32_t who[2] = {u->s.index, u->s.life};
	uint8_t opaque[8];

	if (!t || !t->opened || t->stream.over)
		return false;
	s = h2up_session_of(t->stream.conn);
	part(s, t, u);
	memcpy(opaque, who, sizeof(opaque));
	(void)nghttp2_submit_ping(s->conn.out.ng, NGHTTP2_FLAG_NONE, opaque);
	h2_mark(&s->conn);
	return true;
}

void h2up_on_pong(struct h2up_session *s, const uint8_t *opaque)
{
	uint32_t who[2];
	struct h2up_stream *t;

	memcpy(who, opaque, sizeof(who));
	if (who[0] >= s->p->slot_count)
		return;
	t = &s->p->h2up->streams[who[0]];
	if (t->stream.conn == &s->conn && h2up_upstream(t)->s.life == who[1] &&
	    h2up_upstream(t)->left)
		h2up_gone(s, t, UPSTREAM_RESET, NULL);
}

/* ---- how an owner hears of the end ---- */

/* The code of the reset by which a client of HTTP/2 learns that its answer broke off. */
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
	struct upstream_end end = t->end; /* a copy: the slot may be reused meanwhile */

	if (!u->owner) { /* its owner has left, and the instance knows of the end */
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

/* The exchange took the received bytes: the instance may send as many again. */
static void on_wants(void *self, struct stream *stream)
{
	struct h2up_stream *t = stream_of(self, stream);

	if (!t)
		return;
	h2_stream_took(&t->stream);
	if (stream->ended && stream->in.size == 0)
		h2_note(&t->stream, H2_END);
	h2_mark(t->stream.conn);
}

static void on_has(void *self, struct stream *stream)
{
	struct h2up_stream *t = stream_of(self, stream);

	if (t && !t->stream.over)
		h2_stream_resume(&t->stream);
}

const struct stream_carrier h2up_stream_carrier = {
	.wants = on_wants,
	.has = on_has,
	.closed = on_closed,
};

/* Each step may free the upstream; its life tells. */
void h2up_work_on(struct h2_conn *c, struct h2_stream *stream, uint8_t events)
{
	struct upstreams *p = h2up_session_of(c)->p;
	struct h2up_stream *t = h2up_stream_of(stream);
	struct upstream *u = h2up_upstream(t);
	uint32_t life = u->s.life;

	if (events & (H2_BYTES | H2_END)) /* bytes that came before a reset count */
		go_on(p, u);
	if (u->s.life == life && (events & H2_GONE)) {
		over(p, t);
		return;
	}
	if (u->s.life == life && (events & H2_SENT) && !u->s.sending && u->owner)
		p->user->event(p->self, u, UPSTREAM_SENT, 0);
}

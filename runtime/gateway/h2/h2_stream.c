// SPDX-License-Identifier: Apache-2.0
/* Streams in the place of sockets of clients: their input, their output, their ends. */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/run.h"
#include "runtime/gateway/h2/h2.h"

/* ---- opening and ending ---- */

void h2_request_open(struct h2_session *s, struct client *c, int32_t id)
{
	struct h2_request *t = &s->g->h2->requests[c->s.index];
	uint32_t most = s->g->config.connection_requests_max;

	must(!t->stream.conn);
	*t = (struct h2_request){0};
	h2_stream_begin(&s->conn, &t->stream, &c->s, id);
	s->g->count.h2_streams++;
	s->requests++;
	if (most && s->requests >= most && !s->leaving) { /* >=: the limit may have been lowered */
		s->g->count.request_limits++;
		h2_drain(s->g, h2_carrier(s));
	}
	(void)nghttp2_session_set_stream_user_data(s->conn.out.ng, id, t);
}

/* Tells the peer how the stream ended, unless the peer knows. NO_ERROR means that the answer was
 * complete before the request was (RFC 9113 section 8.1). */
static void part(struct h2_session *s, struct h2_request *t, const struct client *c)
{
	uint8_t reset = c->x.answer.reset_code;
	uint32_t code = t->stream.end_sent ? NGHTTP2_NO_ERROR
			: reset            ? reset
					   : NGHTTP2_INTERNAL_ERROR;

	if (t->stream.over)
		return;
	(void)nghttp2_session_set_stream_user_data(s->conn.out.ng, t->stream.id, NULL);
	/* The reset also keeps nghttp2 from writing a head whose text is freed soon. */
	if ((!t->stream.end_sent || !c->s.ended) &&
	    nghttp2_submit_rst_stream(s->conn.out.ng, NGHTTP2_FLAG_NONE, t->stream.id, code))
		s->conn.out.broken = true;
	h2_mark(&s->conn);
}

/* The request that `stream` carries. NULL: it has none any more. */
static struct h2_request *request_of(const struct gateway *g, const struct stream *stream)
{
	struct h2_request *t = &g->h2->requests[stream->index];

	return t->stream.conn ? t : NULL;
}

static void on_closed(void *self, struct stream *stream)
{
	struct gateway *g = self;
	struct h2_request *t = request_of(g, stream);
	struct h2_session *s;

	if (!t)
		return;
	s = h2_session_of(t->stream.conn);
	part(s, t, &g->clients[stream->index]);
	if (s->conn.held.size && s->conn.held.id == t->stream.id)
		h2_mark(&s->conn);
	h2_stream_end(&t->stream);
	if (s->conn.stream_count > 0)
		return;
	s->quiet_ns = gateway_now(g);
	h2_set_deadline(s);
}

static void on_gone(struct gateway *g, struct client *c)
{
	c->eof = true;
	client_happens(g, c, EVENT_LOST);
}

void h2_streams_end(struct h2_session *s)
{
	struct chain *link;

	while ((link = chain_first(&s->conn.streams)))
		on_gone(s->g,
			h2_client(h2_request_of(container_of(link, struct h2_stream, of_conn))));
}

/* ---- the request ---- */

/* The exchange took all received bytes, or had none: the peer may send as many again. */
static void on_wants(void *self, struct stream *stream)
{
	struct h2_request *t = request_of(self, stream);
	struct h2_conn *c;

	if (!t || t->stream.over)
		return;
	c = t->stream.conn;
	h2_stream_took(&t->stream);
	if (!(c->held.size && c->held.id == t->stream.id) && stream->ended && stream->in.size == 0)
		h2_note(&t->stream, H2_END);
	h2_mark(c);
}

static void begin(struct gateway *g, struct client *c, const struct h2_request *t)
{
	if (t->status == 0) {
		request_read(g, c);
		return;
	}
	g->count.heads_too_large += t->status == 431;
	request_refuse(g, c, t->status, t->why);
}

/* Gives bytes of the body, or its end, to an exchange that waits for them. */
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

/* Each step may free the client; its life tells. */
void h2_work_on(struct h2_conn *conn, struct h2_stream *stream, uint8_t events)
{
	struct h2_request *t = h2_request_of(stream);
	struct gateway *g = h2_session_of(conn)->g;
	struct client *c = h2_client(t);
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
	exchange_check(g, c);
}

/* ---- the response ---- */

static void on_has(void *self, struct stream *stream)
{
	struct h2_request *t = request_of(self, stream);

	if (!t || t->stream.over)
		return;
	if (t->final_sent) {
		h2_stream_resume(&t->stream);
		return;
	}
	h2_head_ready(t);
	h2_mark(t->stream.conn);
}

static void on_done(void *self, struct stream *stream)
{
	struct gateway *g = self;
	struct h2_request *t = request_of(g, stream);

	must(t);
	if (!t->stream.end_sent) {
		on_has(self, stream); /* only the end of the stream is left to send */
		return;
	}
	h2_refund(&t->stream.conn->credit, 12);
	client_close(g, &g->clients[stream->index]);
}

const struct stream_carrier h2_stream_carrier = {
	.wants = on_wants,
	.has = on_has,
	.done = on_done,
	.closed = on_closed,
};

// SPDX-License-Identifier: Apache-2.0
/* The input of connections to instances, up to nghttp2. */
#include <errno.h>
#include <string.h>

#include "runtime/gateway/upstream/h2up.h"
#include "runtime/gateway/upstream/room.h"

/* A piece that found no room tries again. */
static bool take_held(struct h2up_session *s)
{
	struct upstream *u = h2up_connection(s);
	struct h2up_stream *t;

	if (s->held.size == 0)
		return true;
	t = h2up_stream_get(s, s->held.id);
	if (t && !stream_put(&s->p->io, &h2up_upstream(s, t)->s, s->held.at, s->held.size, 0))
		return false;
	if (t) {
		t->untaken += s->held.size;
		h2up_note(s, t, H2UP_BYTES);
	} else {
		(void)nghttp2_session_consume_stream(s->out.ng, s->held.id, s->held.size);
	}
	s->held.size = 0;
	stream_consume(&s->p->io, &u->s, s->held.eaten);
	h2up_work(s);
	return true;
}

bool h2up_parse(struct h2up_session *s)
{
	struct upstream *u = h2up_connection(s);
	ssize_t n;

	while (u->s.in.size > 0 && take_held(s) && u->s.in.size > 0) {
		n = nghttp2_session_mem_recv(s->out.ng, (const uint8_t *)u->s.in.at, u->s.in.size);
		if (n > 0 && !h2_charge_bytes(&s->credit, upstreams_now(s->p), (uint64_t)n))
			n = NGHTTP2_ERR_FLOODED;
		if (n == NGHTTP2_ERR_CALLBACK_FAILURE || n == NGHTTP2_ERR_FLOODED) {
			s->p->count->h2up_floods++;
			h2up_fail(s, NGHTTP2_ENHANCE_YOUR_CALM, UPSTREAM_NO_ANSWER, -EPROTO,
				  "it floods its connection with frames of HTTP/2");
			return false;
		}
		if (n < 0) {
			s->p->count->h2up_errors++;
			h2up_fail(s, NGHTTP2_PROTOCOL_ERROR, UPSTREAM_NO_ANSWER, -EPROTO,
				  nghttp2_strerror((int)n));
			return false;
		}
		if (s->held.size)
			s->held.eaten = (uint32_t)n;
		else
			stream_consume(&s->p->io, &u->s, (uint32_t)n);
		h2up_work(s);
	}
	return true;
}

/* SETTINGS come first (RFC 9113 section 3.4). False: not yet, or it is no HTTP/2. */
static bool greet(struct h2up_session *s)
{
	struct upstream *u = h2up_connection(s);
	struct instance *i = h2up_instance(s);
	const char *at = u->s.in.at;
	bool http1 = u->s.in.size >= 5 && memcmp(at, "HTTP/", 5) == 0;

	if (u->s.in.size < NGHTTP2_FRAME_HEAD && !http1) {
		stream_recv(&s->p->io, &u->s);
		return false;
	}
	s->greeted = at[3] == NGHTTP2_SETTINGS && memcmp(at + 5, "\0\0\0\0", 4) == 0;
	if (s->greeted && i) {
		s->p->routes->services[i->service].http2_revision = i->revision;
		i->speaks = SPEAKS_HTTP2;
		i->told = true;
	}
	if (s->greeted)
		return true;
	http1 |= i && i->speaks == SPEAKS_UNKNOWN;
	h2up_fail(s, NGHTTP2_PROTOCOL_ERROR, http1 ? UPSTREAM_HTTP1 : UPSTREAM_NO_ANSWER, -EPROTO,
		  "it does not begin with SETTINGS, as HTTP/2 does");
	return false;
}

static void on_bytes(struct upstreams *p, struct upstream *u)
{
	struct h2up_session *s = h2up_of(p, u);
	bool good;

	room_accepted(p, u);
	if (s->ending) {
		stream_consume(&p->io, &u->s, u->s.in.size);
		stream_recv(&p->io, &u->s);
		return;
	}
	if (!s->greeted && !greet(s))
		return;
	s->busy = true;
	good = h2up_parse(s);
	s->busy = false;
	if (!good)
		return;
	if (s->held.size == 0)
		stream_recv(&p->io, &u->s);
	h2up_mark(s);
}

void h2up_on_recv(struct upstreams *p, struct upstream *u, enum stream_result r, int err)
{
	struct h2up_session *s = h2up_of(p, u);
	struct instance *i = h2up_instance(s);

	if (r == STREAM_NOTHING)
		return;
	if (r == STREAM_MORE)
		on_bytes(p, u);
	else if (r == STREAM_FULL)
		h2up_fail(s, NGHTTP2_INTERNAL_ERROR, UPSTREAM_NO_ANSWER, -EPROTO,
			  "it sends too much");
	else if (!s->greeted && i && i->speaks == SPEAKS_UNKNOWN)
		h2up_fail(s, NGHTTP2_PROTOCOL_ERROR, UPSTREAM_HTTP1, err, NULL);
	else
		h2up_fail(s, NGHTTP2_NO_ERROR, UPSTREAM_LOST, err, NULL);
}

void h2up_on_connect(struct upstreams *p, struct upstream *u, int res)
{
	struct h2up_session *s = h2up_of(p, u);

	s->connected = res == 0;
	if (res == 0)
		h2up_mark(s);
	else
		h2up_fail(s, NGHTTP2_NO_ERROR, UPSTREAM_LOST, res, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* The received bytes of connections to instances, on their way to nghttp2. */
#include <errno.h>
#include <string.h>

#include "runtime/gateway/upstream/h2up.h"
#include "runtime/gateway/upstream/room.h"

bool h2up_parse(struct h2up_session *s)
{
	static const bool never;
	int r = h2_conn_parse(&s->conn, &never);

	if (r == 0)
		return true;
	if (r == NGHTTP2_ERR_CALLBACK_FAILURE || r == NGHTTP2_ERR_FLOODED) {
		s->p->count->h2up_floods++;
		h2up_fail(s, NGHTTP2_ENHANCE_YOUR_CALM, UPSTREAM_NO_ANSWER, -EPROTO,
			  "it floods its connection with frames of HTTP/2");
	} else {
		s->p->count->h2up_errors++;
		h2up_fail(s, NGHTTP2_PROTOCOL_ERROR, UPSTREAM_NO_ANSWER, -EPROTO,
			  nghttp2_strerror(r));
	}
	return false;
}

/* The first frame must be SETTINGS (RFC 9113 section 3.4). False: too few bytes to say, or the
 * instance does not speak HTTP/2. */
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
	if (s->conn.held.size == 0)
		stream_recv(&p->io, &u->s);
	h2_mark(&s->conn);
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
		h2_mark(&s->conn);
	else
		h2up_fail(s, NGHTTP2_NO_ERROR, UPSTREAM_LOST, res, NULL);
}

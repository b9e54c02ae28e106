// SPDX-License-Identifier: Apache-2.0
/* How a connection ends: in order, or together with every stream on it. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/upstream/h2up.h"

/* Time to take a GOAWAY. */
#define FAREWELL_NS (1 * NS_PER_SEC)

void h2up_farewell(struct h2up_session *s, uint32_t code)
{
	struct upstream *u = h2up_connection(s);

	if (!s->greeted || s->conn.out.broken ||
	    nghttp2_session_terminate_session(s->conn.out.ng, code)) {
		upstream_close(s->p, u);
		return;
	}
	s->leaving = s->ending = true;
	u->end_by_ns = upstreams_now(s->p) + FAREWELL_NS;
	upstream_set_timer(s->p, u, u->end_by_ns);
	h2_mark(&s->conn);
}

/* Whether the instance cannot have read any of the request; was_closed_before() in
 * exchange/events.c decides the same for HTTP/1.1. */
static bool was_unread(const struct h2up_session *s, const struct h2up_stream *t, int err)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (!t->opened)
		return true;
	if ((err && err != -EPIPE) ||
	    getsockopt(h2up_connection(s)->s.fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return false;
	/* The SYN counts as one acknowledged byte. */
	return info.tcpi_bytes_acked <= t->sent_before + 1;
}

void h2up_fail(struct h2up_session *s, uint32_t code, enum upstream_end_kind end, int err,
	       const char *why)
{
	struct h2_stream *stream;

	s->busy = s->leaving = true;
	chain_each(stream, &s->conn.streams, of_conn) {
		struct h2up_stream *t = h2up_stream_of(stream);

		if (h2up_upstream(t)->s.ended && !h2up_upstream(t)->left)
			continue; /* the whole answer is here */
		t->end.err = err;
		t->end.others = true;
		t->end.unread = end == UPSTREAM_LOST && was_unread(s, t, err);
		h2up_gone(s, t, end, why);
	}
	h2_conn_work(&s->conn);
	s->busy = false;
	s->conn.out.broken |= end == UPSTREAM_LOST;
	if (s->conn.stream_count == 0)
		h2up_farewell(s, code);
}

// SPDX-License-Identifier: Apache-2.0
/* The bounds of a session, and how its streams learn that they go elsewhere. */
#include "runtime/gateway/upstream/h2up.h"

uint32_t h2up_limit(const struct h2up_session *s)
{
	const struct instance *i = h2up_instance(s);
	uint32_t most = i ? i->h2_streams_max : 1;

	if (s->settled)
		most = nghttp2_session_get_remote_settings(s->conn.out.ng,
							   NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
	return most == 0 ? 1 : most < H2UP_STREAMS_MAX ? most : H2UP_STREAMS_MAX;
}

void h2up_idles(struct h2up_session *s)
{
	struct instance *i = h2up_instance(s);

	if (i && s->greeted && !s->leaving)
		pool_begin(s->p, h2up_connection(s), i);
}

void h2up_gone(struct h2up_session *s, struct h2up_stream *t, enum upstream_end_kind end,
	       const char *why)
{
	chain_remove(&t->stream.in_heads);
	if (t->gone)
		return;
	t->gone = true;
	t->end.kind = end;
	t->end.why = why;
	h2up_note(t, H2_GONE);
}

void h2up_shed(struct h2up_session *s)
{
	uint32_t limit = h2up_limit(s), kept = s->open + (s->pending > 0);
	struct h2_stream *t;

	chain_each(t, &s->conn.heads, in_heads) {
		if (s->leaving || kept >= limit)
			h2up_gone(s, h2up_stream_of(t), UPSTREAM_UNREAD, NULL);
		kept++;
	}
}

void h2up_leave(struct h2up_session *s)
{
	s->leaving = true;
	h2up_shed(s);
	h2_mark(&s->conn);
}

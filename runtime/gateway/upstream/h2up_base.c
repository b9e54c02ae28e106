// SPDX-License-Identifier: Apache-2.0
/* The bounds of a session, and the way its streams hear that they go elsewhere. */
#include "runtime/gateway/upstream/h2up.h"

uint32_t h2up_limit(const struct h2up_session *s)
{
	const struct instance *i = h2up_instance(s);
	uint32_t most = i ? i->h2_streams_max : 1;

	if (s->settled)
		most = nghttp2_session_get_remote_settings(s->out.ng,
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
	h2_heads_remove(&s->lists, h2up_stream_table(s->p->h2up), h2up_stream_index(s, t));
	if (t->links.events & H2UP_OVER)
		return;
	t->end.kind = end;
	t->end.why = why;
	h2up_note(s, t, H2UP_OVER);
}

void h2up_shed(struct h2up_session *s)
{
	struct h2up_stream *all = s->p->h2up->streams;
	uint32_t limit = h2up_limit(s), kept = s->open + (s->pending > 0), next;

	for (uint32_t at = s->lists.heads_head; at; at = next) {
		next = all[at - 1].links.head_next;
		if (s->leaving || kept >= limit)
			h2up_gone(s, &all[at - 1], UPSTREAM_UNREAD, NULL);
		kept++;
	}
}

void h2up_leave(struct h2up_session *s)
{
	s->leaving = true;
	h2up_shed(s);
	h2up_mark(s);
}

// SPDX-License-Identifier: Apache-2.0
/* Connections to instances that speak HTTP/2: from the connect to GOAWAY. */
#include "runtime/gateway/upstream/h2up.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"
#include "runtime/gateway/frames/h2_setup.h"

/* Connections of all, and memory for each. */
#define SESSION_SHARE 4u
#define SESSIONS_MAX  1024u
#define ARENA_BYTES   (98304u + H2UP_STREAMS_MAX * 1536u)

/* ---- the tables ---- */

int h2up_init(struct upstreams *p)
{
	uint32_t count = p->config->connections_max / SESSION_SHARE;
	struct h2up *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	p->h2up = h;
	count = count < 8 ? 8 : count > SESSIONS_MAX ? SESSIONS_MAX : count;
	h->sessions = calloc(count, sizeof(*h->sessions));
	h->free_sessions = calloc(count, sizeof(*h->free_sessions));
	h->streams = calloc(p->slot_count, sizeof(*h->streams));
	h->memory = h2_memory_reserve(count, ARENA_BYTES);
	if (!h->sessions || !h->free_sessions || !h->streams || !h->memory)
		return -ENOMEM;
	for (uint32_t i = count; i > 0; i--)
		h->free_sessions[h->free_count++] = i - 1;
	h->session_count = count;
	return h2_option_new(&h->options) < 0 ? -ENOMEM : h2up_callbacks_init(h);
}

bool h2up_is_due(const struct upstreams *p)
{
	return p->h2up->due.dirty;
}

uint32_t h2up_open_sessions(const struct upstreams *p)
{
	return p->h2up->session_count - p->h2up->free_count;
}

void h2up_retry(struct upstreams *p)
{
	h2_due_retry(&p->h2up->due, h2up_session_table(p->h2up));
}

static void list(struct h2up_session *s, struct instance *i)
{
	struct h2up_session *all = s->p->h2up->sessions;
	uint32_t self = (uint32_t)(s - all) + 1;

	must(!s->listed);
	s->listed = true;
	s->next = i->h2_sessions;
	s->prev = 0;
	if (s->next)
		all[s->next - 1].prev = self;
	i->h2_sessions = self;
}

static void unlist(struct h2up_session *s)
{
	struct h2up_session *all = s->p->h2up->sessions;
	struct instance *i = h2up_instance(s);

	if (!s->listed || !i)
		return;
	s->listed = false;
	if (s->prev)
		all[s->prev - 1].next = s->next;
	else
		i->h2_sessions = s->next;
	if (s->next)
		all[s->next - 1].prev = s->prev;
}

/* ---- ending ---- */

static void on_ended(struct upstreams *p, struct upstream *u)
{
	struct h2up_session *s = h2up_of(p, u);

	must(s->out.ng || s->count == 0);
	unlist(s);
	buffers_put(p->io.buffers, s->block.text.buffer);
	s->block.text.buffer = BUFFER_NONE;
	nghttp2_session_del(s->out.ng);
	s->out.ng = NULL;
	p->count->h2_no_memory += s->arena.refusals;
	p->h2up->free_sessions[p->h2up->free_count++] = u->session - 1;
	u->session = 0;
}

static void leave_if_idle(struct h2up_session *s, bool only_stale)
{
	if (s->count == 0 && !s->leaving &&
	    (!only_stale || (s->greeted && pool_is_stale(s->p, h2up_connection(s)))))
		h2up_leave(s);
}

void h2up_empty(struct upstreams *p, struct instance *i, bool only_stale)
{
	for (uint32_t at = i->h2_sessions; at; at = p->h2up->sessions[at - 1].next)
		leave_if_idle(&p->h2up->sessions[at - 1], only_stale);
}

void h2up_instance_down(struct upstreams *p, struct instance *i)
{
	while (i->h2_sessions) {
		struct h2up_session *s = &p->h2up->sessions[i->h2_sessions - 1];

		unlist(s);
		s->leaving = true;
		h2up_mark(s);
	}
}

void h2up_drain(struct upstreams *p)
{
	for (uint32_t n = 0; n < p->h2up->session_count; n++)
		if (p->h2up->sessions[n].out.ng)
			leave_if_idle(&p->h2up->sessions[n], false);
}

/* ---- output, time ---- */

/* nghttp2 has said GOAWAY by itself, because of what it was sent. */
static bool is_broken(const struct h2up_session *s)
{
	return !s->ending && !nghttp2_session_want_read(s->out.ng) && (!s->leaving || s->count > 0);
}

static void on_sent(struct upstreams *p, struct upstream *u, enum stream_result r)
{
	struct h2up_session *s = h2up_of(p, u);

	if (r == STREAM_ERROR) /* it may have answered before: bytes to receive decide */
		s->out.broken = true;
	if (r != STREAM_NOTHING)
		h2up_mark(s);
}

/* Whether it is kept for a next stream. */
static bool may_idle(const struct h2up_session *s)
{
	const struct instance *i = h2up_instance(s);

	return !s->leaving && s->greeted && i && !s->p->draining && pool_may_keep(s->p, i);
}

/* False: it is gone. */
static bool flush_one(struct h2up_session *s)
{
	struct upstream *u = h2up_connection(s);
	struct upstreams *p = s->p;
	struct instance *i;
	bool good = true;

	s->busy = true;
	if (s->held.size) {
		good = h2up_parse(s);
		if (good && s->held.size == 0)
			stream_recv(&p->io, &u->s);
	}
	if (!good)
		return s->out.ng != NULL;
	while (h2up_gather(s))
		h2up_work(s); /* the owner of the sent bytes may have more */
	p->count->no_buffer += s->out.hungry;
	h2up_work(s);
	s->busy = false;
	if (is_broken(s)) {
		p->count->h2up_errors++;
		h2up_fail(s, NGHTTP2_PROTOCOL_ERROR, UPSTREAM_NO_ANSWER, -EPROTO,
			  "it broke the rules of HTTP/2");
		return s->out.ng != NULL;
	}
	if (s->ending) {
		if (u->s.sending || s->out.rest_size || nghttp2_session_want_write(s->out.ng))
			return !s->out.broken || (upstream_close(p, u), false);
		upstream_close(p, u);
		return false;
	}
	if (s->count == 0 && !may_idle(s)) {
		h2up_farewell(s, NGHTTP2_NO_ERROR);
		return s->out.ng != NULL;
	}
	i = h2up_instance(s);
	if (i && !chain_is_empty(&i->waits) && s->open + s->unsent < h2up_limit(s))
		p->user->room(p->self, i);
	return true;
}

void h2up_flush(struct upstreams *p)
{
	struct h2up *h = p->h2up;
	uint32_t at = h2_due_take(&h->due);

	while (at) {
		uint32_t index = at - 1;
		struct h2up_session *s = &h->sessions[index];

		at = h2_due_next(h2up_session_table(h), at);
		if (s->out.ng && flush_one(s) && (s->held.size || s->out.hungry))
			h2_due_wait(&h->due, h2up_session_table(h), index);
	}
}

static void on_timer(struct upstreams *p, struct upstream *u)
{
	struct h2up_session *s = h2up_of(p, u);
	uint64_t when_ns = s->ending ? u->end_by_ns : u->idle_until_ns;

	if (s->count > 0 && !s->ending)
		return;
	if (when_ns > upstreams_now(p))
		upstream_set_timer(p, u, when_ns);
	else if (s->ending)
		upstream_close(p, u);
	else if (s->greeted)
		h2up_leave(s);
}

static const struct upstream_carrier connection_carrier = {
	.connected = h2up_on_connect,
	.received = h2up_on_recv,
	.sent = on_sent,
	.timer = on_timer,
	.ended = on_ended,
};

/* ---- opening ---- */

/* nghttp2 gets its memory from the session's arena. */
static int new_session(struct h2up_session *s)
{
	nghttp2_mem mem = h2_mem(&s->arena);
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, s->p->config->head_bytes_max},
	};

	if (nghttp2_session_client_new3(&s->out.ng, s->p->h2up->callbacks, s, s->p->h2up->options,
					&mem))
		return -ENOMEM;
	if (nghttp2_submit_settings(s->out.ng, NGHTTP2_FLAG_NONE, settings,
				    sizeof(settings) / sizeof(settings[0])) ||
	    nghttp2_session_set_local_window_size(s->out.ng, NGHTTP2_FLAG_NONE, 0,
						  H2_SESSION_WINDOW))
		return -ENOMEM;
	return 0;
}

/* Whose turn has not come for longest is not asked: any idle one will do. */
static bool evict_idle(struct upstreams *p)
{
	struct h2up *h = p->h2up;

	for (uint32_t n = 0; n < h->session_count; n++) {
		struct h2up_session *s = &h->sessions[n];

		if (!s->out.ng || s->count > 0 || s->busy)
			continue;
		upstream_close(p, h2up_connection(s));
		return true;
	}
	return false;
}

static struct h2up_session *open_session(struct upstreams *p, struct instance *i)
{
	struct h2up *h = p->h2up;
	struct h2up_session *s;
	struct upstream *u;
	uint32_t index;

	if (h->free_count == 0 && !evict_idle(p))
		return NULL;
	u = upstream_socket(p, i);
	if (!u)
		return NULL;
	index = h->free_sessions[--h->free_count];
	s = &h->sessions[index];
	/* It may be on the list of those to be flushed still, from its last use. */
	*s = (struct h2up_session){.links = s->links};
	s->p = p;
	s->upstream = u->s.index;
	s->block.text.buffer = BUFFER_NONE;
	h2_credit_init(&s->credit, upstreams_now(p));
	h2_arena_init(&s->arena, h->memory + (size_t)index * ARENA_BYTES, ARENA_BYTES);
	u->session = index + 1;
	u->carrier = &connection_carrier;
	list(s, i);
	p->count->h2up_sessions++;
	upstream_connect(p, u, i, false);
	if (new_session(s) < 0) {
		upstream_close(p, u);
		return NULL;
	}
	return s;
}

/* One that has room, and did not idle through a freeze. */
static struct h2up_session *usable(struct upstreams *p, struct instance *i)
{
	struct h2up_session *all = p->h2up->sessions;

	for (uint32_t at = i->h2_sessions; at; at = all[at - 1].next) {
		struct h2up_session *s = &all[at - 1];

		if (s->leaving || s->open + s->unsent >= h2up_limit(s))
			continue;
		if (s->count > 0 || !s->greeted || !pool_is_stale(p, h2up_connection(s)))
			return s;
		h2up_leave(s);
	}
	return NULL;
}

struct upstream *h2up_attach(struct upstreams *p, const struct ask *ask, uint32_t owner,
			     struct instance *i)
{
	struct h2up_session *s = usable(p, i);
	bool reused = s && s->greeted;
	struct upstream *u;

	if (!s)
		s = open_session(p, i);
	u = s ? upstream_slot(p, i) : NULL;
	if (!u)
		return NULL;
	stream_open_carried(&u->s, &h2up_stream_carrier, p, u->s.index, RING_UP_RECV);
	u->reused = reused;
	u->http2 = true;
	h2up_stream_open(s, u, ask);
	upstream_ask(p, u, ask, owner);
	stream_recv(&p->io, &u->s);
	return u;
}

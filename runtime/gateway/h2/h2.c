// SPDX-License-Identifier: Apache-2.0
/* Connections that speak HTTP/2: from the preface to GOAWAY. */
#include "runtime/gateway/h2/h2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/frames/h2_setup.h"

#define PREFACE      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_SIZE (sizeof(PREFACE) - 1)

/* Connections that may speak it, of all; and memory for each. */
#define SESSION_SHARE        4u
#define SESSIONS_MAX         1024u
#define ARENA_BYTES(streams) (98304u + (streams)*1536u)

/* nghttp2's own bound, beside ours. */
#define RESETS_BURST      200u
#define RESETS_PER_SECOND 33u

uint32_t h2_open_sessions(const struct gateway *g)
{
	return g->h2->session_count - g->h2->free_count;
}

static void on_ended(struct gateway *g, struct client *c)
{
	struct h2_session *s = &g->h2->sessions[c->session];

	s->out.broken = true; /* nothing more is said */
	h2_streams_end(s);
	buffers_put(g->io.buffers, s->block.buffer);
	nghttp2_session_del(s->out.ng);
	g->count.h2_no_memory += s->arena.refusals;
	s->out.ng = NULL;
	g->h2->free_sessions[g->h2->free_count++] = c->session;
}

/* GOAWAY with this code; every exchange ends, and the connection when that is sent. */
static void fail(struct h2_session *s, uint32_t code)
{
	h2_streams_end(s);
	s->failed = true;
	s->stuck_ns = gateway_now(s->g);
	if (nghttp2_session_terminate_session(s->out.ng, code))
		s->out.broken = true;
	h2_mark(s);
	h2_set_deadline(s);
}

/* ---- input ---- */

/* A piece that found no room tries again. */
static bool take_held(struct h2_session *s)
{
	struct h2_stream *t;
	struct client *c = h2_carrier(s);

	if (s->held.size == 0)
		return true;
	t = h2_stream_get(s, s->held.id);
	if (t && !h2_stream_put(s, t, s->held.at, s->held.size))
		return false;
	if (!t)
		(void)nghttp2_session_consume_stream(s->out.ng, s->held.id, s->held.size);
	s->held.size = 0;
	stream_consume(&s->g->io, &c->s, s->held.eaten);
	return true;
}

static void parse(struct h2_session *s)
{
	struct client *c = h2_carrier(s);
	ssize_t n;

	while (!s->failed && c->s.in.size > 0 && take_held(s) && c->s.in.size > 0) {
		n = nghttp2_session_mem_recv(s->out.ng, (const uint8_t *)c->s.in.at, c->s.in.size);
		if (n > 0 && !h2_charge_bytes(&s->credit, gateway_now(s->g), (uint64_t)n)) {
			s->g->count.h2_floods++;
			n = NGHTTP2_ERR_FLOODED;
		}
		if (n < 0) {
			s->g->count.h2_errors++;
			fail(s, n == NGHTTP2_ERR_CALLBACK_FAILURE || n == NGHTTP2_ERR_FLOODED
					? NGHTTP2_ENHANCE_YOUR_CALM
					: NGHTTP2_INTERNAL_ERROR);
			return;
		}
		if (s->held.size)
			s->held.eaten = (uint32_t)n;
		else
			stream_consume(&s->g->io, &c->s, (uint32_t)n);
		h2_work(s);
	}
}

static void on_bytes(struct gateway *g, struct client *c)
{
	struct h2_session *s = &g->h2->sessions[c->session];

	if (s->failed)
		stream_consume(&g->io, &c->s, c->s.in.size);
	else
		parse(s);
	h2_mark(s);
	h2_set_deadline(s);
	/* A peer that does not read is not read either. */
	if (s->held.size == 0 && !(c->s.sending && c->s.next.size))
		stream_recv(&g->io, &c->s);
}

/* ---- output, time ---- */

/* Nothing is left to say, and nothing more is heard. */
static bool is_over(struct h2_session *s)
{
	struct client *c = h2_carrier(s);

	if (s->out.broken)
		return true;
	if (c->s.sending || s->out.rest_size || s->out.hungry ||
	    nghttp2_session_want_write(s->out.ng))
		return false;
	return s->failed || !nghttp2_session_want_read(s->out.ng) ||
	       (s->leaving && s->stream_count == 0);
}

static void flush_one(struct gateway *g, struct h2_session *s)
{
	struct client *c = h2_carrier(s);

	if (s->held.size) {
		parse(s);
		if (s->held.size == 0)
			stream_recv(&g->io, &c->s);
	}
	while (h2_gather(s))
		h2_work(s); /* the owner of the sent bytes may have more */
	g->count.no_buffer += s->out.hungry;
	h2_work(s);
	if (is_over(s))
		client_leave(g, c);
}

void h2_retry(struct gateway *g)
{
	h2_due_retry(&g->h2->due, h2_session_table(g->h2));
}

bool h2_is_due(const struct gateway *g)
{
	return g->h2->due.dirty;
}

void h2_flush(struct gateway *g)
{
	struct h2 *h = g->h2;
	uint32_t at = h2_due_take(&h->due);

	while (at) {
		uint32_t index = at - 1;
		struct h2_session *s = &h->sessions[index];

		at = h2_due_next(h2_session_table(h), at);
		if (s->out.ng)
			flush_one(g, s);
		if (s->out.ng && (s->held.size || s->out.hungry))
			h2_due_wait(&h->due, h2_session_table(h), index);
	}
}

static void on_sent(struct gateway *g, struct client *c)
{
	struct h2_session *s = &g->h2->sessions[c->session];

	s->stuck_ns = gateway_now(g);
	h2_mark(s);
	if (s->held.size == 0)
		stream_recv(&g->io, &c->s);
}

static void on_timer(struct gateway *g, struct client *c)
{
	struct h2_session *s = &g->h2->sessions[c->session];
	uint32_t code;

	switch (h2_expired(s, &code)) {
	case H2_OVER:
		client_close(g, c);
		return;
	case H2_LEAVES:
		h2_drain(g, c);
		break;
	case H2_TOO_LATE:
		fail(s, code);
		break;
	case H2_IN_TIME:
		break;
	}
	h2_set_deadline(s);
}

/* ---- the beginning ---- */

static int is_preface(const struct gateway *g, const struct client *c)
{
	uint32_t size = c->s.in.size < PREFACE_SIZE ? c->s.in.size : (uint32_t)PREFACE_SIZE;

	if (size == 0 || g->h2->session_count == 0 || c->requests > 0 || c->s.carried ||
	    memcmp(c->s.in.at, PREFACE, size) != 0)
		return -1;
	return size == PREFACE_SIZE;
}

/* nghttp2 gets its memory from the session's arena. */
static int new_session(struct h2_session *s)
{
	nghttp2_mem mem = h2_mem(&s->arena);
	const struct wire_gateway_config *config = &s->g->config;
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, config->h2c_streams},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, config->head_bytes_max},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};

	if (nghttp2_session_server_new3(&s->out.ng, s->g->h2->callbacks, s, s->g->h2->options,
					&mem))
		return -ENOMEM;
	if (nghttp2_submit_settings(s->out.ng, NGHTTP2_FLAG_NONE, settings,
				    sizeof(settings) / sizeof(settings[0])) ||
	    nghttp2_session_set_local_window_size(s->out.ng, NGHTTP2_FLAG_NONE, 0,
						  H2_SESSION_WINDOW))
		return -ENOMEM;
	return 0;
}

/* SETTINGS, and GOAWAY with ENHANCE_YOUR_CALM: all there is to say without a session. */
static void send_away(struct gateway *g, struct client *c)
{
	static const char text[] = "\0\0\0\4\0\0\0\0\0"
				   "\0\0\x8\7\0\0\0\0\0\0\0\0\0\0\0\0\xb";

	g->count.h2_full++;
	client_farewell(g, c, text, sizeof(text) - 1);
}

static void begin(struct gateway *g, struct client *c)
{
	struct h2 *h = g->h2;
	struct h2_session *s;
	uint32_t index, bytes = ARENA_BYTES(g->config.h2c_streams);

	if (h->free_count == 0 || g->draining) {
		send_away(g, c);
		return;
	}
	index = h->free_sessions[--h->free_count];
	s = &h->sessions[index];
	/* It may be on the list of those to be flushed still, from its last use. */
	*s = (struct h2_session){.links = s->links};
	s->g = g;
	s->client = c->s.index;
	s->block.buffer = BUFFER_NONE;
	s->begun_ns = s->quiet_ns = s->stuck_ns = gateway_now(g);
	h2_credit_init(&s->credit, gateway_now(g));
	h2_arena_init(&s->arena, h->memory + (size_t)index * bytes, bytes);
	client_enter(c, CLIENT_SESSION);
	c->session = index;
	g->count.h2_sessions++;
	if (new_session(s) < 0) {
		client_close(g, c);
		return;
	}
	h2_set_deadline(s);
	on_bytes(g, c);
}

static const struct session_user session_user = {
	.is_preface = is_preface,
	.begin = begin,
	.received = on_bytes,
	.sent = on_sent,
	.timer = on_timer,
	.ended = on_ended,
	.drain = h2_drain,
};

int h2_init(struct gateway *g)
{
	uint32_t count = g->config.connections_max / SESSION_SHARE;
	struct h2 *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	g->h2 = h;
	g->session_user = &session_user;
	if (g->config.h2c_streams == 0)
		return 0;
	count = count < 8 ? 8 : count > SESSIONS_MAX ? SESSIONS_MAX : count;
	h->sessions = calloc(count, sizeof(*h->sessions));
	h->free_sessions = calloc(count, sizeof(*h->free_sessions));
	h->streams = calloc(g->client_count, sizeof(*h->streams));
	h->memory = h2_memory_reserve(count, ARENA_BYTES(g->config.h2c_streams));
	if (!h->sessions || !h->free_sessions || !h->streams || !h->memory)
		return -ENOMEM;
	for (uint32_t i = count; i > 0; i--)
		h->free_sessions[h->free_count++] = i - 1;
	h->session_count = count;
	if (h2_option_new(&h->options) < 0)
		return -ENOMEM;
	nghttp2_option_set_stream_reset_rate_limit(h->options, RESETS_BURST, RESETS_PER_SECOND);
	return h2_callbacks_init(h);
}

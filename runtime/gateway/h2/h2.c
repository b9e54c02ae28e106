// SPDX-License-Identifier: Apache-2.0
/* Connections of clients that speak HTTP/2: from the preface to GOAWAY. */
#include "runtime/gateway/h2/h2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/frames/h2_setup.h"

#define PREFACE      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_SIZE (sizeof(PREFACE) - 1)

/* One stream for so many large buffers may have a wide window. */
#define WIDE_SHARE 4u

/* The bound that nghttp2 keeps itself, beside our credit. */
#define RESETS_BURST      200u
#define RESETS_PER_SECOND 33u

uint32_t h2_open_sessions(const struct gateway *g)
{
	return g->h2->side.conn_count - g->h2->side.free_count;
}

static void on_ended(struct gateway *g, struct client *c)
{
	struct h2_session *s = h2_of(g, c);

	s->conn.out.broken = true; /* nothing more can be sent */
	h2_streams_end(s);
	h2_conn_end(&s->conn);
}

/* Sends GOAWAY with this code and ends every exchange. The connection ends when the GOAWAY was
 * sent. */
static void fail(struct h2_session *s, uint32_t code)
{
	h2_streams_end(s);
	s->failed = true;
	s->stuck_ns = gateway_now(s->g);
	if (nghttp2_session_terminate_session(s->conn.out.ng, code))
		s->conn.out.broken = true;
	h2_mark(&s->conn);
	h2_set_deadline(s);
}

/* ---- input ---- */

static void parse(struct h2_session *s)
{
	int r = h2_conn_parse(&s->conn, &s->failed);
	bool flood = r == NGHTTP2_ERR_CALLBACK_FAILURE || r == NGHTTP2_ERR_FLOODED;

	if (r == 0)
		return;
	s->g->count.h2_errors++;
	s->g->count.h2_floods += flood;
	fail(s, flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_INTERNAL_ERROR);
}

static void on_bytes(struct gateway *g, struct client *c)
{
	struct h2_session *s = h2_of(g, c);

	if (s->failed)
		stream_consume(&g->io, &c->s, c->s.in.size);
	else
		parse(s);
	h2_mark(&s->conn);
	h2_set_deadline(s);
	/* While a peer does not read, the gateway does not read from it either. */
	if (s->conn.held.size == 0 && !(c->s.sending && c->s.next.size))
		stream_recv(&g->io, &c->s);
}

/* ---- output, time ---- */

/* Nothing is left to send, and nothing more is read. */
static bool is_over(struct h2_session *s)
{
	struct client *c = h2_carrier(s);

	if (s->conn.out.broken)
		return true;
	if (c->s.sending || s->conn.out.rest_size || s->conn.out.hungry ||
	    nghttp2_session_want_write(s->conn.out.ng))
		return false;
	return s->failed || !nghttp2_session_want_read(s->conn.out.ng) ||
	       (s->leaving && s->conn.stream_count == 0);
}

static void flush(struct h2_conn *conn)
{
	struct h2_session *s = h2_session_of(conn);
	struct gateway *g = s->g;

	if (conn->held.size) {
		parse(s);
		if (conn->held.size == 0)
			stream_recv(&g->io, conn->socket);
	}
	while (h2_gather(s))
		h2_conn_work(conn); /* the owner of the sent bytes may have more */
	g->count.no_buffer += conn->out.hungry;
	h2_conn_work(conn);
	if (is_over(s))
		client_leave(g, h2_carrier(s));
}

static void on_sent(struct gateway *g, struct client *c)
{
	struct h2_session *s = h2_of(g, c);

	s->stuck_ns = gateway_now(g);
	h2_mark(&s->conn);
	if (s->conn.held.size == 0)
		stream_recv(&g->io, &c->s);
}

static void on_timer(struct gateway *g, struct client *c)
{
	struct h2_session *s = h2_of(g, c);
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

	if (size == 0 || g->h2->side.conn_count == 0 || c->requests > 0 || c->s.carried ||
	    memcmp(c->s.in.at, PREFACE, size) != 0)
		return -1;
	return size == PREFACE_SIZE;
}

/* nghttp2 gets its memory from the session's arena. */
static int new_session(struct h2_session *s)
{
	const struct h2_side *side = s->conn.side;
	nghttp2_mem mem = h2_mem(&s->conn.arena);
	const struct wire_gateway_config *config = &s->g->config;
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, config->h2c_streams},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, config->head_bytes_max},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};

	if (nghttp2_session_server_new3(&s->conn.out.ng, side->callbacks, s, side->options, &mem))
		return -ENOMEM;
	return h2_conn_greet(&s->conn, settings, ARRAY_LEN(settings));
}

/* Sends SETTINGS and a GOAWAY with this code; that needs no session. */
static void send_away(struct gateway *g, struct client *c, bool drains)
{
#define AWAY(code)           \
	"\0\0\0\4\0\0\0\0\0" \
	"\0\0\x8\7\0\0\0\0\0\0\0\0\0\0\0\0" code
	static const char no_error[] = AWAY("\0"), enhance_your_calm[] = AWAY("\xb");
#undef AWAY
	_Static_assert(sizeof(no_error) == 27 && sizeof(enhance_your_calm) == 27, "two frames");

	client_farewell(g, c, drains ? no_error : enhance_your_calm, sizeof(no_error) - 1);
}

static void begin(struct gateway *g, struct client *c)
{
	struct h2_conn *conn = NULL;
	struct h2_session *s;
	uint32_t index;

	if (!g->leaving)
		conn = h2_conn_begin(&g->h2->side, &c->s, &index);
	if (!conn) {
		g->count.h2_full += !g->leaving;
		send_away(g, c, g->leaving);
		return;
	}
	s = h2_session_of(conn);
	s->g = g;
	s->begun_ns = s->quiet_ns = s->stuck_ns = gateway_now(g);
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
	.retire = h2_retire,
};

static const struct h2_user user = {
	.work = h2_work_on,
	.flush = flush,
	.body = h2_body,
	.wrote = h2_wrote,
};

int h2_init(struct gateway *g)
{
	struct h2 *h = calloc(1, sizeof(*h));
	struct h2_side *side;
	int r;

	if (!h)
		return -ENOMEM;
	g->h2 = h;
	g->session_user = &session_user;
	side = &h->side;
	*side = (struct h2_side){.user = &user,
				 .io = &g->io,
				 .wide_max = g->io.buffers->large_count / WIDE_SHARE,
				 .held = &g->count.h2_held,
				 .refused = &g->count.h2_no_memory};
	chain_init(&side->due);
	chain_init(&side->waiting);
	if (g->config.h2c_streams == 0)
		return 0;
	h->requests = calloc(g->client_count, sizeof(*h->requests));
	if (!h->requests)
		return -ENOMEM;
	r = h2_side_init(side, g->client_count, sizeof(struct h2_session), g->config.h2c_streams);
	if (r < 0)
		return r;
	nghttp2_option_set_stream_reset_rate_limit(side->options, RESETS_BURST, RESETS_PER_SECOND);
	return h2_callbacks_init(h);
}

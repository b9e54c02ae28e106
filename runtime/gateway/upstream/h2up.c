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

uint32_t h2up_open_sessions(const struct upstreams *p)
{
	return p->h2up->side.conn_count - p->h2up->side.free_count;
}

/* ---- ending ---- */

static void on_ended(struct upstreams *p, struct upstream *u)
{
	struct h2up_session *s = h2up_of(p, u);

	must(s->conn.out.ng || s->conn.stream_count == 0);
	chain_remove(&s->of_instance);
	h2_conn_end(&s->conn);
	u->session = 0;
}

static void leave_if_idle(struct h2up_session *s, bool only_stale)
{
	if (s->conn.stream_count == 0 && !s->leaving &&
	    (!only_stale || (s->greeted && pool_is_stale(s->p, h2up_connection(s)))))
		h2up_leave(s);
}

void h2up_empty(struct upstreams *p, struct instance *i, bool only_stale)
{
	struct h2up_session *s;

	chain_each(s, &i->h2_sessions, of_instance)
		leave_if_idle(s, only_stale);
}

void h2up_instance_down(struct upstreams *p, struct instance *i)
{
	struct chain *link;

	while ((link = chain_take_first(&i->h2_sessions))) {
		struct h2up_session *s = container_of(link, struct h2up_session, of_instance);

		s->leaving = true;
		h2_mark(&s->conn);
	}
}

/* The session with this number, if it is open. */
static struct h2up_session *open_one(const struct upstreams *p, uint32_t index)
{
	struct h2up_session *s = (struct h2up_session *)(void *)p->h2up->side.conns + index;

	return s->conn.out.ng ? s : NULL;
}

void h2up_drain(struct upstreams *p)
{
	for (uint32_t n = 0; n < p->h2up->side.conn_count; n++)
		if (open_one(p, n))
			leave_if_idle(open_one(p, n), false);
}

/* ---- output, time ---- */

/* nghttp2 ends the session by itself, because the instance broke the protocol. */
static bool is_broken(const struct h2up_session *s)
{
	return !s->ending && !nghttp2_session_want_read(s->conn.out.ng) &&
	       (!s->leaving || s->conn.stream_count > 0);
}

static void on_sent(struct upstreams *p, struct upstream *u, enum stream_result r)
{
	struct h2up_session *s = h2up_of(p, u);

	if (r == STREAM_ERROR) /* the instance may have answered: received bytes decide */
		s->conn.out.broken = true;
	if (r != STREAM_NOTHING)
		h2_mark(&s->conn);
}

/* Whether the connection is kept for a next stream. */
static bool may_idle(const struct h2up_session *s)
{
	const struct instance *i = h2up_instance(s);

	return !s->leaving && s->greeted && i && !s->p->draining && pool_may_keep(s->p, i);
}

/* Decides the next step when everything that could be sent is on its way. Afterwards the session
 * may be gone. */
static void flushed(struct h2up_session *s)
{
	struct upstream *u = h2up_connection(s);
	struct upstreams *p = s->p;
	struct instance *i = h2up_instance(s);

	if (is_broken(s)) {
		p->count->h2up_errors++;
		h2up_fail(s, NGHTTP2_PROTOCOL_ERROR, UPSTREAM_NO_ANSWER, -EPROTO,
			  "it broke the rules of HTTP/2");
	} else if (s->ending) {
		bool more = u->s.sending || s->conn.out.rest_size ||
			    nghttp2_session_want_write(s->conn.out.ng);

		if (!more || s->conn.out.broken)
			upstream_close(p, u);
	} else if (s->conn.stream_count == 0 && !may_idle(s)) {
		h2up_farewell(s, NGHTTP2_NO_ERROR);
	} else if (i && !chain_is_empty(&i->waits) && s->open + s->unsent < h2up_limit(s)) {
		p->user->room(p->self, i);
	}
}

static void flush(struct h2_conn *conn)
{
	struct h2up_session *s = h2up_session_of(conn);

	s->busy = true;
	if (conn->held.size) {
		if (!h2up_parse(s))
			return;
		if (conn->held.size == 0)
			stream_recv(&s->p->io, conn->socket);
	}
	while (h2up_gather(s))
		h2_conn_work(conn); /* the owner of the sent bytes may have more */
	s->p->count->no_buffer += conn->out.hungry;
	h2_conn_work(conn);
	s->busy = false;
	flushed(s);
}

static void on_timer(struct upstreams *p, struct upstream *u)
{
	struct h2up_session *s = h2up_of(p, u);
	uint64_t when_ns = s->ending ? u->end_by_ns : u->idle_until_ns;

	if (s->conn.stream_count > 0 && !s->ending)
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

static const struct h2_user user = {
	.work = h2up_work_on,
	.flush = flush,
	.body = h2up_body,
	.wrote = h2up_wrote,
};

int h2up_init(struct upstreams *p)
{
	struct h2up *h = calloc(1, sizeof(*h));
	struct h2_side *side;
	int r;

	if (!h)
		return -ENOMEM;
	p->h2up = h;
	side = &h->side;
	*side = (struct h2_side){.user = &user,
				 .io = &p->io,
				 .held = &p->count->h2up_held,
				 .refused = &p->count->h2_no_memory};
	chain_init(&side->due);
	chain_init(&side->waiting);
	h->streams = calloc(p->slot_count, sizeof(*h->streams));
	if (!h->streams)
		return -ENOMEM;
	r = h2_side_init(side, p->config->connections_max, sizeof(struct h2up_session),
			 H2UP_STREAMS_MAX);
	return r < 0 ? r : h2up_callbacks_init(h);
}

/* nghttp2 gets its memory from the session's arena. */
static int new_session(struct h2up_session *s)
{
	const struct h2_side *side = s->conn.side;
	nghttp2_mem mem = h2_mem(&s->conn.arena);
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, s->p->config->head_bytes_max},
	};

	if (nghttp2_session_client_new3(&s->conn.out.ng, side->callbacks, s, side->options, &mem))
		return -ENOMEM;
	return h2_conn_greet(&s->conn, settings, ARRAY_LEN(settings));
}

/* Closes one idle session, to make room. Any idle one will do: the one that has idled longest is
 * not searched. */
static bool evict_idle(struct upstreams *p)
{
	for (uint32_t n = 0; n < p->h2up->side.conn_count; n++) {
		struct h2up_session *s = open_one(p, n);

		if (!s || s->conn.stream_count > 0 || s->busy)
			continue;
		upstream_close(p, h2up_connection(s));
		return true;
	}
	return false;
}

static struct h2up_session *open_session(struct upstreams *p, struct instance *i)
{
	struct h2_side *side = &p->h2up->side;
	struct h2up_session *s;
	struct upstream *u;
	uint32_t index;

	if (side->free_count == 0 && !evict_idle(p))
		return NULL;
	u = upstream_socket(p, i);
	if (!u)
		return NULL;
	s = h2up_session_of(h2_conn_begin(side, &u->s, &index));
	s->p = p;
	u->session = index + 1;
	u->carrier = &connection_carrier;
	chain_init(&s->of_instance);
	chain_add_first(&i->h2_sessions, &s->of_instance);
	p->count->h2up_sessions++;
	upstream_connect(p, u, i, false);
	if (new_session(s) < 0) {
		upstream_close(p, u);
		return NULL;
	}
	return s;
}

/* A session that has room and did not idle through a freeze. NULL: none. */
static struct h2up_session *usable(struct upstreams *p, struct instance *i)
{
	struct h2up_session *s;

	chain_each(s, &i->h2_sessions, of_instance) {
		if (s->leaving || s->open + s->unsent >= h2up_limit(s))
			continue;
		if (s->conn.stream_count > 0 || !s->greeted ||
		    !pool_is_stale(p, h2up_connection(s)))
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

// SPDX-License-Identifier: Apache-2.0
/* Connections to instances: from the stock of sockets, through the pool, to their end. */
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/proxy.h"

/* Shorter than the 5 s after which Node closes an idle connection, the shortest among the servers
 * in use: so it is us who close, and not under a request. */
#define POOL_IDLE_NS (4 * NS_PER_SEC)
#define POOL_MAX     256u
#define POOL_LOOKS   8
#define SETTLED_NS   (5 * NS_PER_MS)
#define ABRUPT_NS    (100 * NS_PER_MS)

static void pool_remove(struct proxy *p, struct upstream *u)
{
	struct instance *i = &p->instances.slots[u->slot];

	if (!u->idle)
		return;
	if (u->idle_prev)
		p->upstreams[u->idle_prev - 1].idle_next = u->idle_next;
	else
		i->idle_head = u->idle_next;
	if (u->idle_next)
		p->upstreams[u->idle_next - 1].idle_prev = u->idle_prev;
	i->idle_count--;
	u->idle = false;
}

/* A connection pooled before a freeze is poison after it: the server's idle timer went on, and
 * closes it under the request as soon as it may run. No server's timer is so short that this much
 * idling, awake or frozen, makes it fire. */
#define STALE_AFTER_NS (1 * NS_PER_SEC)

static uint32_t freezes_of(struct proxy *p, const struct instance *i)
{
	return atomic_load_explicit(&board_slot(p->board, i->slot)->freezes, memory_order_acquire);
}

void upstream_idles(struct proxy *p, struct upstream *u, struct instance *i)
{
	u->freezes = freezes_of(p, i);
	u->idle_until_ns = proxy_now(p) + POOL_IDLE_NS;
	timers_set(&p->timers, p->client_count + u->s.index, u->idle_until_ns);
}

static bool is_stale(struct proxy *p, const struct upstream *u, uint32_t freezes)
{
	return u->freezes != freezes &&
	       proxy_now(p) + POOL_IDLE_NS > u->idle_until_ns + STALE_AFTER_NS;
}

bool upstream_is_stale(struct proxy *p, const struct upstream *u)
{
	return is_stale(p, u, freezes_of(p, &p->instances.slots[u->slot]));
}

/* The client's ticket is still open, so no freeze can come between. */
static void pool_push(struct proxy *p, struct upstream *u, struct instance *i)
{
	uint32_t self = u->s.index + 1;

	u->idle = true;
	u->idle_prev = 0;
	u->idle_next = i->idle_head;
	if (i->idle_head)
		p->upstreams[i->idle_head - 1].idle_prev = self;
	i->idle_head = self;
	i->idle_count++;
	upstream_idles(p, u, i);
}

static void settle(struct proxy *p, struct upstream *u)
{
	if (!stream_settled(&p->io, &u->s))
		return;
	timers_clear(&p->timers, p->client_count + u->s.index);
	p->free_upstreams[p->free_upstream_count++] = u->s.index;
}

void upstream_close(struct proxy *p, struct upstream *u)
{
	if (u->s.closing)
		return;
	if (u->session)
		h2up_end(p, u);
	pool_remove(p, u);
	stream_close(&p->io, &u->s);
	dispatch_give(p, u);
	room_closed(p, u);
	settle(p, u);
}

void upstream_empty_pool(struct proxy *p, struct instance *i)
{
	while (i->idle_head) {
		p->count.pool_poisoned++;
		upstream_close(p, &p->upstreams[i->idle_head - 1]);
	}
	h2up_empty(p, i, false);
}

void upstream_drop_stale(struct proxy *p, struct instance *i)
{
	uint32_t now = freezes_of(p, i), next;

	for (uint32_t at = i->idle_head; at; at = next) {
		struct upstream *u = &p->upstreams[at - 1];

		next = u->idle_next;
		if (!is_stale(p, u, now))
			continue;
		p->count.pool_poisoned++;
		upstream_close(p, u);
	}
	h2up_empty(p, i, true);
}

bool upstream_may_pool(const struct proxy *p, const struct instance *i)
{
	return i->idle_count < POOL_MAX && !i->draining && i->pool_from_ns <= proxy_now(p);
}

void upstream_detach(struct proxy *p, struct upstream *u, bool reusable)
{
	struct client *c = upstream_client(p, u);
	struct instance *i = instances_get(&p->instances, u->slot, u->generation);

	if (c)
		c->x.upstream = 0;
	u->client = 0;
	if (!reusable || !i || u->s.carried || !upstream_may_pool(p, i) || u->s.sending ||
	    u->s.in.size > 0 || u->s.closing) {
		upstream_close(p, u);
		return;
	}
	u->head_seen = 0;
	u->before = c && c->x.method_is_head ? BEFORE_HEAD
		    : c && c->x.idempotent   ? BEFORE_SAFE
					     : BEFORE_UNSAFE;
	pool_push(p, u, i);
	stream_recv(&p->io, &u->s); /* to see its end, and ready for the next answer */
}

void upstream_join(struct client *c, struct upstream *u)
{
	c->x.upstream = u->s.index + 1;
	u->client = c->s.index + 1;
	u->head_seen = 0;
}

void upstream_ask(struct proxy *p, struct client *c, struct upstream *u)
{
	struct chunk request = c->x.request;

	request.buffer = BUFFER_NONE; /* it may be sent again */
	stream_send(&p->io, &u->s, request);
}

void upstream_connect(struct proxy *p, struct upstream *u, struct instance *i, bool with_request)
{
	const int on = 1;
	struct io_uring_sqe *sqe;
	uint64_t user_data;

	if (i->address.ss_family == AF_INET)
		(void)setsockopt(u->s.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	loop_reserve(p->io.loop, 2);
	sqe = loop_sqe(p->io.loop, LOOP_UP_CONNECT, u->s.index, u->s.life);
	user_data = sqe->user_data;
	io_uring_prep_connect(sqe, u->s.fd, (struct sockaddr *)&i->address, i->address_size);
	sqe->user_data = user_data;
	if (with_request)
		sqe->flags = IOSQE_IO_LINK;
	u->s.pending++;
	p->count.connects++;
}

struct upstream *upstream_slot(struct proxy *p, struct instance *i)
{
	struct upstream *u;
	uint32_t index;

	if (p->free_upstream_count == 0) {
		p->count.no_upstream_slot++;
		return NULL;
	}
	index = p->free_upstreams[--p->free_upstream_count];
	u = &p->upstreams[index];
	stream_open(&u->s, -1, index, LOOP_UP_RECV);
	u->slot = i->slot;
	u->generation = i->generation;
	u->session = u->client = 0;
	u->idle = u->looking = u->cancelling = u->has_ticket = u->unproven = false;
	return u;
}

struct upstream *upstream_socket(struct proxy *p, struct instance *i)
{
	struct upstream *u;

	if (i->stock_count <= 1) /* with more left there is time until the answer */
		control_need_sockets(p, i);
	if (i->stock_count == 0)
		return NULL;
	if (p->free_upstream_count == 0) {
		p->count.no_upstream_slot++;
		return NULL;
	}
	if (!room_take(p, i))
		return NULL;
	u = upstream_slot(p, i);
	u->s.fd = i->stock_fds[--i->stock_count];
	i->used_sockets++;
	room_connecting(p, i, u);
	return u;
}

/* Connect and the request behind it are linked: one submission, no round through the loop. */
static bool attach_new(struct proxy *p, struct client *c, struct instance *i)
{
	struct upstream *u = upstream_socket(p, i);

	if (!u)
		return false;
	c->x.reused = false;
	upstream_join(c, u);
	upstream_connect(p, u, i, true);
	upstream_ask(p, c, u);
	return true;
}

/* What is in an idle connection before the request is sent is no answer to it, but more of the
 * answer before. Looked at in the submission that sends it, so that hardly anything can come
 * between. */
static void look_first(struct proxy *p, struct upstream *u)
{
	struct io_uring_sqe *sqe;
	uint64_t user_data;

	loop_reserve(p->io.loop, 2);
	sqe = loop_sqe(p->io.loop, LOOP_UP_LOOK, u->s.index, u->s.life);
	user_data = sqe->user_data;
	io_uring_prep_recv(sqe, u->s.fd, &p->looked_at, 1, MSG_PEEK | MSG_DONTWAIT);
	sqe->user_data = user_data;
	u->s.pending++;
	u->looking = true;
}

/* Many servers close a connection right behind an answer without having said so (some do it behind
 * a HEAD only), and a request that may not be sent twice would be lost with it. Until this instance
 * was seen to keep one, such a request gets a connection that has idled for a moment. */
static bool is_safe(const struct proxy *p, const struct client *c, const struct instance *i,
		    const struct upstream *u)
{
	return (c->x.idempotent && c->x.up.in_done) ||
	       (i->keeps[u->before] && !i->ends[u->before]) ||
	       proxy_now(p) + POOL_IDLE_NS >= u->idle_until_ns + SETTLED_NS;
}

/* The newest is first: if it is stale, all are. */
static struct upstream *pooled_for(struct proxy *p, const struct client *c, struct instance *i)
{
	uint32_t at = i->idle_head;

	if (c->x.fresh_only || at == 0 || is_stale(p, &p->upstreams[at - 1], freezes_of(p, i)))
		return NULL;
	for (int n = 0; at && n < POOL_LOOKS; n++, at = p->upstreams[at - 1].idle_next)
		if (is_safe(p, c, i, &p->upstreams[at - 1]))
			return is_stale(p, &p->upstreams[at - 1], freezes_of(p, i))
				       ? NULL
				       : &p->upstreams[at - 1];
	return NULL;
}

static bool attach_http1(struct proxy *p, struct client *c, struct instance *i)
{
	struct upstream *u = pooled_for(p, c, i);

	if (!u)
		return attach_new(p, c, i);
	pool_remove(p, u);
	upstream_join(c, u);
	c->x.reused = true;
	p->count.pool_hits++;
	look_first(p, u);
	upstream_ask(p, c, u);
	return true;
}

/* What is not known of an instance is tried: gRPC is HTTP/2 always, all else HTTP/1.1 first. */
bool upstream_attach(struct proxy *p, struct client *c, struct instance *i)
{
	if (i->speaks == SPEAKS_HTTP2 || (c->x.grpc && i->speaks == SPEAKS_UNKNOWN))
		return h2up_attach(p, c, i);
	return attach_http1(p, c, i);
}

static const char *wrong_protocol(const struct instance *i, bool http2)
{
	if (http2)
		return i->upstream == WIRE_HTTP_1
			       ? "it speaks HTTP/2 (as gRPC servers do), and ebb.upstream is http1"
			       : "it speaks HTTP/2 (as gRPC servers do), which was found when the "
				 "body had begun; set ebb.upstream to h2c";
	return i->upstream == WIRE_HTTP_2 ? "it speaks HTTP/1.1, and ebb.upstream is h2c"
					  : "it speaks neither HTTP/2 nor HTTP/1.1";
}

void upstream_speaks(struct proxy *p, struct client *c, struct upstream *u, bool http2)
{
	struct instance *i = instances_get(&p->instances, u->slot, u->generation);
	enum speaks now = http2 ? SPEAKS_HTTP2 : SPEAKS_HTTP1;

	if (!i || (i->upstream != WIRE_HTTP_AUTO) || (i->told && i->speaks != now)) {
		reply_error(p, c, 502, "BAD_RESPONSE", 0, "The function's answer was refused: %s.",
			    i ? wrong_protocol(i, http2) : "its instance ended");
		return;
	}
	i->told = true;
	i->speaks = now;
	if (http2)
		p->routes.services[i->service].http2_revision = i->revision;
	if (dispatch_held(c)) {
		dispatch_anew(p, c, -EPROTO);
		return;
	}
	reply_error(p, c, 502, "BAD_RESPONSE", 0, "The function's answer was refused: %s.",
		    wrong_protocol(i, http2));
}

static struct upstream *upstream_of(struct proxy *p, const struct loop_event *e)
{
	struct upstream *u = &p->upstreams[e->index];

	if (e->life != u->s.life)
		return NULL;
	if (u->s.closing) {
		stream_on_late(&p->io, &u->s, e);
		settle(p, u);
		return NULL;
	}
	return u;
}

/* The same for what is neither a receive nor a send: those count themselves. */
static struct upstream *completed(struct proxy *p, const struct loop_event *e)
{
	struct upstream *u = upstream_of(p, e);

	if (u)
		u->s.pending--;
	return u;
}

static void on_bytes(struct proxy *p, struct client *c, struct upstream *u)
{
	if (u->looking) { /* they had been received before it was sent */
		p->count.pool_poisoned++;
		dispatch_failed(p, c, false, -EPROTO);
		return;
	}
	if (!c->x.got_bytes) {
		load_first_byte(p, c);
		if (c->x.reused)
			p->instances.slots[u->slot].keeps[u->before] = true;
	}
	c->x.got_bytes = true;
	room_accepted(p, u);
	if (c->x.head_sent)
		relay_pump(p, c, RELAY_DOWN);
	else
		response_read(p, c, u);
}

/* Whether the server cannot have read any of the request, because it had closed the connection
 * before it came: what may not be sent twice may then be sent again (RFC 9110 section 9.2.2).
 * looking: its end was here before the request was sent. unsent: the kernel took none of it. Else
 * its end came first (a close with something unread is a reset) and nothing was acknowledged. */
static bool was_closed_before(const struct client *c, const struct upstream *u, int err)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	uint64_t sent;

	if (!c->x.reused || c->x.got_bytes)
		return false;
	if (u->looking || c->x.unsent)
		return true;
	if ((err && err != -EPIPE) || getsockopt(u->s.fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return false;
	sent = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
	/* The SYN counts as one that was acknowledged. */
	return c->x.request.size > 0 && sent + 1 >= info.tcpi_bytes_acked + c->x.request.size;
}

static void on_end(struct proxy *p, struct client *c, struct upstream *u, int err)
{
	if (!c->x.head_sent) {
		if (c->x.reused && !c->x.got_bytes)
			p->instances.slots[u->slot].ends[u->before] = true;
		dispatch_failed(p, c, was_closed_before(c, u, err), err);
	} else if (c->x.tunnel) {
		tunnel_on_end(p, c, RELAY_DOWN, err);
	} else if (err) { /* reset: what came is not all */
		p->count.aborted_by_instance++;
		client_close(p, c);
	} else {
		relay_on_end(p, c, RELAY_DOWN);
	}
}

void upstream_received(struct proxy *p, struct upstream *u)
{
	struct client *c = upstream_client(p, u);

	if (u->cancelling)
		cancel_on_recv(p, u, u->s.in.size ? STREAM_MORE : STREAM_END);
	else if (c && u->s.in.size)
		on_bytes(p, c, u);
	else if (c)
		on_end(p, c, u, 0);
}

/* Right behind the answer: it does so again. Later: its own idle timer. */
static void on_idle_end(struct proxy *p, struct upstream *u)
{
	if (u->idle && proxy_now(p) + POOL_IDLE_NS < u->idle_until_ns + ABRUPT_NS)
		p->instances.slots[u->slot].ends[u->before] = true;
	upstream_close(p, u);
}

void upstream_on_recv(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct upstream *u = upstream_of(p, e);
	struct client *c;
	enum stream_result r;
	int err = 0;

	if (!u)
		return;
	c = upstream_client(p, u);
	r = stream_on_recv(&p->io, &u->s, e, &err);
	if (r == STREAM_STARVED)
		proxy_starved(p, &u->s);
	else if (u->session)
		h2up_on_recv(p, u, r, err);
	else if (u->cancelling)
		cancel_on_recv(p, u, r);
	else if (r == STREAM_MORE && c)
		on_bytes(p, c, u);
	else if (r == STREAM_FULL && c)
		reply_error(p, c, 502, "BAD_RESPONSE", 0, "The head of the response is too large.");
	else if (r != STREAM_NOTHING && c)
		on_end(p, c, u, err);
	else if (r != STREAM_NOTHING) /* idle: closed by its server, or talking out of turn */
		on_idle_end(p, u);
}

void upstream_on_send(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct upstream *u = upstream_of(p, e);
	struct client *c;
	enum stream_result r;
	int err;

	if (!u)
		return;
	c = upstream_client(p, u);
	r = stream_on_send(&p->io, &u->s, e, &err);
	if (u->session)
		h2up_on_sent(p, u, r);
	if (!c)
		return;
	if (r == STREAM_MORE) {
		relay_pump(p, c, RELAY_UP);
	} else if (r == STREAM_ERROR) {
		/* It may have answered before it closed: what can be received decides. */
		c->x.unsent = u->s.out.size > 0 && u->s.out.at == c->x.request.at &&
			      u->s.out.size == c->x.request.size && !c->x.body_gone;
		c->x.up_broken = true;
		c->x.reusable = false;
		if (c->x.up.pipe)
			splice_end(p, &c->x.up);
		if (c->x.tunnel)
			tunnel_pump(p, c, RELAY_UP);
	}
}

void upstream_on_connect(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct upstream *u = completed(p, e);
	struct client *c;

	if (!u)
		return;
	c = upstream_client(p, u);
	room_connected(p, u, e->res != 0);
	if (e->res == 0)
		stream_recv(&p->io, &u->s);
	else
		p->count.connect_errors++;
	if (u->session)
		h2up_on_connect(p, u, e->res);
	else if (e->res == 0)
		return;
	else if (c)
		dispatch_failed(p, c, true, e->res);
	else
		upstream_close(p, u);
}

void upstream_on_look(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct upstream *u = completed(p, e);
	struct client *c;

	if (!u)
		return;
	u->looking = false;
	c = upstream_client(p, u);
	if (!c || e->res == -EAGAIN)
		return;
	if (e->res > 0)
		p->count.pool_poisoned++;
	/* Closed before the request was sent, or talking out of turn. */
	dispatch_failed(p, c, e->res <= 0, e->res > 0 ? -EPROTO : e->res);
}

void upstream_on_poll(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct upstream *u = completed(p, e);
	struct client *c;

	if (!u)
		return;
	u->s.polling = false;
	c = upstream_client(p, u);
	if (c && c->state == CLIENT_ACTIVE)
		splice_pump(p, c, c->x.down.pipe ? RELAY_DOWN : RELAY_UP);
}

void upstream_on_timer(struct proxy *p, struct upstream *u)
{
	if (u->cancelling && !u->s.closing)
		cancel_on_timer(p, u);
	else if (u->unproven && !u->s.closing)
		room_on_timer(p, u);
	if (u->session && !u->s.closing)
		h2up_on_timer(p, u);
	if (!u->idle)
		return;
	if (u->idle_until_ns > proxy_now(p))
		timers_set(&p->timers, p->client_count + u->s.index, u->idle_until_ns);
	else
		upstream_close(p, u);
}

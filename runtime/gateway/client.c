// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/gateway/proxy.h"

#define LINGER_NS       (2 * NS_PER_SEC)
#define ACCEPT_RETRY_NS (100 * NS_PER_MS)

void client_set_deadline(struct proxy *p, struct client *c, uint64_t when_ns)
{
	c->deadline_ns = when_ns;
	timers_set(&p->timers, c->s.index, when_ns);
}

static void set_idle_deadline(struct proxy *p, struct client *c)
{
	client_set_deadline(
		p, c,
		proxy_now(p) + (p->draining ? LINGER_NS : p->config.idle_timeout_ms * NS_PER_MS));
}

void client_arm_accept(struct proxy *p)
{
	for (uint32_t i = 0; i < p->config.listener_count; i++) {
		struct io_uring_sqe *sqe;
		uint64_t user_data;

		if (p->listener_armed[i] || p->draining)
			continue;
		sqe = loop_sqe(p->io.loop, LOOP_ACCEPT, i, 0);
		user_data = sqe->user_data;
		io_uring_prep_multishot_accept(sqe, p->listener_fds[i], NULL, NULL, SOCK_CLOEXEC);
		sqe->user_data = user_data;
		p->listener_armed[i] = true;
	}
}

void client_begin(struct proxy *p, struct client *c)
{
	if (!peer_admit(p, c)) {
		reply_full(c->s.fd, REPLY_ADDRESS);
		client_close(p, c);
		return;
	}
	c->state = CLIENT_HEAD;
	set_idle_deadline(p, c);
	if (c->s.in.size > 0)
		request_read(p, c);
	else
		stream_recv(&p->io, &c->s);
}

/* Draining is over when nobody is left, and nobody can come. */
static void stop_if_empty(struct proxy *p)
{
	for (uint32_t i = 0; i < p->config.listener_count; i++)
		if (p->listener_armed[i])
			return;
	if (p->draining && p->free_client_count == p->client_count)
		p->io.loop->stop = true;
}

/* A slot of the slab, NULL if it has none. */
static struct client *take_slot(struct proxy *p)
{
	struct client *c;
	uint32_t index;

	if (p->free_client_count == 0) {
		p->count.refused_full++;
		return NULL;
	}
	index = p->free_clients[--p->free_client_count];
	c = &p->clients[index];
	stream_open(&c->s, -1, index, LOOP_CLIENT_RECV);
	c->x.down.trailers.buffer = BUFFER_NONE; /* the rest is set when a request begins */
	c->state = CLIENT_HEAD;
	c->eof = c->counted = false;
	c->spoke = false;
	c->head_seen = 0;
	c->requests = 0;
	return c;
}

struct client *client_open_carried(struct proxy *p, const struct client *carrier,
				   const struct stream_carrier *by)
{
	struct client *c = take_slot(p);

	if (!c)
		return NULL;
	stream_open_carried(&c->s, by, c->s.index, LOOP_CLIENT_RECV);
	c->address = carrier->address;
	c->trusted = carrier->trusted;
	c->peer_size = carrier->peer_size;
	memcpy(c->peer, carrier->peer, sizeof(c->peer));
	c->spoke = true;
	return c;
}

static void accept_one(struct proxy *p, int fd, uint32_t listener)
{
	struct client *c = take_slot(p);

	if (!c) {
		reply_full(fd, REPLY_NO_SLOT);
		fd_close(&fd);
		return;
	}
	c->s.fd = fd;
	p->count.accepted++;
	peer_note(p, c);
	if (!peer_must_introduce(p, listener)) {
		client_begin(p, c);
		return;
	}
	c->state = CLIENT_PROXY;
	client_set_deadline(p, c, proxy_now(p) + p->config.head_timeout_ms * NS_PER_MS);
	stream_recv(&p->io, &c->s);
}

void client_on_accept(void *self, const struct loop_event *e)
{
	struct proxy *p = self;

	/* Without F_MORE the multishot is over: after an error such as EMFILE it is armed again
	 * when a connection ends, else at once. */
	if (!(e->flags & IORING_CQE_F_MORE))
		p->listener_armed[e->index] = false;
	if (e->res >= 0)
		accept_one(p, e->res, e->index);
	if (p->draining && !p->listener_armed[e->index]) {
		fd_close(&p->listener_fds[e->index]); /* who comes now is refused, and knows it */
		stop_if_empty(p);
	} else if (!p->listener_armed[e->index] && (e->res >= 0 || e->res == -ECONNABORTED)) {
		client_arm_accept(p);
	}
}

/* A closing client whose last completion came goes back to the slab. */
static void settle(struct proxy *p, struct client *c)
{
	if (!stream_settled(&p->io, &c->s))
		return;
	timers_clear(&p->timers, c->s.index);
	peer_forget(p, c);
	c->state = CLIENT_FREE;
	p->free_clients[p->free_client_count++] = c->s.index;
	client_arm_accept(p);
	stop_if_empty(p);
}

void client_close(struct proxy *p, struct client *c)
{
	if (c->state == CLIENT_CLOSING || c->state == CLIENT_FREE)
		return;
	if (c->state == CLIENT_SESSION)
		h2_end(p, c);
	c->x.aborted = !c->x.tunnel && (c->state != CLIENT_FINISHING || c->s.sending);
	account_end(p, c);
	dispatch_abandon(p, c);
	flow_fini(&p->io, &c->x.down);
	c->state = CLIENT_CLOSING;
	stream_close(&p->io, &c->s);
	settle(p, c);
}

static void linger(struct proxy *p, struct client *c)
{
	if (c->eof || shutdown(c->s.fd, SHUT_WR) < 0) {
		client_close(p, c);
		return;
	}
	c->state = CLIENT_LINGER;
	client_set_deadline(p, c, proxy_now(p) + LINGER_NS);
	stream_consume(&p->io, &c->s, c->s.in.size);
	stream_recv(&p->io, &c->s);
}

void client_leave(struct proxy *p, struct client *c)
{
	h2_end(p, c);
	c->state = CLIENT_FINISHING;
	linger(p, c);
}

void client_farewell(struct proxy *p, struct client *c, const char *text, uint32_t size)
{
	c->x = (struct exchange){.request = {.buffer = BUFFER_NONE}};
	flow_init(&c->x.up, HTTP_UNTIL_CLOSE, HTTP_UNTIL_CLOSE, 0);
	flow_init(&c->x.down, HTTP_NO_BODY, HTTP_NO_BODY, 0);
	c->state = CLIENT_FINISHING;
	client_set_deadline(p, c, proxy_now(p) + LINGER_NS);
	stream_send(&p->io, &c->s, (struct chunk){(char *)(uintptr_t)text, size, BUFFER_NONE});
}

/* The head of the answer promised that the connection goes on, so it does when the rest of the
 * request is through, for as long as a client is given to read its last answer. */
static void discard(struct proxy *p, struct client *c)
{
	while (c->s.in.size > 0 && !c->x.up.in_done) {
		struct chunk piece;

		if (flow_take(&p->io, &c->x.up, &c->s, &piece) < 0) {
			client_close(p, c);
			return;
		}
		buffers_put(p->io.buffers, piece.buffer);
	}
	if (c->x.up.in_done)
		client_next(p, c);
	else
		stream_recv(&p->io, &c->s);
}

static void discard_begin(struct proxy *p, struct client *c)
{
	c->state = CLIENT_DISCARD;
	c->x.up.out = c->x.up.in == HTTP_CHUNKED ? HTTP_UNTIL_CLOSE : c->x.up.in; /* no frames */
	client_set_deadline(p, c, proxy_now(p) + LINGER_NS);
	stream_set_nonblocking(&c->s, false);
	discard(p, c);
}

void client_next(struct proxy *p, struct client *c)
{
	account_end(p, c);
	request_drop(p, c);
	if (c->s.carried) {
		c->s.carrier->done(p->io.carrier_self, &c->s);
		return;
	}
	if (!c->x.keep_alive || c->eof || p->draining) {
		if (c->x.up.in_done)
			client_close(p, c);
		else
			linger(p, c);
		return;
	}
	if (!c->x.up.in_done) {
		discard_begin(p, c);
		return;
	}
	c->state = CLIENT_HEAD;
	c->spoke = true;
	c->head_seen = 0;
	set_idle_deadline(p, c);
	if (c->s.in.size > 0)
		request_read(p, c);
	else
		stream_recv(&p->io, &c->s);
}

void client_received(struct proxy *p, struct client *c)
{
	switch (c->state) {
	case CLIENT_PROXY:
		peer_read_introduction(p, c);
		break;
	case CLIENT_HEAD:
		request_read(p, c);
		break;
	case CLIENT_SESSION:
		h2_on_bytes(p, c);
		break;
	case CLIENT_ACTIVE:
		if (!c->x.up.in_done)
			relay_pump(p, c, RELAY_UP);
		break;
	case CLIENT_DISCARD:
		discard(p, c);
		break;
	case CLIENT_LINGER:
		stream_consume(&p->io, &c->s, c->s.in.size);
		stream_recv(&p->io, &c->s);
		break;
	default: /* kept for later; nothing more is asked for, so this is bounded */
		break;
	}
}

static void on_end(struct proxy *p, struct client *c)
{
	c->eof = true;
	switch (c->state) {
	case CLIENT_FINISHING: /* answered: let it have the rest */
		break;
	case CLIENT_ACTIVE:
		if (c->x.tunnel) {
			tunnel_on_end(p, c, RELAY_UP, 0);
			break;
		}
		/* fall through */
	case CLIENT_QUEUED:
	case CLIENT_WAITS_SOCKET:
	case CLIENT_DOUBT:
		p->count.aborted_by_client++;
		/* fall through */
	default:
		client_close(p, c);
		break;
	}
}

/* Completions of a closing client only settle it; those of an earlier one are dropped. */
static struct client *client_of(struct proxy *p, const struct loop_event *e)
{
	struct client *c = &p->clients[e->index];

	if (e->life != c->s.life)
		return NULL;
	if (c->s.closing) {
		stream_on_late(&p->io, &c->s, e);
		settle(p, c);
		return NULL;
	}
	return c;
}

void client_on_recv(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct client *c = client_of(p, e);
	int err;

	if (!c)
		return;
	switch (stream_on_recv(&p->io, &c->s, e, &err)) {
	case STREAM_MORE:
		client_received(p, c);
		break;
	case STREAM_END:
		on_end(p, c);
		break;
	case STREAM_FULL:
		if (c->state == CLIENT_ACTIVE) { /* half a ping, and no large buffer was left */
			client_close(p, c);
			break;
		}
		request_too_large(p, c);
		break;
	case STREAM_STARVED:
		proxy_starved(p, &c->s);
		break;
	case STREAM_ERROR:
		c->eof = true;
		if (c->state >= CLIENT_QUEUED && c->state <= CLIENT_DOUBT)
			p->count.aborted_by_client++;
		client_close(p, c);
		break;
	case STREAM_NOTHING:
		break;
	}
}

void client_sent(struct proxy *p, struct client *c)
{
	struct upstream *u = client_upstream(p, c);

	if (c->state == CLIENT_FINISHING)
		client_next(p, c);
	else if (c->state == CLIENT_SESSION)
		h2_on_sent(p, c);
	else if (c->state == CLIENT_ACTIVE && c->x.head_sent)
		relay_pump(p, c, RELAY_DOWN);
	else if (c->state == CLIENT_ACTIVE && u && u->s.in.size > 0)
		response_read(p, c, u);
}

void client_on_send(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct client *c = client_of(p, e);
	int err;

	if (!c)
		return;
	switch (stream_on_send(&p->io, &c->s, e, &err)) {
	case STREAM_MORE:
		client_sent(p, c);
		break;
	case STREAM_ERROR:
		p->count.aborted_by_client++;
		client_close(p, c);
		break;
	default:
		break;
	}
}

void client_on_poll(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct client *c = client_of(p, e);

	if (!c)
		return;
	c->s.pending--;
	c->s.polling = false;
	if (c->state != CLIENT_ACTIVE)
		return;
	splice_pump(p, c, c->x.down.pipe ? RELAY_DOWN : RELAY_UP);
}

/* It left while its body waited for an instance that does not read: nothing else would tell. */
void client_on_gone(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct client *c = client_of(p, e);

	if (!c)
		return;
	c->s.pending--;
	c->s.watched = false;
	if (e->res > 0 && c->state == CLIENT_ACTIVE && !c->x.tunnel && !c->x.up.in_done)
		on_end(p, c);
}

static void took_too_long(struct proxy *p, struct client *c)
{
	uint32_t limit_ms = p->routes.services[c->x.service].record.max_duration_ms;

	cancel_begin(p, c);
	reply_error(p, c, 504, "MAX_DURATION", 0,
		    "The function did not finish within its maxDuration of %u ms.", limit_ms);
}

void client_on_timer(struct proxy *p, struct client *c)
{
	if (c->state == CLIENT_FREE || c->state == CLIENT_CLOSING)
		return;
	if (c->state == CLIENT_ACTIVE && pace_check(p, c))
		return;
	if (c->deadline_ns > proxy_now(p)) {
		timers_set(&p->timers, c->s.index, c->deadline_ns);
		return;
	}
	switch (c->state) {
	case CLIENT_SESSION:
		h2_on_timer(p, c);
		break;
	case CLIENT_HEAD:
		if (c->s.in.size > 0) {
			p->count.head_timeouts++;
			request_refuse(p, c, 408, "its head did not arrive in time");
		} else {
			p->count.idle_closed++;
			client_close(p, c);
		}
		break;
	case CLIENT_PROXY:
		p->count.proxy_refused++;
		client_close(p, c);
		break;
	case CLIENT_QUEUED:
	case CLIENT_WAITS_SOCKET:
		dispatch_expired(p, c);
		break;
	case CLIENT_ACTIVE:
		if (c->x.tunnel) {
			tunnel_on_timer(p, c);
			break;
		}
		took_too_long(p, c);
		break;
	case CLIENT_DOUBT:
		dispatch_doubt_over(p, c);
		break;
	default:
		client_close(p, c);
		break;
	}
}

void client_drain(struct proxy *p)
{
	p->draining = true;
	for (uint32_t i = 0; i < p->config.listener_count; i++) {
		struct io_uring_sqe *sqe;

		if (!p->listener_armed[i]) {
			fd_close(&p->listener_fds[i]);
			continue;
		}
		sqe = loop_sqe(p->io.loop, LOOP_IGNORE, 0, 0);
		io_uring_prep_cancel_fd(sqe, p->listener_fds[i], IORING_ASYNC_CANCEL_ALL);
		sqe->user_data = 0;
	}
	for (uint32_t i = 0; i < p->client_count; i++) {
		struct client *c = &p->clients[i];

		if (c->state == CLIENT_PROXY ||
		    (c->state == CLIENT_HEAD && c->s.in.size == 0 && !c->s.carried))
			client_close(p, c);
		else if (c->state == CLIENT_SESSION)
			h2_drain(p, c);
	}
	tunnel_drain(p);
	h2up_drain(p);
	stop_if_empty(p);
}

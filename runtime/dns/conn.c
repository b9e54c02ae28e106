// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/dns/inside.h"

#define IDLE_NS      (10 * NS_PER_SEC) /* RFC 7766 has no least time for servers */
#define LENGTH_BYTES 2
#define QUESTION_MAX 1232 /* no question is longer */

/* One question at a time: more of them wait in the socket. */
struct conn {
	struct dns *dns;
	struct guest *guest;
	struct chain in_dns;
	struct asker asker;
	struct watch watch;
	struct timer timer;
	bool asking;
	uint8_t in[LENGTH_BYTES + QUESTION_MAX];
	size_t in_used;
	uint8_t *out; /* owned */
	size_t out_size, out_sent;
};

static void close_conn(struct conn *c)
{
	must(c->guest->connections > 0 && c->dns->conn_count > 0);
	ask_forget(c->dns, &c->asker, NULL);
	loop_unwatch(c->dns->loop, &c->watch);
	loop_timer_off(c->dns->loop, &c->timer);
	fd_close(&c->watch.fd);
	chain_remove(&c->in_dns);
	c->guest->connections--;
	c->dns->conn_count--;
	free(c->out);
	free(c);
}

void conn_forget(struct dns *dns, const struct guest *g)
{
	struct chain *at = dns->conns.next, *next;

	for (; at != &dns->conns; at = next) {
		struct conn *c = container_of(at, struct conn, in_dns);

		next = at->next;
		if (c->guest == g)
			close_conn(c);
	}
}

static void on_idle(struct timer *t)
{
	close_conn(container_of(t, struct conn, timer));
}

static size_t wanted_of(const struct conn *c)
{
	return c->in_used < LENGTH_BYTES ? LENGTH_BYTES
					 : LENGTH_BYTES + ((size_t)c->in[0] << 8 | c->in[1]);
}

/* While a question is asked nothing is read: the socket is the queue. */
static void ask_next(struct conn *c)
{
	size_t size = wanted_of(c) - LENGTH_BYTES;

	loop_unwatch(c->dns->loop, &c->watch);
	loop_timer_off(c->dns->loop, &c->timer);
	c->asking = true;
	c->in_used = 0;
	ask(c->dns, c->guest, &c->asker, NULL, c->in + LENGTH_BYTES, size); /* may close c */
}

static void read_some(struct conn *c)
{
	size_t wanted = wanted_of(c);
	ssize_t n = 0;

	if (wanted <= sizeof(c->in))
		n = recv(c->watch.fd, c->in + c->in_used, wanted - c->in_used, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_conn(c);
		return;
	}
	c->in_used += (size_t)n;
	if (c->in_used > LENGTH_BYTES && c->in_used == wanted_of(c))
		ask_next(c);
}

/* 0: all was sent; 1: some is left; -errno. */
static int send_some(struct conn *c)
{
	ssize_t n = send(c->watch.fd, c->out + c->out_sent, c->out_size - c->out_sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	if (n > 0)
		c->out_sent += (size_t)n;
	return c->out_sent < c->out_size;
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);
	int left;

	if (!c->out) {
		read_some(c);
		return;
	}
	left = send_some(c);
	if (left == 0) {
		free(c->out);
		c->out = NULL;
	}
	if (left < 0 || (left == 0 && loop_rewatch(c->dns->loop, w, EPOLLIN) < 0))
		close_conn(c);
}

static void send_answer(struct asker *a, const uint8_t *bytes, size_t size)
{
	struct conn *c = container_of(a, struct conn, asker);
	struct loop *loop = c->dns->loop;
	int left = -ENOMEM;

	must(c->asking && !c->out && size <= MESSAGE_MAX);
	c->asking = false;
	c->out = bytes ? malloc(LENGTH_BYTES + size) : NULL;
	if (c->out) {
		c->out[0] = (uint8_t)(size >> 8);
		c->out[1] = (uint8_t)size;
		memcpy(c->out + LENGTH_BYTES, bytes, size);
		c->out_size = LENGTH_BYTES + size;
		c->out_sent = 0;
		left = send_some(c);
	}
	if (left == 0) {
		free(c->out);
		c->out = NULL;
	}
	if (left < 0 || loop_watch(loop, &c->watch, left ? EPOLLOUT : EPOLLIN) < 0) {
		close_conn(c);
		return;
	}
	(void)loop_timer_at(loop, &c->timer, loop_now_ns(loop) + IDLE_NS);
}

void conn_accept(struct dns *dns, struct guest *g, int fd)
{
	struct conn *c;

	if (g->connections >= CONNECTIONS_OF_ONE || dns->conn_count >= CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	c->dns = dns;
	c->guest = g;
	c->watch = (struct watch){.fd = fd, .on_ready = on_ready, .name = "dns conn on_ready"};
	c->timer = (struct timer){.on_due = on_idle, .name = "dns conn on_idle"};
	c->asker.answer = send_answer;
	chain_init(&c->in_dns);
	chain_add_last(&dns->conns, &c->in_dns);
	g->connections++;
	dns->conn_count++;
	if (loop_watch(dns->loop, &c->watch, EPOLLIN) < 0) {
		close_conn(c);
		return;
	}
	(void)loop_timer_at(dns->loop, &c->timer, loop_now_ns(dns->loop) + IDLE_NS);
}

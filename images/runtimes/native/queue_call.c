// SPDX-License-Identifier: Apache-2.0
/* The connection of a call to queues, at EBB_QUEUE_URL, from its beginning to the end that ebb-flow
 * makes ("connection: close"). A watch fires once, so a call is freed by its watch alone: until
 * then the backend may hold the watch. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "queue.h"

#define LIMIT_MS 30000
#define IN_BYTES 16384
#define IN_MAX   (16u << 20)

void queue_call_free(struct queue_call *c)
{
	free(c->out);
	free(c->in);
	free(c);
}

static void unlink_call(struct queue_call *c)
{
	struct queue_call **at = &c->loop->calls;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
}

static void end(struct queue_call *c, int err)
{
	unlink_call(c);
	ebb_timer_off(c->loop, &c->limit);
	close(c->watch.fd);
	if (c->rq)
		c->on_end(c, err);
	queue_call_free(c);
}

static void watch(struct queue_call *c, uint32_t events)
{
	c->watch.events = events;
	c->loop->backend->watch(c->loop, &c->watch);
}

/* One byte stays free for the NUL. */
static int make_room(struct queue_call *c)
{
	size_t room = c->in_room ? 2 * c->in_room : IN_BYTES;
	char *in;

	if (c->in_size + 1 < c->in_room)
		return 0;
	if (room > IN_MAX)
		return -EMSGSIZE;
	in = realloc(c->in, room);
	if (!in)
		return -ENOMEM;
	c->in = in;
	c->in_room = room;
	return 0;
}

/* 0: more is to come, 1: the end, -errno. */
static int receive(struct queue_call *c)
{
	for (;;) {
		ssize_t n;
		int r = make_room(c);

		if (r < 0)
			return r;
		n = recv(c->watch.fd, c->in + c->in_size, c->in_room - c->in_size - 1,
			 MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		c->in_size += (size_t)n;
		c->in[c->in_size] = '\0';
		if (n == 0)
			return 1;
	}
}

static int send_some(struct queue_call *c)
{
	ssize_t n = send(c->watch.fd, c->out + c->out_sent, c->out_size - c->out_sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->out_sent += (size_t)n;
	return 0;
}

static void on_ready(struct ebb *e, struct watch *w)
{
	struct queue_call *c =
		(struct queue_call *)(void *)((char *)w - offsetof(struct queue_call, watch));
	int r;

	(void)e;
	if (c->late)
		r = -ETIMEDOUT;
	else
		r = c->out_sent < c->out_size ? send_some(c) : receive(c);
	if (r == 0)
		watch(c, c->out_sent < c->out_size ? POLLOUT : POLLIN);
	else
		end(c, r < 0 ? r : 0);
}

/* The watch fires when the connection is shut down. */
static void on_limit(struct ebb_timer *t)
{
	struct queue_call *c = t->ctx;

	c->late = true;
	(void)shutdown(c->watch.fd, SHUT_RDWR);
}

static int queue_address(struct sockaddr_in *out)
{
	const char *url = getenv("EBB_QUEUE_URL");
	unsigned int port;
	char host[16];

	if (!url || sscanf(url, "http://%15[0-9.]:%5u", host, &port) != 2 || port > UINT16_MAX)
		return -ENXIO;
	*out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	return inet_pton(AF_INET, host, &out->sin_addr) == 1 ? 0 : -ENXIO;
}

static int connect_to_queues(void)
{
	struct sockaddr_in a;
	int fd, r = queue_address(&a);

	if (r < 0)
		return r;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 && errno != EINPROGRESS) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int queue_call_begin(struct queue_call *c)
{
	int fd = connect_to_queues(), r = fd;

	c->limit = (struct ebb_timer){.on_due = on_limit, .ctx = c};
	if (fd >= 0) {
		r = ebb_timer_set(c->loop, &c->limit, LIMIT_MS);
		if (r < 0)
			close(fd);
	}
	if (r < 0) {
		queue_call_free(c);
		return r;
	}
	c->watch = (struct watch){.fd = fd, .on_ready = on_ready};
	c->next = c->loop->calls;
	c->loop->calls = c;
	watch(c, POLLOUT);
	return 0;
}

void queue_calls_forget(const struct ebb_request *rq)
{
	for (struct queue_call *c = rq->loop->calls; c; c = c->next)
		if (c->rq == rq)
			c->rq = NULL;
}

void queue_calls_free(struct ebb *e)
{
	while (e->calls) {
		struct queue_call *c = e->calls;

		e->calls = c->next;
		close(c->watch.fd);
		queue_call_free(c);
	}
}

// SPDX-License-Identifier: Apache-2.0
/* The backend that works everywhere: epoll, level-triggered. The kernel does nothing by itself
 * here, so a connection's interest mask says what the connection waits for. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

#define EVENTS_MAX  256
#define ACCEPTS_MAX 64 /* in one turn */
#define WATCH_TAG   1u

struct io {
	int epoll_fd;
	int free_count;
	int free_ids[BUFFERS];
	struct ebb_request *queue; /* connections with bytes to send, newest first, by queue_next */
};

static int epoll_open(struct ebb *e)
{
	struct epoll_event listener = {.events = EPOLLIN, .data.ptr = NULL};
	struct io *io = calloc(1, sizeof(*io));

	if (!io)
		return -ENOMEM;
	e->io = io;
	for (int i = 0; i < BUFFERS; i++)
		io->free_ids[io->free_count++] = BUFFERS - 1 - i;
	io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (io->epoll_fd < 0 || epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, e->listen_fd, &listener) < 0)
		return -errno;
	return 0;
}

static void epoll_close(struct ebb *e)
{
	if (e->io && e->io->epoll_fd >= 0)
		close(e->io->epoll_fd);
	free(e->io);
}

static void want(struct ebb_request *rq, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = rq};

	if (rq->interest == events)
		return;
	if (epoll_ctl(rq->loop->io->epoll_fd, rq->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, rq->fd,
		      &event) == 0)
		rq->interest = events;
	else
		conn_gone(rq);
}

static uint32_t with_out(const struct ebb_request *rq, uint32_t events)
{
	return events | EPOLLRDHUP | (rq->interest & EPOLLOUT);
}

static void epoll_receive(struct ebb_request *rq)
{
	rq->polling = false;
	want(rq, with_out(rq, EPOLLIN));
}

static void epoll_hangup(struct ebb_request *rq)
{
	want(rq, with_out(rq, 0));
}

static void epoll_send(struct ebb_request *rq, const char *data, size_t size)
{
	rq->send_at = data;
	rq->send_size = size;
	if (rq->queued)
		return;
	rq->queued = true;
	rq->queue_next = rq->loop->io->queue;
	rq->loop->io->queue = rq;
}

static void epoll_send_file(struct ebb_request *rq, size_t size)
{
	epoll_send(rq, NULL, size);
}

static void epoll_forget(struct ebb_request *rq)
{
	rq->receiving = rq->sending = rq->polling = false;
}

static void epoll_give(struct ebb *e, int buffer)
{
	e->io->free_ids[e->io->free_count++] = buffer;
}

static void epoll_watch(struct ebb *e, struct watch *w)
{
	struct epoll_event event = {
		.events = (w->events & POLLIN ? EPOLLIN : 0u) |
			  (w->events & POLLOUT ? EPOLLOUT : 0u) | EPOLLONESHOT,
		.data.u64 = (uintptr_t)w | WATCH_TAG,
	};

	if (epoll_ctl(e->io->epoll_fd, EPOLL_CTL_MOD, w->fd, &event) < 0)
		(void)epoll_ctl(e->io->epoll_fd, EPOLL_CTL_ADD, w->fd, &event);
}

/* Sends from memory or from the file. A file that has no more bytes is shorter than it was. */
static ssize_t send_some(struct ebb_request *rq)
{
	off_t at = (off_t)rq->file_at;
	ssize_t n;

	if (rq->send_at)
		return send(rq->fd, rq->send_at, rq->send_size,
			    MSG_NOSIGNAL | MSG_DONTWAIT | (rq->file_left > 0 ? MSG_MORE : 0));
	n = sendfile(rq->fd, rq->file_fd, &at, rq->send_size);
	if (n == 0)
		errno = EIO;
	return n == 0 ? -1 : n;
}

static void send_now(struct ebb_request *rq)
{
	ssize_t n = send_some(rq);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		want(rq, rq->interest | EPOLLOUT);
		return;
	}
	if (!rq->closing)
		conn_sent(rq, n < 0 ? -errno : n);
	/* More output may wait in the queue: the interest then stays, for the next full socket. */
	if (!rq->closing && !rq->sending && (rq->interest & EPOLLOUT))
		want(rq, rq->interest & ~(uint32_t)EPOLLOUT);
}

/* Sends for every queued connection; connections that are queued meanwhile wait for the
 * next turn. */
static void send_queued(struct ebb *e)
{
	struct ebb_request *queue = e->io->queue, *next;

	e->io->queue = NULL;
	for (; queue; queue = next) {
		next = queue->queue_next;
		queue->queued = false;
		if (queue->sending && !queue->closing)
			send_now(queue);
	}
}

static void receive_now(struct ebb_request *rq)
{
	struct io *io = rq->loop->io;
	ssize_t n;
	int buffer;

	if (io->free_count == 0) {
		want(rq, with_out(rq, 0));
		conn_starved(rq);
		return;
	}
	buffer = io->free_ids[--io->free_count];
	n = recv(rq->fd, rq->loop->buffers + (size_t)buffer * BUFFER_BYTES, BUFFER_BYTES,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		epoll_give(rq->loop, buffer);
	else
		conn_received(rq, buffer, n);
}

static void on_connection(struct ebb_request *rq, uint32_t events)
{
	const uint32_t end = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

	if (rq->closing)
		return;
	if ((events & (EPOLLOUT | EPOLLERR)) && rq->sending && !rq->queued)
		send_now(rq);
	if (rq->closing)
		return;
	if (rq->receiving && (events & (EPOLLIN | end)))
		receive_now(rq);
	else if (events & end)
		conn_gone(rq);
}

static void accept_some(struct ebb *e)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(e->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			conn_accepted(e, fd);
		else if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* epoll_wait(2) counts ms. The time is rounded up, so that no timer is early; it is an hour at
 * most. */
static int timeout_ms(uint64_t ns)
{
	uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);

	return ns == UINT64_MAX ? -1 : ms > 3600000 ? 3600000 : (int)ms;
}

static int epoll_turn(struct ebb *e, uint64_t timeout_ns)
{
	struct epoll_event events[EVENTS_MAX];
	int count;

	send_queued(e);
	send_queued(e); /* the file behind a head that has just been sent */
	/* EINTR also comes after a freeze, and means nothing. */
	count = epoll_wait(e->io->epoll_fd, events, EVENTS_MAX,
			   e->io->queue || e->dead ? 0 : timeout_ms(timeout_ns));
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		uint64_t tagged = events[i].data.u64;
		struct watch *w = (struct watch *)(uintptr_t)(tagged & ~(uint64_t)WATCH_TAG);

		if (!tagged)
			accept_some(e);
		else if (tagged & WATCH_TAG)
			w->on_ready(e, w);
		else
			on_connection(events[i].data.ptr, events[i].events);
	}
	return 0;
}

const struct backend epoll_backend = {
	.open = epoll_open,
	.close = epoll_close,
	.wait = epoll_turn,
	.receive = epoll_receive,
	.hangup = epoll_hangup,
	.send = epoll_send,
	.send_file = epoll_send_file,
	.watch = epoll_watch,
	.give = epoll_give,
	.forget = epoll_forget,
};

// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * A small HTTP/1.1 server: one thread, epoll, many requests at once. It knows nothing of ebb but
 * $PORT.
 *
 *   /              hello
 *   /sleep?ms=N    answers after N ms without using the CPU
 *   /burn?ms=N     uses the CPU for N ms; {"cpu_us": what getrusage says}
 *   /echo          streams the request's body back
 *   /size?bytes=N  streams N bytes
 */
/* clang-format on */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define LINE_BYTES   512 /* room kept in out for a head or the frame of a chunk */

/* The owner of an epoll event. */
struct source {
	int fd;
	void (*on_event)(struct source *self, uint32_t events);
};

enum phase { HEAD, BODY, SLEEP, STREAM };
enum framing { LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct connection {
	struct source socket, timer;
	enum phase phase;
	enum framing framing;
	bool echo, chunked, close_after;
	uint32_t interest;
	uint64_t body_left, stream_left; /* of the request; of the response */
	char path[256];
	size_t in_used, out_used, out_sent;
	char in[BUFFER_BYTES], out[BUFFER_BYTES];
};

static int epoll_fd;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(struct source *s, int op, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = s};

	if (epoll_ctl(epoll_fd, op, s->fd, &e) < 0)
		fail("epoll_ctl");
}

static void connection_free(struct connection *c)
{
	close(c->socket.fd);
	if (c->timer.fd >= 0)
		close(c->timer.fd);
	free(c);
}

/* ---- answering ---- */

static void put(struct connection *c, const char *bytes, size_t size)
{
	memcpy(c->out + c->out_used, bytes, size);
	c->out_used += size;
}

static void put_head(struct connection *c, const char *status, const char *type,
		     const char *framing)
{
	c->out_used += (size_t)snprintf(
		c->out + c->out_used, LINE_BYTES, "HTTP/1.1 %s\r\nContent-Type: %s\r\n%s\r\n%s\r\n",
		status, type, framing, c->close_after ? "Connection: close\r\n" : "");
}

static void put_length_head(struct connection *c, const char *status, const char *type,
			    uint64_t size)
{
	char framing[64];

	snprintf(framing, sizeof(framing), "Content-Length: %llu", (unsigned long long)size);
	put_head(c, status, type, framing);
}

static void put_answer(struct connection *c, const char *status, const char *type, const char *text)
{
	put_length_head(c, status, type, strlen(text));
	put(c, text, strlen(text));
	c->phase = HEAD;
}

static uint64_t number(const struct connection *c, const char *name)
{
	const char *query = strchr(c->path, '?');
	const char *at = query ? strstr(query, name) : NULL;

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static uint64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void answer_hello(struct connection *c)
{
	put_answer(c, "200 OK", "text/plain", "hello from c\n");
}

static void answer_burn(struct connection *c)
{
	uint64_t before_us = cpu_us(), until_us = before_us + number(c, "ms=") * 1000;
	char text[64];

	while (cpu_us() < until_us)
		;
	snprintf(text, sizeof(text), "{\"cpu_us\":%llu}\n",
		 (unsigned long long)(cpu_us() - before_us));
	put_answer(c, "200 OK", "application/json", text);
}

static void answer_sleep(struct connection *c)
{
	uint64_t ms = number(c, "ms=");
	struct itimerspec t = {.it_value = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000 + 1}};

	if (c->timer.fd < 0) {
		c->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (c->timer.fd < 0)
			fail("timerfd_create");
		watch(&c->timer, EPOLL_CTL_ADD, EPOLLIN);
	}
	timerfd_settime(c->timer.fd, 0, &t, NULL);
	c->phase = SLEEP;
}

static void answer_size(struct connection *c)
{
	c->stream_left = number(c, "bytes=");
	put_length_head(c, "200 OK", "application/octet-stream", c->stream_left);
	c->phase = STREAM;
}

/* The handler of /echo has answered while the body came. */
static void answer_echo(struct connection *c)
{
	if (c->chunked)
		put(c, "0\r\n\r\n", 5);
	c->phase = HEAD;
}

static const struct {
	const char *path;
	void (*answer)(struct connection *c);
} routes[] = {
	{"/", answer_hello},    {"/sleep", answer_sleep}, {"/burn", answer_burn},
	{"/echo", answer_echo}, {"/size", answer_size},
};

static void answer(struct connection *c)
{
	size_t n = strcspn(c->path, "?");

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strlen(routes[i].path) == n && memcmp(routes[i].path, c->path, n) == 0) {
			routes[i].answer(c);
			return;
		}
	put_answer(c, "404 Not Found", "text/plain", "no such path\n");
}

/* ---- reading: each step returns false when it needs more bytes or more room ---- */

static void consume(struct connection *c, size_t size)
{
	c->in_used -= size;
	memmove(c->in, c->in + size, c->in_used);
}

/* The value of a header in the head, which is NUL-terminated, or "". */
static const char *header(const char *head, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = strstr(head, "\r\n"); at; at = strstr(at, "\r\n")) {
		at += 2;
		if (strncasecmp(at, name, n) == 0 && at[n] == ':')
			return at + n + 1 + strspn(at + n + 1, " \t");
	}
	return "";
}

static bool read_head(struct connection *c)
{
	char *end = memmem(c->in, c->in_used, "\r\n\r\n", 4);
	char version = '1';

	if (!end)
		return false;
	end[2] = '\0';
	if (sscanf(c->in, "%*15s %255s HTTP/1.%c", c->path, &version) != 2)
		snprintf(c->path, sizeof(c->path), "?");
	c->close_after =
		version == '0' || strncasecmp(header(c->in, "Connection"), "close", 5) == 0;
	c->chunked = strncasecmp(header(c->in, "Transfer-Encoding"), "chunked", 7) == 0;
	c->framing = c->chunked ? CHUNK_SIZE : LENGTH;
	c->body_left = c->chunked ? 0 : strtoull(header(c->in, "Content-Length"), NULL, 10);
	c->echo = strncmp(c->path, "/echo", 5) == 0 && strchr("?", c->path[5]);
	if (strncasecmp(header(c->in, "Expect"), "100-continue", 12) == 0)
		put(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	if (c->echo && c->chunked)
		put_head(c, "200 OK", "application/octet-stream", "Transfer-Encoding: chunked");
	else if (c->echo)
		put_length_head(c, "200 OK", "application/octet-stream", c->body_left);
	consume(c, (size_t)(end - c->in) + 4);
	c->phase = BODY;
	return true;
}

/* A line of the chunked framing; its length with CRLF, 0 if it is not whole yet. */
static size_t line_size(const struct connection *c)
{
	const char *end = memmem(c->in, c->in_used, "\r\n", 2);

	return end ? (size_t)(end - c->in) + 2 : 0;
}

static bool read_frame(struct connection *c)
{
	size_t n = line_size(c);

	if (n == 0)
		return false;
	if (c->framing == CHUNK_SIZE) {
		c->body_left = strtoull(c->in, NULL, 16);
		c->framing = c->body_left ? CHUNK_DATA : TRAILER;
	} else if (c->framing == CHUNK_END) {
		c->framing = CHUNK_SIZE;
	} else if (n == 2) {
		c->framing = LENGTH; /* the trailer's empty line: nothing is left */
	}
	consume(c, n);
	return true;
}

static bool read_data(struct connection *c)
{
	size_t room = BUFFER_BYTES - c->out_used, n = c->in_used;
	char frame[32];

	if (room < 2 * LINE_BYTES)
		return false;
	room -= LINE_BYTES;
	if (n > c->body_left)
		n = c->body_left;
	if (c->echo && n > room)
		n = room;
	if (n == 0)
		return false;
	if (c->echo && c->chunked)
		put(c, frame, (size_t)snprintf(frame, sizeof(frame), "%zx\r\n", n));
	if (c->echo)
		put(c, c->in, n);
	if (c->echo && c->chunked)
		put(c, "\r\n", 2);
	consume(c, n);
	c->body_left -= n;
	if (c->body_left == 0 && c->framing == CHUNK_DATA)
		c->framing = CHUNK_END;
	return true;
}

static bool read_body(struct connection *c)
{
	if (c->body_left > 0)
		return read_data(c);
	if (c->framing != LENGTH)
		return read_frame(c);
	answer(c);
	return true;
}

static bool write_stream(struct connection *c)
{
	size_t n = BUFFER_BYTES - c->out_used;

	if (n > c->stream_left)
		n = c->stream_left;
	memset(c->out + c->out_used, 'x', n);
	c->out_used += n;
	c->stream_left -= n;
	if (c->stream_left == 0)
		c->phase = HEAD;
	return n > 0;
}

static bool step(struct connection *c)
{
	switch (c->phase) {
	case HEAD:
		return BUFFER_BYTES - c->out_used > 4 * LINE_BYTES && read_head(c);
	case BODY:
		return BUFFER_BYTES - c->out_used > 2 * LINE_BYTES && read_body(c);
	case STREAM:
		return write_stream(c);
	default:
		return false;
	}
}

/* ---- the socket ---- */

/* 1 all sent, 0 the peer is slow, -1 gone. */
static int flush_out(struct connection *c)
{
	while (c->out_sent < c->out_used) {
		ssize_t n = send(c->socket.fd, c->out + c->out_sent, c->out_used - c->out_sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -1;
		c->out_sent += (size_t)n;
	}
	c->out_sent = c->out_used = 0;
	return 1;
}

/* Goes on as far as received bytes and free room allow. False: the connection has ended. */
static bool go_on(struct connection *c)
{
	for (;;) {
		int sent = flush_out(c); /* first: a step needs room to have moved */

		if (sent < 0 || (sent > 0 && c->close_after && c->phase == HEAD))
			return false;
		if (sent == 0 || !step(c)) {
			uint32_t interest = sent == 0 ? EPOLLOUT : c->phase == SLEEP ? 0 : EPOLLIN;

			if (interest != c->interest)
				watch(&c->socket, EPOLL_CTL_MOD, interest);
			c->interest = interest;
			return sent == 0 || c->phase == SLEEP || c->in_used < BUFFER_BYTES;
		}
	}
}

static bool receive(struct connection *c)
{
	ssize_t n = recv(c->socket.fd, c->in + c->in_used, BUFFER_BYTES - c->in_used, 0);

	if (n < 0)
		return errno == EAGAIN;
	c->in_used += (size_t)n;
	return n > 0;
}

static void on_socket(struct source *s, uint32_t events)
{
	struct connection *c = (struct connection *)s;

	if ((events & (EPOLLERR | EPOLLHUP)) || ((events & EPOLLIN) && !receive(c)) || !go_on(c))
		connection_free(c);
}

static void on_timer(struct source *s, uint32_t events)
{
	struct connection *c =
		(struct connection *)((char *)s - offsetof(struct connection, timer));
	uint64_t expirations;
	char text[64];

	if (read(s->fd, &expirations, sizeof(expirations)) < 0)
		return;
	snprintf(text, sizeof(text), "{\"slept_ms\":%llu}\n", (unsigned long long)number(c, "ms="));
	put_answer(c, "200 OK", "application/json", text);
	if (!go_on(c))
		connection_free(c);
}

static void on_accept(struct source *s, uint32_t events)
{
	int one = 1, fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *c;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = malloc(sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	memset(c, 0, offsetof(struct connection, in));
	c->socket = (struct source){fd, on_socket};
	c->timer = (struct source){-1, on_timer};
	c->interest = EPOLLIN;
	watch(&c->socket, EPOLL_CTL_ADD, EPOLLIN);
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1024) < 0)
		fail("listen");
	return fd;
}

static void on_sigterm(int number)
{
	_exit(0);
}

int main(void)
{
	const char *port = getenv("PORT");
	struct source listener = {listen_on((uint16_t)atoi(port ? port : "8080")), on_accept};
	struct epoll_event event;

	signal(SIGTERM, on_sigterm);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		fail("epoll_create1");
	watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
	for (;;) {
		/* Takes one event at a time: an event may free the source of a later event of the
		 * same batch. EINTR also comes after a freeze, and means nothing. */
		if (epoll_wait(epoll_fd, &event, 1, -1) == 1)
			((struct source *)event.data.ptr)->on_event(event.data.ptr, event.events);
	}
}

// SPDX-License-Identifier: Apache-2.0
#include "http.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_all(int fd, const char *buf, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, buf, size, MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		buf += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Bytes that were read together with the head come first. */
static long take(struct call *c, char *buf, size_t size)
{
	size_t held = c->in_end - c->in_start;

	if (held == 0)
		return recv(c->fd, buf, size, 0);
	if (size > held)
		size = held;
	memcpy(buf, c->in + c->in_start, size);
	c->in_start += size;
	return (long)size;
}

static int take_line(struct call *c, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		if (take(c, line + n, 1) != 1)
			return -1;
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	return 0;
}

static int next_chunk(struct call *c)
{
	char line[256];

	if (take_line(c, line, sizeof(line)) != 0)
		return -1;
	c->left = strtoull(line, NULL, 16);
	if (c->left > 0)
		return 0;
	c->body_done = true;
	do {
		if (take_line(c, line, sizeof(line)) != 0)
			return -1;
	} while (line[0] != '\r' && line[0] != '\n');
	return 0;
}

long call_read(struct call *c, char *buf, size_t size)
{
	char line[8];
	long n;

	if (!c->body_done && c->left == 0 && c->chunked && next_chunk(c) != 0)
		return -1;
	if (c->body_done || c->left == 0)
		return 0;
	n = take(c, buf, size < c->left ? size : (size_t)c->left);
	if (n <= 0)
		return -1;
	c->left -= (uint64_t)n;
	if (c->left == 0 && c->chunked && take_line(c, line, sizeof(line)) != 0)
		return -1;
	if (c->left == 0 && !c->chunked)
		c->body_done = true;
	return n;
}

void call_text(const struct call *c, const char *name, char *buf, size_t size)
{
	size_t length = strlen(name);
	const char *p = c->query;

	buf[0] = '\0';
	while (*p) {
		const char *end = strchrnul(p, '&');

		if (strncmp(p, name, length) == 0 && p[length] == '=') {
			snprintf(buf, size, "%.*s", (int)(end - p - (long)length - 1),
				 p + length + 1);
			return;
		}
		p = *end ? end + 1 : end;
	}
}

long call_number(const struct call *c, const char *name, long otherwise)
{
	char text[64];

	call_text(c, name, text, sizeof(text));
	return text[0] ? strtol(text, NULL, 10) : otherwise;
}

void call_begin(struct call *c, int status, const char *type, int64_t length)
{
	char head[512], body[64] = "Transfer-Encoding: chunked";

	if (length >= 0)
		snprintf(body, sizeof(body), "Content-Length: %lld", (long long)length);
	snprintf(head, sizeof(head),
		 "HTTP/1.1 %d Status\r\nContent-Type: %s\r\n%s\r\nConnection: %s\r\n\r\n", status,
		 type, body, c->close ? "close" : "keep-alive");
	if (send_all(c->fd, head, strlen(head)) != 0)
		c->close = true;
}

int call_write(struct call *c, const char *buf, size_t size, bool chunked)
{
	char line[32];

	if (!chunked)
		return send_all(c->fd, buf, size);
	snprintf(line, sizeof(line), "%zx\r\n", size);
	return send_all(c->fd, line, strlen(line)) || send_all(c->fd, buf, size) ||
	       send_all(c->fd, "\r\n", 2);
}

void call_end_chunks(struct call *c)
{
	if (send_all(c->fd, "0\r\n\r\n", 5) != 0)
		c->close = true;
}

void call_answer(struct call *c, int status, const char *type, const char *body, size_t size)
{
	call_begin(c, status, type, (int64_t)size);
	if (strcmp(c->method, "HEAD") != 0 && send_all(c->fd, body, size) != 0)
		c->close = true;
}

void call_printf(struct call *c, int status, const char *fmt, ...)
{
	char text[16384];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	call_answer(c, status, "application/json", text, (size_t)n);
}

const char *call_header(const struct call *c, const char *name)
{
	size_t length = strlen(name);
	const char *p = strstr(c->head, "\r\n");

	for (; p && p[2]; p = strstr(p + 2, "\r\n")) {
		if (strncasecmp(p + 2, name, length) == 0 && p[2 + length] == ':')
			return p + 2 + length + 1 + strspn(p + 2 + length + 1, " \t");
	}
	return NULL;
}

/* Reads one head into c. 0, or -1 when there is none to come. */
static int read_head(struct call *c)
{
	size_t used = c->in_end - c->in_start;
	char *end, *space;

	memmove(c->head, c->in + c->in_start, used);
	c->in_start = c->in_end = 0;
	for (c->head[used] = '\0'; !(end = strstr(c->head, "\r\n\r\n"));) {
		ssize_t n = recv(c->fd, c->head + used, sizeof(c->head) - 1 - used, 0);

		if (n <= 0)
			return -1;
		used += (size_t)n;
		c->head[used] = '\0';
	}
	c->in_end = used - (size_t)(end + 4 - c->head);
	memcpy(c->in, end + 4, c->in_end);
	end[4] = '\0';
	if (sscanf(c->head, "%15s %2047s", c->method, c->path) != 2)
		return -1;
	space = strchrnul(c->path, '?');
	c->query = *space ? space + 1 : space;
	*space = '\0';
	return 0;
}

static void read_framing(struct call *c)
{
	const char *length = call_header(c, "content-length"),
		   *te = call_header(c, "transfer-encoding");
	const char *connection = call_header(c, "connection");

	c->chunked = te && strncasecmp(te, "chunked", 7) == 0;
	c->left = length && !c->chunked ? strtoull(length, NULL, 10) : 0;
	c->length = c->left;
	c->body_done = !c->chunked && c->left == 0;
	c->close = connection && strncasecmp(connection, "close", 5) == 0;
}

struct connection {
	int fd;
	void (*handler)(struct call *c);
};

static void *serve_connection(void *arg)
{
	struct connection *connection = arg;
	struct call *c = calloc(1, sizeof(*c));
	char rest[4096];

	c->fd = connection->fd;
	while (!c->close && read_head(c) == 0) {
		read_framing(c);
		connection->handler(c);
		while (!c->close && call_read(c, rest, sizeof(rest)) > 0)
			;
		/* The connection ends unannounced, as some servers end theirs. */
		if (getenv("PROBE_CLOSES_BEHIND") &&
		    strstr(getenv("PROBE_CLOSES_BEHIND"), c->method))
			break;
	}
	close(c->fd);
	free(c);
	free(connection);
	return NULL;
}

static long setting(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value ? atol(value) : otherwise;
}

struct worker {
	int fd;
	void (*handler)(struct call *c);
};

/* Serves one connection to its end before it accepts the next, as many servers do. */
static void *work(void *arg)
{
	const struct worker *w = arg;
	int on = 1;

	for (;;) {
		struct connection *c = malloc(sizeof(*c));

		c->handler = w->handler;
		c->fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
		if (c->fd < 0) {
			free(c);
			continue;
		}
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		serve_connection(c);
	}
	return NULL;
}

static void serve_by_workers(int fd, void (*handler)(struct call *c), long count)
{
	static struct worker w;
	pthread_t thread;

	w = (struct worker){fd, handler};
	while (--count > 0)
		pthread_create(&thread, NULL, work, &w);
	work(&w);
}

void http_serve(int port, void (*handler)(struct call *c))
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(fd, (int)setting("PROBE_BACKLOG", 1024)) != 0) {
		perror("probe: bind");
		exit(1);
	}
	if (setting("PROBE_WORKERS", 0) > 0)
		serve_by_workers(fd, handler, setting("PROBE_WORKERS", 0));
	http_serve_fd(fd, handler);
}

void http_serve_fd(int fd, void (*handler)(struct call *c))
{
	struct pollfd waiting = {.fd = fd, .events = POLLIN};
	pthread_attr_t attr;
	int on = 1;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (;;) {
		struct connection *c = malloc(sizeof(*c));
		pthread_t thread;

		c->handler = handler;
		poll(&waiting, 1, -1); /* an inherited socket does not block */
		c->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (c->fd >= 0)
			setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (c->fd < 0 || pthread_create(&thread, &attr, serve_connection, c) != 0) {
			if (c->fd >= 0)
				close(c->fd);
			free(c);
		}
	}
}

// SPDX-License-Identifier: Apache-2.0
#include "ipc.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int connect_host(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const char *path = getenv("EBB_IPC_PATH");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path ? path : "");
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int send_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The host never sends anything, so the socket is readable only when the host has closed it. */
static int closed_within(int fd, long ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, (int)ms) > 0;
}

void on_ipc(struct call *c)
{
	int fd = connect_host(), closed = 0;
	long n, pause_ms = call_number(c, "pause", 0);

	if (fd < 0) {
		call_printf(c, 500, "{\"error\": \"no host\"}\n");
		return;
	}
	if (pause_ms > 0 && (n = call_read(c, c->buf, 10)) > 0)
		closed = send_all(fd, c->buf, (size_t)n) < 0 || closed_within(fd, pause_ms);
	while ((n = call_read(c, c->buf, sizeof(c->buf))) > 0)
		closed = closed || send_all(fd, c->buf, (size_t)n) < 0;
	closed = closed || closed_within(fd, call_number(c, "wait", 0));
	close(fd);
	call_printf(c, 200, "{\"closed\": %s}\n", closed ? "true" : "false");
}

struct background {
	char id[33];
	int fd, end, repeat, repeated;
	long long until_ms, deadline_ms; /* monotonic; since the epoch, 0 = none */
};

static void request_id(struct call *c, char out[33])
{
	const char *id = call_header(c, "x-ebb-id");

	snprintf(out, 33, "%.32s", id ? id : "");
}

static void say(struct background *b, const char *type)
{
	char text[256], deadline[40] = "";

	if (b->deadline_ms && strcmp(type, "hold") == 0)
		snprintf(deadline, sizeof(deadline), ",\"deadline\":%lld", b->deadline_ms);
	snprintf(text, sizeof(text),
		 "{\"type\":\"%s\",\"payload\":{\"context\":{\"invocationId\":\"%s\"}%s}}", type,
		 b->id, deadline);
	(void)send_all(b->fd, text, strlen(text) + 1);
}

static void put_line(const char *id, const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "\x1e%s %s\n", id, text);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		abort();
}

static void work(struct background *b)
{
	long long left_ms;

	while ((left_ms = b->until_ms - now_ms(CLOCK_MONOTONIC)) > 0) {
		if (!closed_within(b->fd, left_ms))
			continue;
		close(b->fd);
		b->fd = connect_host();
		b->repeated++;
		if (b->repeat)
			say(b, "hold");
	}
}

static void *background(void *arg)
{
	struct background *b = arg;
	char text[64];

	work(b);
	snprintf(text, sizeof(text), "background done, repeated %d", b->repeated);
	put_line(b->id, text);
	if (b->end)
		say(b, "end");
	close(b->fd);
	free(b);
	return NULL;
}

void on_background(struct call *c)
{
	struct background *b = calloc(1, sizeof(*b));
	long deadline_ms = call_number(c, "deadline", 0);
	pthread_t thread;

	request_id(c, b->id);
	b->fd = connect_host();
	b->end = call_number(c, "end", 1) != 0;
	b->repeat = call_number(c, "repeat", 1) != 0;
	b->until_ms = now_ms(CLOCK_MONOTONIC) + call_number(c, "ms", 100);
	b->deadline_ms = deadline_ms ? now_ms(CLOCK_REALTIME) + deadline_ms : 0;
	say(b, "hold");
	call_printf(c, 200, "{\"id\": \"%s\"}\n", b->id);
	if (pthread_create(&thread, NULL, background, b) == 0)
		pthread_detach(thread);
}

void on_emit(struct call *c)
{
	long to = call_number(c, "to", 1), piece = call_number(c, "piece", sizeof(c->buf)), n;
	int fd = to == 2 ? STDERR_FILENO : STDOUT_FILENO;

	while ((n = call_read(c, c->buf, (size_t)piece)) > 0) {
		for (ssize_t done = 0, got; done < n; done += got) {
			got = write(fd, c->buf + done, (size_t)(n - done));
			if (got <= 0)
				abort();
		}
		fd = to == 12 ? STDOUT_FILENO + STDERR_FILENO - fd : fd;
	}
	call_printf(c, 200, "{}\n");
}

void on_tagged(struct call *c)
{
	long n = call_number(c, "n", 5), ms = call_number(c, "ms", 5);
	char id[33], text[64];

	request_id(c, id);
	for (long i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "line %ld of %s", i, id);
		put_line(id, text);
		poll(NULL, 0, (int)ms);
	}
	call_printf(c, 200, "{\"id\": \"%s\"}\n", id);
}

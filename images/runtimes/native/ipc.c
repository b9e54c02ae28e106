// SPDX-License-Identifier: Apache-2.0
/*
 * Messages to ebb-ipc on the host (docs/interface.md): NUL-terminated JSON over the unix socket
 * that EBB_IPC_PATH names. ebb-ipc answers nothing. It may be started anew at any time; the
 * connection is then made again and holds are repeated. Where there is no such socket, because the
 * function runs without ebb, nothing is sent.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop.h"

#define AGAIN_MS      100
#define LATER_MS      10
#define MESSAGE_BYTES 256

static void watch(struct ebb *e)
{
	e->ipc.watch.fd = e->ipc.fd;
	e->ipc.watch.events = POLLIN;
	e->backend->watch(e, &e->ipc.watch);
}

/* Sends the messages in `out`. The rest of what ebb-ipc does not read at once is sent a moment
 * later; the watch sees the end of the connection. */
static void flush(struct ebb *e)
{
	struct ipc *ipc = &e->ipc;
	ssize_t n = send(ipc->fd, ipc->out, ipc->used, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0) {
		memmove(ipc->out, ipc->out + n, ipc->used - (size_t)n);
		ipc->used -= (size_t)n;
	}
	if (ipc->used > 0)
		(void)ebb_timer_set(e, &ipc->later, LATER_MS);
}

/* Adds a message to `out`. A full `out` means that ebb-ipc has stopped reading: the message is
 * lost, but started and holds are repeated after a reconnect. */
__attribute__((format(printf, 2, 3))) static void say(struct ebb *e, const char *fmt, ...)
{
	struct ipc *ipc = &e->ipc;
	size_t room = sizeof(ipc->out) - ipc->used;
	va_list args;
	int n;

	if (ipc->fd < 0 || room < MESSAGE_BYTES)
		return;
	va_start(args, fmt);
	n = vsnprintf(ipc->out + ipc->used, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		return;
	ipc->used += (size_t)n + 1; /* with its NUL */
	flush(e);
}

static void on_later(struct ebb_timer *t)
{
	struct ebb *e = t->ctx;

	if (e->ipc.fd >= 0 && e->ipc.used > 0)
		flush(e);
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void on_again(struct ebb_timer *t)
{
	struct ebb *e = t->ctx;
	const char *path = getenv("EBB_IPC_PATH");

	e->ipc.fd = path ? connect_to(path) : -1;
	e->ipc.used = 0;
	if (e->ipc.fd >= 0) {
		e->ipc.on_connected(e);
		watch(e);
	} else if (path) {
		(void)ebb_timer_set(e, t, AGAIN_MS);
	}
}

static void on_ready(struct ebb *e, struct watch *w)
{
	char ignored[256];
	ssize_t n = recv(w->fd, ignored, sizeof(ignored), MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) {
		watch(e);
		return;
	}
	close(w->fd);
	e->ipc.fd = -1;
	(void)ebb_timer_set(e, &e->ipc.again, AGAIN_MS);
}

void ipc_open(struct ebb *e, void (*on_connected)(struct ebb *e))
{
	e->ipc.on_connected = on_connected;
	e->ipc.watch.on_ready = on_ready;
	e->ipc.again = (struct ebb_timer){.on_due = on_again, .ctx = e};
	e->ipc.later = (struct ebb_timer){.on_due = on_later, .ctx = e};
	on_again(&e->ipc.again);
}

void ipc_close(struct ebb *e)
{
	if (e->ipc.fd >= 0)
		close(e->ipc.fd);
}

void ipc_started(struct ebb *e)
{
	say(e,
	    "{\"type\":\"server-started\",\"payload\":{\"initDuration\":%" PRIu64
	    ",\"httpPort\":%d}}",
	    (clock_ns() - e->began_ns) / NS_PER_MS, (int)env_number("PORT", PORT_DEFAULT));
}

void ipc_hold(struct ebb *e, const char *id, uint64_t deadline_ms)
{
	if (*id)
		say(e,
		    "{\"type\":\"hold\",\"payload\":{\"context\":{\"invocationId\":\"%s\"},"
		    "\"deadline\":%" PRIu64 "}}",
		    id, deadline_ms);
}

void ipc_end(struct ebb *e, const char *id)
{
	if (*id)
		say(e,
		    "{\"type\":\"end\",\"payload\":{\"context\":{\"invocationId\":\"%s\"},"
		    "\"error\":null}}",
		    id);
}

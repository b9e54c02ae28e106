// SPDX-License-Identifier: Apache-2.0
/* Connections: bytes into messages, each ended by a NUL. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/ipc/guests.h"

#define SAY_AGAIN_NS (1 * NS_PER_SEC)
#define ROOM_FIRST   512

void guest_refused(struct ipc *ipc, struct guest *g, const char *why)
{
	uint64_t now_ns = clock_mono_ns();
	uint64_t count = 1 + atomic_fetch_add(&board_tally(ipc->board, g->slot)->refused, 1);
	char quoted[400];

	if (g->said_ns && now_ns - g->said_ns < SAY_AGAIN_NS)
		return;
	g->said_ns = now_ns;
	log_warn("event=ipc_connection_refused instance=%s count=%llu cause=%s", g->id,
		 (unsigned long long)count, log_quote(quoted, sizeof(quoted), why));
}

static void forget_unfinished(struct ipc *ipc, struct connection *c)
{
	if (!c->unfinished)
		return;
	ipc->unfinished_bytes -= c->capacity;
	ipc->unfinished_count--;
	free(c->unfinished);
	c->unfinished = NULL;
	c->used = c->capacity = 0;
}

void connection_open(struct ipc *ipc, struct guest *g, int fd)
{
	struct connection *c = NULL;
	struct epoll_event event = {.events = EPOLLIN};

	if (ipc->free_count > 0 && g->count < CONNECTIONS_PER_INSTANCE)
		c = calloc(1, sizeof(*c));
	if (!c) {
		fd_close(&fd);
		guest_refused(ipc, g, "too many connections");
		return;
	}
	c->fd = fd;
	c->slot = g->slot;
	c->index = ipc->free_connections[--ipc->free_count];
	c->next = g->connections;
	g->connections = c->index + 1;
	g->count++;
	ipc->connections[c->index] = c;
	event.data.u64 = source_key(SOURCE_CONNECTION, ipc->lives[c->index], c->index);
	if (epoll_ctl(ipc->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		connection_close(ipc, c);
}

void connection_close(struct ipc *ipc, struct connection *c)
{
	struct guest *g = ipc->guests[c->slot];
	uint32_t *link = &g->connections;

	while (*link != c->index + 1)
		link = &ipc->connections[*link - 1]->next;
	*link = c->next;
	g->count--;
	forget_unfinished(ipc, c);
	fd_close(&c->fd);
	ipc->lives[c->index]++;
	ipc->connections[c->index] = NULL;
	ipc->free_connections[ipc->free_count++] = c->index;
	free(c);
}

void connection_refuse(struct ipc *ipc, struct connection *c, const char *why)
{
	guest_refused(ipc, ipc->guests[c->slot], why);
	connection_close(ipc, c);
}

/* NULL, or why it cannot be kept. */
static const char *keep(struct ipc *ipc, struct connection *c, const char *bytes, size_t size)
{
	size_t capacity = c->capacity ? c->capacity : ROOM_FIRST;
	char *room;

	if (c->used + size > MESSAGE_BYTES_MAX)
		return "a message of more than 64 KiB";
	while (capacity < c->used + size)
		capacity *= 2;
	if (capacity != c->capacity) {
		if (ipc->unfinished_bytes + capacity > UNFINISHED_BYTES_MAX)
			return "too many unfinished messages on this host";
		room = realloc(c->unfinished, capacity);
		if (!room)
			return "out of memory";
		if (!c->unfinished) {
			ipc->unfinished_count++;
			c->begun_ns = clock_mono_ns();
		}
		ipc->unfinished_bytes += capacity - c->capacity;
		c->unfinished = room;
		c->capacity = capacity;
	}
	memcpy(c->unfinished + c->used, bytes, size);
	c->used += size;
	return NULL;
}

/* A whole message: what was kept of it, and these bytes. NULL, or why it is refused. */
static const char *hear(struct ipc *ipc, struct connection *c, const char *bytes, size_t size,
			char *err, size_t err_size)
{
	struct guest *g = ipc->guests[c->slot];
	const char *why = NULL;
	int r;

	if (c->used == 0) {
		r = guest_hear(ipc, g, bytes, size, err, err_size);
		return r < 0 ? err : NULL;
	}
	why = keep(ipc, c, bytes, size);
	if (why)
		return why;
	r = guest_hear(ipc, g, c->unfinished, c->used, err, err_size);
	forget_unfinished(ipc, c);
	return r < 0 ? err : NULL;
}

static const char *feed(struct ipc *ipc, struct connection *c, const char *bytes, size_t size,
			char *err, size_t err_size)
{
	const char *why = NULL;

	while (size > 0 && !why) {
		const char *end = memchr(bytes, '\0', size);
		size_t n = end ? (size_t)(end - bytes) : size;

		why = end ? hear(ipc, c, bytes, n, err, err_size) : keep(ipc, c, bytes, n);
		n += end != NULL;
		bytes += n;
		size -= n;
	}
	return why;
}

bool connection_read(struct ipc *ipc, struct connection *c)
{
	char err[256] = "it is not a message";
	const char *why;
	ssize_t n = recv(c->fd, ipc->bytes, sizeof(ipc->bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		if (c->used > 0)
			connection_refuse(ipc, c, "a message without its end");
		else
			connection_close(ipc, c);
		return true;
	}
	why = feed(ipc, c, ipc->bytes, (size_t)n, err, sizeof(err));
	if (why)
		connection_refuse(ipc, c, why);
	return true;
}

void connections_expire(struct ipc *ipc, uint64_t now_ns)
{
	for (uint32_t i = 0; i < CONNECTIONS_MAX && ipc->unfinished_count > 0; i++) {
		struct connection *c = ipc->connections[i];

		if (c && c->used > 0 && now_ns > c->begun_ns + MESSAGE_TIME_MS * NS_PER_MS)
			connection_refuse(ipc, c, "a message that took more than 10 s");
	}
}

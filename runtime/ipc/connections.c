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
#define GAVE_WAY     "it gave way: its service has the most of what is full"

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
	shares_give(&ipc->room, ipc->guests[c->slot]->service, c->capacity);
	chain_remove(&c->in_unfinished);
	free(c->unfinished);
	c->unfinished = NULL;
	c->used = c->capacity = 0;
}

static void on_ready(struct watch *w, uint32_t events)
{
	struct connection *c = container_of(w, struct connection, watch);
	struct ipc *ipc = c->ipc;
	struct guest *g = ipc->guests[c->slot];
	uint64_t begun_ns = guest_begin(ipc, g);

	(void)connection_read(ipc, c);
	guest_end(ipc, g, begun_ns);
}

void connection_close(struct ipc *ipc, struct connection *c)
{
	struct guest *g = ipc->guests[c->slot];

	must(g->count > 0);
	chain_remove(&c->in_guest);
	g->count--;
	shares_give(&ipc->open, g->service, 1);
	forget_unfinished(ipc, c);
	loop_unwatch(ipc->loop, &c->watch);
	fd_close(&c->watch.fd);
	free(c);
}

/* Closes the connection, counts the refusal and logs why; at most a line a second per instance. */
static void connection_refuse(struct ipc *ipc, struct connection *c, const char *why)
{
	must(c);
	guest_refused(ipc, ipc->guests[c->slot], why);
	connection_close(ipc, c);
}

/* ---- when a table is full ---- */

/* The oldest connection of an instance of this service, which has some. */
static struct connection *oldest_of(struct ipc *ipc, uint32_t service)
{
	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++) {
		struct guest *g = ipc->guests[slot];

		if (g && g->service == service && g->count > 0)
			return container_of(g->connections.before, struct connection, in_guest);
	}
	return NULL;
}

static struct connection *oldest_unfinished_of(struct ipc *ipc, uint32_t service)
{
	struct connection *c;

	chain_each(c, &ipc->unfinished, in_unfinished)
		if (ipc->guests[c->slot]->service == service)
			return c;
	return NULL;
}

static bool make_place(struct ipc *ipc, const struct guest *g)
{
	while (!shares_fit(&ipc->open, 1)) {
		uint32_t largest = shares_largest(&ipc->open, g->service, 1);

		if (largest == SERVICES_MAX)
			return false;
		connection_refuse(ipc, oldest_of(ipc, largest), GAVE_WAY);
	}
	return true;
}

static bool make_room(struct ipc *ipc, const struct guest *g, size_t more)
{
	while (!shares_fit(&ipc->room, more)) {
		uint32_t largest = shares_largest(&ipc->room, g->service, more);

		if (largest == SERVICES_MAX)
			return false;
		connection_refuse(ipc, oldest_unfinished_of(ipc, largest), GAVE_WAY);
	}
	return true;
}

/* ---- the life of one ---- */

void connection_open(struct ipc *ipc, struct guest *g, int fd)
{
	struct connection *c = NULL;

	if (g->count < CONNECTIONS_PER_INSTANCE && make_place(ipc, g))
		c = calloc(1, sizeof(*c));
	if (!c) {
		fd_close(&fd);
		guest_refused(ipc, g, "too many connections");
		return;
	}
	c->ipc = ipc;
	c->watch = (struct watch){.fd = fd, .on_ready = on_ready, .name = "connection on_ready"};
	c->slot = g->slot;
	chain_init(&c->in_guest);
	chain_init(&c->in_unfinished);
	chain_add_first(&g->connections, &c->in_guest);
	g->count++;
	shares_take(&ipc->open, g->service, 1);
	if (loop_watch(ipc->loop, &c->watch, EPOLLIN) < 0)
		connection_close(ipc, c);
}

/* ---- its bytes ---- */

/* Keeps the bytes of an unfinished message. NULL, or the reason why they cannot be kept. */
static const char *keep(struct ipc *ipc, struct connection *c, const char *bytes, size_t size)
{
	size_t capacity = c->capacity ? c->capacity : ROOM_FIRST;
	char *room;

	if (c->used + size > MESSAGE_BYTES_MAX)
		return "a message of more than 64 KiB";
	while (capacity < c->used + size)
		capacity *= 2;
	if (capacity != c->capacity) {
		if (!make_room(ipc, ipc->guests[c->slot], capacity - c->capacity))
			return "too many unfinished messages of its service";
		room = realloc(c->unfinished, capacity);
		if (!room)
			return "out of memory";
		if (!c->unfinished) {
			chain_add_last(&ipc->unfinished, &c->in_unfinished);
			c->begun_ns = clock_mono_ns();
		}
		shares_take(&ipc->room, ipc->guests[c->slot]->service, capacity - c->capacity);
		c->unfinished = room;
		c->capacity = capacity;
	}
	memcpy(c->unfinished + c->used, bytes, size);
	c->used += size;
	return NULL;
}

/* Takes a whole message: its kept part, and these bytes. NULL, or the reason why it is refused. */
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
	ssize_t n = recv(c->watch.fd, ipc->bytes, sizeof(ipc->bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		if (c->used > 0)
			connection_refuse(ipc, c, "a message without its end");
		else
			connection_close(ipc, c);
		return false;
	}
	why = feed(ipc, c, ipc->bytes, (size_t)n, err, sizeof(err));
	if (why)
		connection_refuse(ipc, c, why);
	return !why;
}

uint64_t connections_expire(struct ipc *ipc, uint64_t now_ns)
{
	struct chain *first;

	while ((first = chain_first(&ipc->unfinished))) {
		struct connection *c = container_of(first, struct connection, in_unfinished);
		uint64_t due_ns = c->begun_ns + MESSAGE_TIME_MS * NS_PER_MS;

		if (now_ns <= due_ns)
			return due_ns + 1;
		connection_refuse(ipc, c, "a message that took more than 10 s");
	}
	return UINT64_MAX;
}

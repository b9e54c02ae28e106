// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/client/caller.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/gateway/client/listeners.h"

uint32_t caller_index(uint32_t slot, uint32_t number)
{
	_Static_assert(INSTANCES_MAX * BINDINGS_MAX < 1u << 24, "an index has 24 bits");
	return slot * BINDINGS_MAX + number;
}

void caller_arm(struct gateway *g, uint32_t slot, struct caller *k, uint32_t number)
{
	struct binding *b = &k->bindings[number];
	struct io_uring_sqe *sqe =
		ring_sqe(g->io.ring, RING_BOUND_ACCEPT, caller_index(slot, number), k->generation);
	uint64_t user_data = sqe->user_data;

	must(!b->armed && b->fd >= 0);
	listener_accept(sqe, b->fd);
	sqe->user_data = user_data;
	b->armed = true;
}

struct service *caller_service(struct gateway *g, const struct client *c, bool *fixed)
{
	const struct caller *k = client_caller(g, c);
	const struct wire_binding *to = k ? &k->bindings[(c->binding - 1) % BINDINGS_MAX].to : NULL;
	struct service *s = to ? routes_named(&g->routes, to->service) : NULL;
	struct service *then = s ? routes_revision(&g->routes, s, to->revision) : NULL;

	*fixed = then;
	return then ? then : s;
}

static void note_inside(struct client *c)
{
	static const struct address loopback = {.bytes = {[10] = 0xff, 0xff, 127, 0, 0, 1}};

	c->address = loopback;
	c->trusted = c->counted = false; /* a trusted network does not change that */
	memcpy(c->peer, "127.0.0.1", 10);
	c->peer_size = 9;
}

void caller_note(struct client *c, uint32_t binding, uint32_t generation)
{
	c->binding = binding;
	c->caller_generation = generation;
	note_inside(c);
}

void delivery_note(struct client *c)
{
	c->delivery = true;
	note_inside(c);
}

/* A short field of a delivery as text. -ENOENT: it has none, or a long one. */
static int said(const struct http_head *head, const char *name, char *text, size_t size)
{
	const struct http_header *h = http_find(head, name);

	if (!h || h->value.size >= size)
		return -ENOENT;
	memcpy(text, h->value.at, h->value.size);
	text[h->value.size] = '\0';
	return 0;
}

struct service *delivery_service(struct gateway *g, const struct http_head *head, bool *fixed)
{
	char name[SERVICE_NAME_SIZE], number[16];
	struct service *s = NULL, *then = NULL;
	uint64_t revision;

	if (said(head, "x-ebb-service", name, sizeof(name)) == 0)
		s = routes_named(&g->routes, name);
	if (s && said(head, "x-ebb-revision", number, sizeof(number)) == 0 &&
	    text_parse_u64(number, 1, UINT32_MAX, &revision) == 0)
		then = routes_revision(&g->routes, s, (uint32_t)revision);
	*fixed = then;
	return then ? then : s;
}

bool caller_carry(struct gateway *g, const struct client *c, struct client *carried)
{
	struct caller *k = client_caller(g, c);

	if (!c->binding)
		return true;
	if (!k || !callers_admit(&g->callers, k)) {
		g->count.refused_caller++;
		return false;
	}
	caller_note(carried, c->binding, c->caller_generation);
	return true;
}

void callers_rearm(struct gateway *g)
{
	if (!g->bindings_lapsed || g->draining)
		return;
	g->bindings_lapsed = false;
	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++) {
		struct caller *k = &g->callers.slots[slot];

		for (uint32_t n = 0; n < k->count; n++)
			if (!k->bindings[n].armed)
				caller_arm(g, slot, k, n);
	}
}

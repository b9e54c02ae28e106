// SPDX-License-Identifier: Apache-2.0
/* The slab of clients. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/client/addresses.h"
#include "runtime/gateway/client/caller.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/listeners.h"
#include "runtime/gateway/client/peer.h"

int clients_init(struct gateway *g)
{
	uint32_t count = g->config.connections_max;

	g->client_count = g->free_client_count = count;
	g->clients = calloc(count, sizeof(*g->clients));
	g->free_clients = calloc(count, sizeof(*g->free_clients));
	g->stashes = calloc(count, STASH_BYTES);
	g->addresses = calloc(1, sizeof(*g->addresses));
	if (!g->clients || !g->free_clients || !g->stashes || !g->addresses)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		g->free_clients[i] = count - 1 - i;
	return addresses_init(g->addresses, count, g->id_seed);
}

void clients_stop_if_empty(struct gateway *g)
{
	if (g->draining && listeners_idle(g) && g->free_client_count == g->client_count)
		g->io.ring->stop = true;
}

struct client *client_slot(struct gateway *g)
{
	struct client *c;
	uint32_t index;

	if (g->free_client_count == 0) {
		g->count.refused_full++;
		return NULL;
	}
	index = g->free_clients[--g->free_client_count];
	c = &g->clients[index];
	must(c->state == CLIENT_FREE);
	stream_open(&c->s, -1, index, RING_CLIENT_RECV);
	c->x.down.trailers.buffer = BUFFER_NONE; /* request.c sets the rest when a request begins */
	chain_init(&c->in_line);
	client_enter(c, CLIENT_HEAD);
	c->eof = c->counted = false;
	c->binding = 0;
	c->delivery = false;
	c->head_seen = 0;
	c->requests = 0;
	return c;
}

struct client *client_open_carried(struct gateway *g, const struct client *carrier,
				   const struct stream_carrier *by)
{
	struct client *c = client_slot(g);

	if (!c)
		return NULL;
	if (!caller_carry(g, carrier, c)) {
		client_enter(c, CLIENT_FREE);
		g->free_clients[g->free_client_count++] = c->s.index;
		return NULL;
	}
	stream_open_carried(&c->s, by, g, c->s.index, RING_CLIENT_RECV);
	c->address = carrier->address;
	c->trusted = carrier->trusted;
	c->peer_size = carrier->peer_size;
	memcpy(c->peer, carrier->peer, sizeof(c->peer));
	return c;
}

void client_settle(struct gateway *g, struct client *c)
{
	if (!stream_settled(&g->io, &c->s))
		return;
	timers_clear(&g->timers, c->s.index);
	peer_forget(g, c);
	if (c->binding)
		callers_leave(&g->callers, (c->binding - 1) / BINDINGS_MAX, c->caller_generation);
	client_enter(c, CLIENT_FREE);
	must(g->free_client_count < g->client_count);
	must(!c->x.upstream && c->x.ticket == TICKET_NONE);
	g->free_clients[g->free_client_count++] = c->s.index;
	listeners_arm(g);
	callers_rearm(g);
	clients_stop_if_empty(g);
}

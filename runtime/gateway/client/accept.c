// SPDX-License-Identifier: Apache-2.0
/* Takes new connections, and stops taking them at a drain. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/gateway/client/bindings.h"
#include "runtime/gateway/client/caller.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/listeners.h"
#include "runtime/gateway/client/peer.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/gateway/exchange/tunnel.h"

/* At a drain: time for the first bytes of a connection. */
#define FIRST_WORD_NS (1 * NS_PER_SEC)

static void accept_one(struct gateway *g, int fd, uint32_t listener)
{
	struct client *c = client_slot(g);

	if (!c) {
		reply_full(fd, EDGE_NO_SLOT);
		fd_close(&fd);
		return;
	}
	c->s.fd = fd;
	g->count.accepted++;
	if (listener == LISTENER_FLOW)
		delivery_note(c);
	else
		peer_note(g, c);
	if (!peer_must_introduce(g, listener)) {
		client_act(g, c, client_begin(g, c));
		return;
	}
	client_enter(c, CLIENT_PROXY);
	exchange_set_deadline(g, c, gateway_now(g) + g->config.head_timeout_ms * NS_PER_MS);
	stream_recv(&g->io, &c->s);
}

void client_on_accept(void *self, const struct ring_event *e)
{
	struct gateway *g = self;
	struct listener *l = &g->listeners[e->index];

	/* Without IORING_CQE_F_MORE the accept is over. After an error such as EMFILE it
	 * is armed again when a connection ends, in every other case at once. */
	if (!(e->flags & IORING_CQE_F_MORE))
		l->armed = false;
	if (e->res >= 0)
		accept_one(g, e->res, e->index);
	if (l->armed)
		return;
	if (l->leaving && (e->index == LISTENER_FLOW ? listener_flow_is_owed_a_look(g)
						     : listener_is_owed_a_look(g, l->fd, e->res))) {
		listener_empty(g, e->index);
	} else if (l->leaving) {
		listener_left(g, e->index); /* its new connections are refused */
		listeners_arm(g);
		clients_stop_if_empty(g);
	} else if (e->res >= 0 || e->res == -ECONNABORTED) {
		listeners_arm(g);
	}
}

/* A client that waits between two requests knows that its connection may end there. A connection
 * that has said nothing yet is a promise to hear a first request, which may be on its way. */
static void drain_one(struct gateway *g, struct client *c)
{
	uint64_t until_ns = gateway_now(g) + FIRST_WORD_NS;

	if (c->state == CLIENT_SESSION)
		g->session_user->drain(g, c);
	else if (c->s.carried || c->s.in.size > 0)
		return;
	else if (c->state == CLIENT_HEAD && c->requests > 0)
		client_close(g, c);
	else if ((c->state == CLIENT_HEAD || c->state == CLIENT_PROXY) && c->deadline_ns > until_ns)
		exchange_set_deadline(g, c, until_ns);
}

/* An answer that is the last one of its connection says so, and a session says that it takes no
 * more. A client that is silent keeps its connection: a request may be on its way. */
void client_retire(struct gateway *g)
{
	if (g->draining)
		return;
	g->draining = true;
	listeners_drain(g);
	bindings_retire(g);
	for (uint32_t i = 0; i < g->client_count; i++)
		if (g->clients[i].state == CLIENT_SESSION)
			g->session_user->retire(g, &g->clients[i]);
	upstream_drain(&g->up);
	clients_stop_if_empty(g);
}

void client_drain(struct gateway *g)
{
	g->draining = g->leaving = true;
	listeners_drain(g);
	for (uint32_t i = 0; i < g->client_count; i++)
		drain_one(g, &g->clients[i]);
	tunnel_drain(g);
	upstream_drain(&g->up);
	clients_stop_if_empty(g);
}

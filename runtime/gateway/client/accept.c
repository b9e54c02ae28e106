// SPDX-License-Identifier: Apache-2.0
/* Takes new connections, and stops taking them at a drain. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/listeners.h"
#include "runtime/gateway/client/peer.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/gateway/exchange/tunnel.h"

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

	/* Without IORING_CQE_F_MORE the multishot accept is over. After an error such as EMFILE it
	 * is armed again when a connection ends, in every other case at once. */
	if (!(e->flags & IORING_CQE_F_MORE))
		l->armed = false;
	if (e->res >= 0)
		accept_one(g, e->res, e->index);
	if (l->armed)
		return;
	if (l->leaving) {
		listener_left(g, e->index); /* its new connections are refused */
		listeners_arm(g);
		clients_stop_if_empty(g);
	} else if (e->res >= 0 || e->res == -ECONNABORTED) {
		listeners_arm(g);
	}
}

void client_drain(struct gateway *g)
{
	g->draining = true;
	listeners_drain(g);
	for (uint32_t i = 0; i < g->client_count; i++) {
		struct client *c = &g->clients[i];

		if (c->state == CLIENT_PROXY ||
		    (c->state == CLIENT_HEAD && c->s.in.size == 0 && !c->s.carried))
			client_close(g, c);
		else if (c->state == CLIENT_SESSION)
			g->session_user->drain(g, c);
	}
	tunnel_drain(g);
	upstream_drain(&g->up);
	clients_stop_if_empty(g);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/client/bindings.h"

#include <errno.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/client/caller.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/listeners.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/wire/records.h"

/* The ring holds the socket while it accepts: closing the descriptor would not end that. */
static void cancel(struct gateway *g, uint32_t slot, const struct caller *k, uint32_t number)
{
	struct io_uring_sqe *sqe = ring_sqe(g->io.ring, RING_IGNORE, 0, 0);
	uint64_t user_data = sqe->user_data;

	io_uring_prep_cancel64(
		sqe, ring_user_data(RING_BOUND_ACCEPT, caller_index(slot, number), k->generation),
		0);
	sqe->user_data = user_data;
}

int bindings_put(struct gateway *g, const struct wire_bindings *record, int *fds)
{
	struct caller *k;
	int r = callers_put(&g->callers, record, fds);

	k = r == 0 ? callers_get(&g->callers, record->slot, record->generation) : NULL;

	for (uint32_t n = 0; k && !g->draining && n < k->count; n++) {
		listener_set_options(k->bindings[n].fd);
		caller_arm(g, record->slot, k, n);
	}
	return r;
}

void bindings_gone(struct gateway *g, uint32_t slot, uint32_t generation)
{
	struct caller *k = callers_get(&g->callers, slot, generation);

	if (!k)
		return;
	for (uint32_t i = 0; k->open > 0 && i < g->client_count; i++) {
		struct client *c = &g->clients[i];

		/* A carrier ends the streams that it carries. */
		if (c->state != CLIENT_FREE && c->state != CLIENT_CLOSING && !c->s.carried &&
		    client_caller(g, c) == k)
			client_close(g, c);
	}
	for (uint32_t n = 0; n < k->count; n++)
		if (k->bindings[n].armed)
			cancel(g, slot, k, n);
	callers_drop(&g->callers, k);
}

void bindings_retire(struct gateway *g)
{
	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++) {
		struct caller *k = &g->callers.slots[slot];

		for (uint32_t n = 0; n < k->count; n++)
			if (k->bindings[n].armed)
				cancel(g, slot, k, n);
	}
}

static void refuse(struct gateway *g, int fd, enum edge_error e)
{
	reply_full(fd, e);
	fd_close(&fd);
	g->count.refused_caller++;
}

static void accept_one(struct gateway *g, struct caller *k, int fd, uint32_t index)
{
	struct client *c;

	if (!callers_admit(&g->callers, k)) {
		refuse(g, fd, EDGE_TOO_MANY_CONNECTIONS);
		return;
	}
	c = client_slot(g);
	if (!c) {
		callers_leave(&g->callers, index / BINDINGS_MAX, k->generation);
		refuse(g, fd, EDGE_NO_SLOT);
		return;
	}
	c->s.fd = fd;
	g->count.accepted++;
	g->count.accepted_bound++;
	caller_note(c, index + 1, k->generation);
	client_act(g, c, client_begin(g, c));
}

void bindings_on_accept(void *self, const struct ring_event *e)
{
	struct gateway *g = self;
	uint32_t slot = e->index / BINDINGS_MAX, number = e->index % BINDINGS_MAX;
	struct caller *k = callers_get(&g->callers, slot, e->life);
	int fd = e->res;

	if (!k || number >= k->count) { /* it went meanwhile */
		fd_close(&fd);
		return;
	}
	if (!(e->flags & IORING_CQE_F_MORE))
		k->bindings[number].armed = false;
	if (fd >= 0)
		accept_one(g, k, fd, e->index);
	if (k->bindings[number].armed)
		return;
	if (listener_is_owed_a_look(g, k->bindings[number].fd, e->res)) {
		caller_arm(g, slot, k, number);
		cancel(g, slot, k, number);
	} else if ((fd >= 0 || fd == -ECONNABORTED) && !g->draining) {
		caller_arm(g, slot, k, number);
	} else {
		g->bindings_lapsed = true; /* EMFILE: again when a connection ends */
	}
}

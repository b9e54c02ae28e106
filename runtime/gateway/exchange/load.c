// SPDX-License-Identifier: Apache-2.0
/* The load of an instance as the gateway sees it: the time until its answers, and the requests that
 * it gives back. */
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/dispatch.h"
#include "runtime/gateway/exchange/held.h"
#include "runtime/gateway/exchange/load.h"
#include "runtime/gateway/exchange/queue.h"

#define NACKS_MAX    20
#define NACK_MOST_NS (1 * NS_PER_SEC) /* then it gets requests again, or once it answers */

/* The time to the first byte of a cold or thawed instance says nothing about load. */
void load_first_byte(struct gateway *g, const struct client *c)
{
	const struct exchange *x = &c->x;
	struct board_slot *b = board_slot(g->board, x->slot);

	if (x->ticket == TICKET_NONE || x->start != START_WARM)
		return;
	atomic_fetch_add_explicit(&b->first_byte_us, (gateway_now(g) - x->sent_ns) / NS_PER_US,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&b->first_bytes, 1, memory_order_relaxed);
}

void load_answered(struct gateway *g, const struct client *c)
{
	struct instance *i = instances_get(&g->instances, c->x.slot, c->x.generation);

	if (i && i->nacked) {
		i->nacked = false;
		i->doubt_until_ns = 0;
	}
}

bool load_is_nack(const struct http_head *head)
{
	for (size_t i = 0; i < head->header_count; i++)
		if (head->headers[i].field == HTTP_FIELD_EBB &&
		    http_slice_is_nocase(head->headers[i].name, "x-ebb-nack"))
			return http_slice_is(head->headers[i].value, "1");
	return false;
}

enum verdict load_gave_back(struct gateway *g, struct client *c)
{
	struct exchange *x = &c->x;
	struct instance *i = instances_get(&g->instances, x->slot, x->generation);
	struct service *s = &g->routes.services[x->service];

	must(c->state == CLIENT_ASKED);
	g->count.nacks++;
	if (i) {
		atomic_fetch_add_explicit(&board_slot(g->board, x->slot)->nacks, 1,
					  memory_order_relaxed);
		i->nacked = true;
		i->doubt_until_ns = gateway_now(g) + NACK_MOST_NS;
	}
	if (i && x->request.size > 0 && ++x->nacks < NACKS_MAX) {
		/* The instance did not begin, so a request of any method may run elsewhere. */
		held_unshare(g, c);
		splice_end(&g->pipes, &x->up);
		if (x->request.size > 0) /* else there was no buffer for a copy */
			return dispatch_elsewhere(g, c);
	}
	s->refused_nacked++;
	queue_tell(g, x->service);
	return exchange_fail(g, c, EDGE_OVERLOADED, 1, "Every instance gave this request back.");
}

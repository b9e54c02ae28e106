// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/ticket.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

/* The doorbell waits this many rounds of the loop, so that the answer goes out first. */
#define BELL_AFTER 2
/* ebbd hears of a thaw after so long, though the answer is not out: it judges who works for long.
 */
#define BELL_LATEST_NS (5 * NS_PER_MS)

/* Our compare-and-swap made the instance RUNNING, so we must write "0" to its cgroup.freeze.
 * pwrite(2) is called directly: through io_uring it takes 20 times as long. */
void ticket_thaw(struct gateway *g, struct client *c)
{
	struct instance *i = client_instance(g, c);
	struct exchange *x = &c->x;
	uint64_t begin_ns;

	if (x->ticket != TICKET_THAWS)
		return;
	must(i);
	x->ticket = TICKET_THAWED;
	ring_submit_now(g->io.ring);
	begin_ns = clock_mono_ns();
	if (pwrite(i->freeze_fd, "0", 1, 0) != 1)
		log_error("event=thaw_failed instance=%s error=\"%s\"", i->id, strerror(errno));
	g->count.thaws++;
	if (!g->bell_due_ns) {
		g->bell_due_ns = begin_ns + BELL_LATEST_NS;
		timers_set(&g->timers, gateway_bell_timer(g), g->bell_due_ns);
	}
	if (x->answered_ns) /* a WebSocket that slept: the thaw is no part of its start */
		return;
	x->thaw_ns = clock_mono_ns() - begin_ns;
	if (x->start < START_THAW)
		x->start = START_THAW;
}

bool ticket_take(struct gateway *g, struct client *c, struct instance *i)
{
	struct exchange *x = &c->x;
	struct board_slot *slot = board_slot(g->board, i->slot);
	enum board_take taken = board_take(g->board, g->config.index, i->slot, i->generation);

	must(x->ticket == TICKET_NONE && i->up);
	if (taken != BOARD_TAKEN && taken != BOARD_TAKEN_THAW)
		return false;
	if (atomic_load_explicit(&slot->saturated, memory_order_relaxed))
		atomic_fetch_add_explicit(&slot->crowded, 1, memory_order_relaxed);
	x->ticket = taken == BOARD_TAKEN_THAW ? TICKET_THAWS : TICKET_HELD;
	x->slot = i->slot;
	x->generation = i->generation;
	callers_begin(&g->callers, i->slot, i->generation, x->depth);
	if (x->dispatched_ns == 0) /* each request is counted once */
		atomic_fetch_add_explicit(&slot->invocations, 1, memory_order_relaxed);
	return true;
}

enum board_take ticket_again(struct gateway *g, struct client *c)
{
	struct instance *i = client_instance(g, c);
	enum board_state state;

	must(c->x.upstream);
	if (!i)
		return BOARD_GONE;
	if (ticket_take(g, c, i)) {
		ticket_thaw(g, c);
		return BOARD_TAKEN;
	}
	state = board_state_of(board_load(g->board, i->slot));
	return state == BOARD_RUNNING || state == BOARD_FROZEN ? BOARD_FULL : BOARD_GONE;
}

/* The rest of the work of a thaw is done here, when the client has its answer. Before that, every
 * wake-up of another process would delay the answer. */
void ticket_give(struct gateway *g, struct client *c)
{
	struct instance *i = client_instance(g, c);

	must(c->x.ticket != TICKET_NONE && c->x.ticket != TICKET_THAWS);
	if (i && c->x.ticket == TICKET_THAWED) {
		upstream_drop_stale(&g->up, i);
		if (g->bell_due_ns) /* the bell has not rung since */
			g->bell = BELL_AFTER;
	}
	c->x.ticket = TICKET_NONE;
	if (i && i->stock_count <= STOCK_LOW)
		tell_need_sockets(&g->tell, i);
	callers_end(&g->callers, c->x.slot, c->x.generation, c->x.depth);
	board_give(g->board, g->config.index, c->x.slot, c->x.generation);
}

/* Tells ebbd that instances were thawed, which it must freeze again later. */
static void ring(struct gateway *g)
{
	const uint64_t one = 1;

	g->bell = 0;
	g->bell_due_ns = 0;
	timers_retract(&g->timers, gateway_bell_timer(g));
	if (write(g->doorbell_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("event=doorbell_failed error=\"%s\"", strerror(errno));
}

void ticket_ring(struct gateway *g)
{
	if (g->bell > 0 && --g->bell == 0)
		ring(g);
}

void ticket_on_bell_timer(struct gateway *g)
{
	if (g->bell_due_ns)
		ring(g);
}

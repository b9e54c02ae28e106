// SPDX-License-Identifier: Apache-2.0
/* Holds the rooms together: tables, timers, signals, and the work before each wait. */
#include "runtime/gateway/gateway.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/gateway/client/bindings.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/listeners.h"
#include "runtime/gateway/exchange/choice_tell.h"
#include "runtime/gateway/exchange/run.h"
#include "runtime/gateway/exchange/ticket.h"
#include "runtime/gateway/exchange/tunnel.h"
#include "runtime/gateway/h2/h2.h"
#include "runtime/gateway/hear/hear.h"
#include "runtime/gateway/upstream/h2up.h"
#include "runtime/gateway/upstream/room.h"

/* Slots for idle connections to instances, beside one slot for each client. */
#define UPSTREAMS_EXTRA 1024u

static void arm_signal(struct gateway *g)
{
	io_uring_prep_poll_add(ring_sqe(g->io.ring, RING_SIGNAL, 0, 0), g->signal_fd, POLLIN);
}

/* ---- completions of upstreams: these handlers get that part of the gateway ---- */

static void on_up_recv(void *self, const struct ring_event *e)
{
	upstream_on_recv(&((struct gateway *)self)->up, e);
}

static void on_up_send(void *self, const struct ring_event *e)
{
	upstream_on_send(&((struct gateway *)self)->up, e);
}

static void on_up_poll(void *self, const struct ring_event *e)
{
	upstream_on_poll(&((struct gateway *)self)->up, e);
}

static void on_up_connect(void *self, const struct ring_event *e)
{
	upstream_on_connect(&((struct gateway *)self)->up, e);
}

static void on_up_look(void *self, const struct ring_event *e)
{
	upstream_on_look(&((struct gateway *)self)->up, e);
}

static void on_writable(void *self, const struct ring_event *e)
{
	tell_on_writable(&((struct gateway *)self)->tell);
}

/* ---- start ---- */

static int init_upstreams(struct gateway *g)
{
	int r;

	g->up = (struct upstreams){
		.io = g->io,
		.timers = &g->timers,
		.first_timer = g->client_count,
		.routes = &g->routes,
		.instances = &g->instances,
		.board = g->board,
		.tell = &g->tell,
		.count = &g->count,
		.starved = &g->starved,
		.config = &g->config,
		.user = &exchange_upstream_user,
		.self = g,
	};
	r = upstreams_init(&g->up, g->config.connections_max + UPSTREAMS_EXTRA);
	return r ? r : h2up_init(&g->up);
}

static int init_tables(struct gateway *g)
{
	int r = clients_init(g);

	g->user = &client_exchange_user;
	if (r == 0)
		r = routes_init(&g->routes, g->config.domain);
	if (r == 0)
		r = sites_init(&g->sites);
	if (r == 0)
		r = instances_init(&g->instances);
	if (r == 0)
		r = callers_init(&g->callers, g->board, g->config.index, g->client_count);
	if (r == 0)
		r = init_upstreams(g);
	if (r == 0)
		r = timers_init(&g->timers, gateway_bell_timer(g) + 1);
	if (r == 0)
		r = starved_init(&g->starved, g->client_count + g->up.slot_count);
	if (r == 0)
		r = tunnel_init(g);
	if (r == 0)
		r = pipes_init(&g->pipes);
	return r ? r : h2_init(g);
}

/* ---- before each wait ---- */

static struct stream *find_stream(void *self, enum ring_op op, uint32_t index)
{
	struct gateway *g = self;

	return op == RING_CLIENT_RECV ? &g->clients[index].s : &g->up.slots[index].s;
}

/* Carriers send the output of their streams. One flush may cause another: a client's bytes go to an
 * instance, and room at the instance lets more bytes of the client in. */
#define FLUSHES_MAX 64

static void flush_carriers(struct gateway *g)
{
	int n = 0;

	h2_side_retry(&g->h2->side);
	h2_side_retry(&g->up.h2up->side);
	for (;
	     n < FLUSHES_MAX && (h2_side_is_due(&g->h2->side) || h2_side_is_due(&g->up.h2up->side));
	     n++) {
		h2_side_flush(&g->up.h2up->side);
		h2_side_flush(&g->h2->side);
	}
	if (n == FLUSHES_MAX) /* completions get their turn; this entry ends the wait at once */
		io_uring_prep_nop(ring_sqe(g->io.ring, RING_IGNORE, 0, 0));
}

static void before_wait(void *self)
{
	struct gateway *g = self;

	if (g->starved.count > 0)
		starved_feed(&g->starved, &g->io, find_stream, g);
	flush_carriers(g);
	if (g->tell.mark_count > 0)
		tell_flush(&g->tell);
	ticket_ring(g);
	account_flush(g);
	timers_arm(&g->timers, g->io.ring);
}

/* Looks now and then for changes that no event reports, while there is a reason to look. */
static void on_coarse_timer(struct gateway *g)
{
	listeners_arm(g);
	exchange_serve_all(g);
	room_ask_due(&g->up);
	choice_tell_due(g);
}

static void on_timer(void *self, const struct ring_event *e)
{
	struct gateway *g = self;
	int64_t id;

	timers_fired(&g->timers, e->res);
	while ((id = timers_next(&g->timers, gateway_now(g))) >= 0) {
		if (id < g->client_count)
			client_on_timer(g, &g->clients[id]);
		else if (id < gateway_coarse_timer(g))
			upstream_on_timer(&g->up, &g->up.slots[id - g->client_count]);
		else if (id == gateway_coarse_timer(g))
			on_coarse_timer(g);
		else
			ticket_on_bell_timer(g);
	}
}

static void dump(struct gateway *g)
{
#define X(name) log_info("event=counter name=" #name " value=%" PRIu64, g->count.name);
	GATEWAY_COUNTERS(X)
#undef X
	log_info("event=gauges clients=%u upstreams=%u waiting=%u buffers_free=%u "
		 "buffers_in_ring=%u buffers=%u large_free=%u h2_open=%u "
		 "timers=%u enters=%" PRIu64,
		 g->client_count - g->free_client_count, g->up.slot_count - g->up.free_count,
		 g->queued, g->io.buffers->free_unit_count, g->io.buffers->in_ring,
		 g->io.buffers->unit_count, g->io.buffers->free_large_count, h2_open_sessions(g),
		 g->timers.heap.count, g->io.ring->enters);
}

void gateway_on_signal(void *self, const struct ring_event *e)
{
	struct gateway *g = self;
	struct signalfd_siginfo info;

	if (read(g->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			dump(g);
		else
			client_drain(g);
	}
	arm_signal(g);
}

int gateway_init(struct gateway *g, struct ring *l, struct buffers *b)
{
	static const ring_handler handlers[RING_OP_COUNT] = {
		[RING_ACCEPT] = client_on_accept,    [RING_BOUND_ACCEPT] = bindings_on_accept,
		[RING_CONTROL] = hear_on_readable,   [RING_CONTROL_OUT] = on_writable,
		[RING_SIGNAL] = gateway_on_signal,   [RING_TIMER] = on_timer,
		[RING_CLIENT_RECV] = client_on_recv, [RING_CLIENT_SEND] = client_on_send,
		[RING_CLIENT_POLL] = client_on_poll, [RING_CLIENT_GONE] = client_on_gone,
		[RING_UP_RECV] = on_up_recv,         [RING_UP_SEND] = on_up_send,
		[RING_UP_POLL] = on_up_poll,         [RING_UP_CONNECT] = on_up_connect,
		[RING_UP_LOOK] = on_up_look,
	};

	l->handlers = handlers;
	l->before_wait = before_wait;
	l->self = g;
	g->io = (struct stream_io){.ring = l, .buffers = b};
	tell_init(&g->tell, l, &g->routes, g->tell.fd);
	return init_tables(g);
}

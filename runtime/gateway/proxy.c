// SPDX-License-Identifier: Apache-2.0
/* What holds the parts together: tables, timers, signals, and what happens before each wait. */
#include "runtime/gateway/proxy.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/gateway/choice.h"

/* Pooled connections beside those in use. */
#define UPSTREAMS_EXTRA 1024u

static uint32_t *stack_of(uint32_t count)
{
	uint32_t *stack = calloc(count, sizeof(*stack));

	for (uint32_t i = 0; stack && i < count; i++)
		stack[i] = count - 1 - i;
	return stack;
}

static int init_slabs(struct proxy *p)
{
	p->client_count = p->config.connections_max;
	p->upstream_count = p->config.connections_max + UPSTREAMS_EXTRA;
	p->clients = calloc(p->client_count, sizeof(*p->clients));
	p->upstreams = calloc(p->upstream_count, sizeof(*p->upstreams));
	p->free_clients = stack_of(p->client_count);
	p->free_upstreams = stack_of(p->upstream_count);
	p->starved = calloc(p->client_count + p->upstream_count, sizeof(*p->starved));
	p->free_client_count = p->client_count;
	p->free_upstream_count = p->upstream_count;
	p->stashes = calloc(p->client_count, STASH_BYTES);
	if (!p->stashes || !p->clients || !p->upstreams || !p->free_clients || !p->free_upstreams ||
	    !p->starved)
		return -ENOMEM;
	return timers_init(&p->timers, PROXY_TIMER_COARSE(p) + 1);
}

static void arm_signal(struct proxy *p)
{
	struct io_uring_sqe *sqe = loop_sqe(p->io.loop, LOOP_SIGNAL, 0, 0);
	uint64_t user_data = sqe->user_data;

	io_uring_prep_poll_add(sqe, p->signal_fd, POLLIN);
	sqe->user_data = user_data;
}

int proxy_init(struct proxy *p, struct loop *l, struct buffers *b)
{
	static const loop_handler handlers[LOOP_OP_COUNT] = {
		[LOOP_ACCEPT] = client_on_accept,
		[LOOP_CONTROL] = control_on_readable,
		[LOOP_CONTROL_OUT] = control_on_writable,
		[LOOP_SIGNAL] = proxy_on_signal,
		[LOOP_TIMER] = proxy_on_timer,
		[LOOP_CLIENT_RECV] = client_on_recv,
		[LOOP_CLIENT_SEND] = client_on_send,
		[LOOP_CLIENT_POLL] = client_on_poll,
		[LOOP_CLIENT_GONE] = client_on_gone,
		[LOOP_UP_RECV] = upstream_on_recv,
		[LOOP_UP_SEND] = upstream_on_send,
		[LOOP_UP_POLL] = upstream_on_poll,
		[LOOP_UP_CONNECT] = upstream_on_connect,
		[LOOP_UP_LOOK] = upstream_on_look,
	};
	int r;

	l->handlers = handlers;
	l->before_wait = proxy_before_wait;
	l->self = p;
	p->io = (struct stream_io){.loop = l, .buffers = b, .carrier_self = p};
	r = init_slabs(p);
	if (r == 0)
		r = tunnel_init(p);
	if (r == 0)
		r = addresses_init(&p->addresses, p->client_count, p->id_seed);
	if (r == 0)
		r = routes_init(&p->routes, p->config.domain);
	if (r == 0)
		r = instances_init(&p->instances);
	if (r == 0)
		r = splice_init(p);
	if (r == 0)
		r = h2_init(p);
	if (r == 0)
		r = h2up_init(p);
	return r;
}

void proxy_starved(struct proxy *p, const struct stream *s)
{
	p->count.no_buffer++;
	p->starved[p->starved_count++] = loop_user_data(s->first_op, s->index, s->life);
}

/* Those that found no buffer try again, as many as there are buffers. */
static void feed_starved(struct proxy *p)
{
	for (uint32_t n = p->io.buffers->in_ring; n > 0 && p->starved_count > 0; n--) {
		uint64_t who = p->starved[--p->starved_count];
		uint32_t index = (uint32_t)(who >> 32) & 0xffffff;
		struct stream *s = (enum loop_op)(who >> 56) == LOOP_CLIENT_RECV
					   ? &p->clients[index].s
					   : &p->upstreams[index].s;

		if (s->life == (uint32_t)who)
			stream_recv(&p->io, s);
	}
}

/* What carries streams says what they have. One may give another something to say: a client's bytes
 * go to an instance, an instance's room to a client. */
#define FLUSHES_MAX 64

static void flush_carriers(struct proxy *p)
{
	int n = 0;

	h2_retry(p);
	h2up_retry(p);
	for (; n < FLUSHES_MAX && (h2_is_due(p) || h2up_is_due(p)); n++) {
		h2up_flush(p);
		h2_flush(p);
	}
	if (n == FLUSHES_MAX) /* the others have their turn, and then at once */
		(void)loop_sqe(p->io.loop, LOOP_IGNORE, 0, 0);
}

void proxy_before_wait(void *self)
{
	struct proxy *p = self;

	if (p->starved_count > 0)
		feed_starved(p);
	flush_carriers(p);
	if (p->mark_count > 0)
		control_flush(p);
	dispatch_ring(p);
	account_flush(p);
	timers_arm(&p->timers, p->io.loop);
}

/* What nobody tells us about is looked at now and then, while there is a reason to. */
static void on_coarse_timer(struct proxy *p)
{
	client_arm_accept(p);
	dispatch_all_queues(p);
	room_ask_due(p);
	hibernate_serve_all(p);
	choice_tell_due(p);
}

void proxy_on_timer(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	int64_t id;

	timers_fired(&p->timers, e->res);
	while ((id = timers_next(&p->timers, proxy_now(p))) >= 0) {
		if (id < p->client_count)
			client_on_timer(p, &p->clients[id]);
		else if (id < PROXY_TIMER_COARSE(p))
			upstream_on_timer(p, &p->upstreams[id - p->client_count]);
		else
			on_coarse_timer(p);
	}
}

void proxy_dump(struct proxy *p)
{
#define X(name) log_info("event=counter name=" #name " value=%" PRIu64, p->count.name);
	GATEWAY_COUNTERS(X)
#undef X
	log_info("event=gauges clients=%u upstreams=%u waiting=%u buffers_free=%u "
		 "buffers_in_ring=%u buffers=%u large_free=%u h2_open=%u "
		 "timers=%u enters=%" PRIu64,
		 p->client_count - p->free_client_count, p->upstream_count - p->free_upstream_count,
		 p->queued, p->io.buffers->free_unit_count, p->io.buffers->in_ring,
		 p->io.buffers->unit_count, p->io.buffers->free_large_count, h2_open_sessions(p),
		 p->timers.count, p->io.loop->enters);
}

void proxy_on_signal(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct signalfd_siginfo info;

	if (read(p->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			proxy_dump(p);
		else
			client_drain(p);
	}
	arm_signal(p);
}

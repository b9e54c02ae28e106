// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/gateways.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/gateways_inside.h"
#include "runtime/supervisor/programs/ring.h"
#include "runtime/wire/stats.h"

#define ACCESS_PIPE_BYTES (1 << 20)

/* ---- starting one ---- */

static int make_ring(struct daemon *d, int *extra_fd)
{
	struct gateway *g = d->self;

	return gateway_ring(&g->ring, extra_fd);
}

static void send_up_if_up(void *ctx, struct instance *i)
{
	if (instance_is_up(i))
		gateway_send_up(ctx, i, true);
}

static void on_started(struct daemon *d)
{
	struct gateway *g = d->self;

	d->link.phase = PHASE_STARTING;
	gateway_send_config(g);
	for (uint32_t index = 0; index < SERVICES_MAX; index++) {
		const struct service *service = services_at(g->all->options.services, index);

		if (service)
			gateway_send_route(g, service);
	}
	if (g->all->settled)
		daemon_send(d, WIRE_ROUTES_KNOWN, NULL, 0, NULL, 0);
	if (g->all->fleet)
		fleet_each(g->all->fleet, send_up_if_up, g);
}

static void touched(void *ctx, uint32_t slot)
{
	fleet_touch(ctx, slot);
}

static void tell_if_stopped(struct gateways *all)
{
	for (uint32_t n = 0; n < all->count; n++)
		if (daemon_runs(&all->gateway[n].daemon))
			return;
	loop_timer_off(all->options.host->loop, &all->deadline);
	all->options.on_stopped(all->options.self);
}

static void on_ended(struct daemon *d)
{
	struct gateway *g = d->self;
	struct gateways *all = g->all;

	if (d->link.phase == PHASE_SERVING && all->ready > 0)
		all->ready--;
	/* A host without a gateway is worse than a busy one: the only one is restarted soon. */
	if (all->ready == 0)
		d->failures = 0;
	blame_gateway_gone(all->blame, g->index);
	board_return_tickets(all->options.board, g->index, touched, all->fleet);
	if (all->stopping)
		tell_if_stopped(all);
}

static int make_files(struct gateway *g)
{
	int r = stats_create(&g->stats_fd);

	if (r == 0 && pipe2(g->access_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0) /* the default of 64 KiB does too, only sooner */
		(void)fcntl(g->access_fds[1], F_SETPIPE_SZ, ACCESS_PIPE_BYTES);
	return r;
}

static int start_one(struct gateways *all, uint32_t index, struct fault *f)
{
	const struct program program = {.file = "ebb-gateway",
					.uid = UID_GATEWAY,
					.rules = gateway_rules,
					.rule_count = gateway_rule_count,
					.prepare = make_ring,
					.on_started = on_started,
					.on_ended = on_ended};
	struct gateway *g = &all->gateway[index];
	const struct config *c = all->options.host->config;
	int r;

	g->all = all;
	g->index = index;
	snprintf(g->name, sizeof(g->name), "ebb-gateway-%u", index);
	for (uint32_t n = 0; n < c->listener_count; n++) {
		r = gateways_listener(all, c->listeners[n], f);
		if (r < 0)
			return r;
		g->listener_fds[n] = r;
	}
	r = make_files(g);
	if (r < 0)
		return fault_errno(f, r, "cannot make the counters of a gateway");
	g->daemon.name = g->name;
	g->daemon.self = g;
	return daemon_start(&g->daemon, &program, all->options.host, f);
}

int gateways_doorbell_fd(const struct gateways *g)
{
	return g->doorbell_fd;
}

static void on_doorbell(struct watch *w, uint32_t events)
{
	struct gateways *all = container_of(w, struct gateways, doorbell);
	uint64_t rings;

	if (read(w->fd, &rings, sizeof(rings)) > 0)
		fleet_doorbell(all->fleet);
}

static void on_deadline(struct timer *t)
{
	struct gateways *all = container_of(t, struct gateways, deadline);

	log_warn("event=drain_over cause=\"requests still open after drain_ms are cut\"");
	gateways_cut(all);
}

void gateways_cut(struct gateways *g)
{
	must(g->stopping);
	loop_timer_off(g->options.host->loop, &g->deadline);
	for (uint32_t n = 0; n < g->count; n++)
		daemon_kill(&g->gateway[n].daemon);
	g->options.on_stopped(g->options.self);
}

int gateways_new(const struct gateways_options *options, struct gateways **out, struct fault *f)
{
	uint32_t count = (uint32_t)options->host->config->gateways;
	struct gateways *all = calloc(1, sizeof(*all) + count * sizeof(struct gateway));
	int r;

	if (!all)
		return -ENOMEM;
	all->options = *options;
	all->count = count;
	all->deadline.on_due = on_deadline;
	all->deadline.name = "gateways on_deadline";
	for (uint32_t n = 0; n < count; n++) {
		all->gateway[n].stats_fd = -1;
		all->gateway[n].access_fds[0] = all->gateway[n].access_fds[1] = -1;
		for (uint32_t k = 0; k < LISTENERS_MAX; k++)
			all->gateway[n].listener_fds[k] = all->gateway[n].next_fds[k] = -1;
	}
	all->doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	all->doorbell = (struct watch){
		.fd = all->doorbell_fd, .on_ready = on_doorbell, .name = "gateways on_doorbell"};
	r = all->doorbell_fd < 0 ? -errno
				 : loop_watch(options->host->loop, &all->doorbell, EPOLLIN);
	if (r == 0)
		r = blame_new(&all->blame);
	for (uint32_t n = 0; r == 0 && n < count; n++)
		r = start_one(all, n, f);
	if (r < 0) {
		gateways_free(all);
		return r;
	}
	*out = all;
	return 0;
}

void gateways_attach(struct gateways *g, struct fleet *fleet)
{
	g->fleet = fleet;
}

void gateways_free(struct gateways *g)
{
	if (!g)
		return;
	for (uint32_t n = 0; n < g->count; n++) {
		daemon_kill(&g->gateway[n].daemon);
		for (uint32_t k = 0; k < LISTENERS_MAX; k++)
			fd_close(&g->gateway[n].listener_fds[k]);
		fd_close(&g->gateway[n].stats_fd);
		fd_close(&g->gateway[n].access_fds[0]);
		fd_close(&g->gateway[n].access_fds[1]);
	}
	loop_timer_off(g->options.host->loop, &g->deadline);
	loop_unwatch(g->options.host->loop, &g->doorbell);
	fd_close(&g->doorbell_fd);
	blame_free(g->blame);
	free(g);
}

void gateways_stop(struct gateways *g)
{
	must(!g->stopping);
	g->stopping = true;
	(void)loop_timer_at(g->options.host->loop, &g->deadline,
			    clock_mono_ns() + g->options.host->config->drain_ms * NS_PER_MS);
	for (uint32_t n = 0; n < g->count; n++) {
		daemon_send(&g->gateway[n].daemon, WIRE_GATEWAY_DRAIN, NULL, 0, NULL, 0);
		g->gateway[n].daemon.stopping = true;
		for (uint32_t k = 0; k < LISTENERS_MAX; k++)
			fd_close(&g->gateway[n].listener_fds[k]);
	}
	tell_if_stopped(g);
}

uint32_t gateways_count(const struct gateways *g)
{
	return g->count;
}

void gateways_files(const struct gateways *g, uint32_t index, int fds[2])
{
	must(index < g->count);
	fds[0] = g->gateway[index].stats_fd;
	fds[1] = g->gateway[index].access_fds[0];
}

void gateways_route(struct gateways *g, const struct service *service)
{
	blame_forget(g->blame, service->index);
	for (uint32_t n = 0; n < g->count; n++)
		gateway_send_route(&g->gateway[n], service);
}

void gateways_settled(struct gateways *g)
{
	g->settled = true;
	gateways_send_all(g, WIRE_ROUTES_KNOWN, NULL, 0);
}

void gateways_unroute(struct gateways *g, uint32_t index)
{
	gateways_send_all(g, WIRE_ROUTE_DEL, &(struct wire_route_del){.index = index},
			  sizeof(struct wire_route_del));
}

/* ---- news of instances ---- */

static void on_up(void *self, struct instance *i)
{
	struct gateways *g = self;

	for (uint32_t n = 0; n < g->count; n++)
		gateway_send_up(&g->gateway[n], i, false);
}

static void on_drain(void *self, struct instance *i, bool all)
{
	struct wire_instance_down down;
	struct wire_instance_drain record;

	instance_down_record(i, &down); /* it knows the slot */
	record = (struct wire_instance_drain){
		.slot = down.slot, .generation = down.generation, .all = all};
	gateways_send_all(self, WIRE_INSTANCE_DRAIN, &record, sizeof(record));
}

static bool died_by_itself(uint32_t cause)
{
	return cause == WIRE_DOWN_EXITED || cause == WIRE_DOWN_SIGNALED || cause == WIRE_DOWN_OOM ||
	       cause == WIRE_DOWN_SECCOMP;
}

/* The gateways that will name the requests in flight there. */
static uint64_t connected(const struct gateways *g)
{
	uint64_t bits = 0;

	for (uint32_t n = 0; n < g->count; n++)
		if (daemon_talks(&g->gateway[n].daemon))
			bits |= UINT64_C(1) << n;
	return bits;
}

static void on_down(void *self, struct instance *i)
{
	struct gateways *g = self;
	struct wire_instance_down record;
	struct wire_instance_up up;

	if (!instance_was_ready(i))
		return; /* they never heard of it */
	instance_down_record(i, &record);
	instance_up_record(i, &up); /* it knows the service */
	if (died_by_itself(record.cause))
		blame_died(g->blame, up.service, up.slot, up.generation, connected(g),
			   loop_now_ns(g->options.host->loop));
	gateways_send_all(g, WIRE_INSTANCE_DOWN, &record, sizeof(record));
}

static void on_start_failed(void *self, const struct wire_start_failed *record)
{
	gateways_send_all(self, WIRE_START_FAILED, record, sizeof(*record));
}

struct observer gateways_observer(struct gateways *g)
{
	return (struct observer){.self = g,
				 .up = on_up,
				 .drain = on_drain,
				 .down = on_down,
				 .start_failed = on_start_failed};
}

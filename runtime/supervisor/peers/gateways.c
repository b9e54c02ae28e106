// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/gateways.h"

#include <errno.h>
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

/* ---- starting one ---- */

static void send_up_if_up(void *ctx, struct instance *i)
{
	gateway_send_bindings(ctx, i);
	if (instance_is_up(i))
		gateway_send_up(ctx, i, true);
}

/* Without the sites that an earlier ebbd knew, a request would go where no rule was asked. */
static bool routes_known(const struct gateways *g)
{
	return g->settled &&
	       (g->sites_known || atomic_load(&estate_words(g->options.host->estate)->sites) == 0);
}

static void send_known(struct gateway *g)
{
	const struct sites *sites = &g->all->sites;

	for (uint32_t n = 0; n < SITES_MAX; n++)
		if (sites->list[n].used)
			gateway_send_site(g, &sites->list[n]);
	if (routes_known(g->all))
		daemon_send(&g->daemon, WIRE_ROUTES_KNOWN, NULL, 0, NULL, 0);
}

static void send_routes(struct gateway *g)
{
	for (uint32_t index = 0; index < SERVICES_MAX; index++) {
		const struct service *service = services_at(g->all->options.services, index);

		if (service)
			gateway_send_route(g, service);
	}
}

static void on_started(struct daemon *d)
{
	struct gateway *g = d->self;

	daemon_phase(d, PHASE_STARTING);
	gateway_send_config(g);
	gateway_send_deliveries(g);
	send_routes(g);
	send_known(g);
	if (g->all->fleet)
		fleet_each(g->all->fleet, send_up_if_up, g);
}

static void send_if_draining(void *ctx, struct instance *i)
{
	if (!instance_is_up(i) && instance_was_ready(i))
		gateway_send_drain(ctx, i);
}

static void resume(struct gateway *g)
{
	gateway_send_bracket(g, true);
	/* The ebbd before may have died between a change of its settings and this word. */
	gateway_send_change(g, true);
	gateway_send_deliveries(g);
	send_routes(g);
	send_known(g);
	fleet_each(g->all->fleet, send_up_if_up, g);
	fleet_each(g->all->fleet, send_if_draining, g);
	gateway_send_bracket(g, false);
}

void gateways_resume(struct gateways *all)
{
	for (uint32_t n = 0; n < all->seats; n++) {
		struct gateway *g = &all->gateway[n];

		if (g->adopted)
			resume(g);
		else /* it was started before there were instances */
			fleet_each(all->fleet, send_up_if_up, g);
		/* Also one that the ebbd before had replaced and not told. */
		if (daemon_runs(&g->daemon) && g != gateways_serving(all, g->lane))
			gateways_retire_again(g);
		g->adopted = false;
	}
	gateways_tell_ready(all);
}

static void touched(void *ctx, uint32_t slot)
{
	fleet_touch(ctx, slot);
}

static void tell_if_stopped(struct gateways *all)
{
	for (uint32_t n = 0; n < all->seats; n++)
		if (daemon_runs(&all->gateway[n].daemon))
			return;
	loop_timer_off(all->options.host->loop, &all->deadline);
	all->options.on_stopped(all->options.self);
}

static void on_ended(struct daemon *d)
{
	struct gateway *g = d->self;
	struct gateways *all = g->all;

	/* A host without a gateway is worse than a busy one: the only one is restarted soon. */
	if (gateways_ready(all) == 0)
		d->failures = 0;
	loop_timer_off(all->options.host->loop, &g->deadline);
	if (all->fleet)
		fleet_gateway_gone(all->fleet, g->index);
	blame_gateway_gone(all->blame, g->index);
	board_return_tickets(all->options.board, g->index, touched, all->fleet);
	if (all->stopping)
		tell_if_stopped(all);
	else if (all->told_ready)
		(void)loop_timer_at(all->options.host->loop, &all->renewal, clock_mono_ns());
}

/* Of a lane whose seats were both taken at the last upgrade. */
static void on_free_seat(struct timer *t)
{
	gateways_renew(container_of(t, struct gateways, renewal));
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
	for (uint32_t n = 0; n < g->seats; n++)
		daemon_kill(&g->gateway[n].daemon);
	g->options.on_stopped(g->options.self);
}

static void init_seat(struct gateways *all, uint32_t seat)
{
	struct gateway *g = &all->gateway[seat];

	g->all = all;
	g->index = seat;
	g->lane = seat % all->lanes;
	(void)text_format(g->name, sizeof(g->name), "ebb-gateway-%u", seat);
	g->daemon.name = g->name;
	g->daemon.self = g;
	g->stats_fd = g->access_fds[0] = g->access_fds[1] = -1;
	for (uint32_t k = 0; k < LISTENERS_MAX; k++)
		g->listener_fds[k] = g->next_fds[k] = -1;
}

int gateways_new(const struct gateways_options *options, struct gateways **out, struct fault *f)
{
	uint32_t lanes = (uint32_t)options->host->config->gateways, seats = gateways_seats(lanes);
	struct gateways *all = calloc(1, sizeof(*all) + seats * sizeof(struct gateway));
	int r;

	if (!all)
		return -ENOMEM;
	all->options = *options;
	all->program = (struct program){.file = "ebb-gateway",
					.uid = UID_GATEWAY,
					.rules = gateway_rules,
					.rule_count = gateway_rule_count,
					.on_started = on_started,
					.on_ended = on_ended};
	all->lanes = lanes;
	all->seats = seats;
	all->deadline.on_due = on_deadline;
	all->deadline.name = "gateways on_deadline";
	all->renewal = (struct timer){.on_due = on_free_seat, .name = "gateways on_free_seat"};
	for (uint32_t n = 0; n < seats; n++)
		init_seat(all, n);
	all->settled = atomic_load(&estate_words(options->host->estate)->settled);
	all->doorbell_fd = estate_file(options->host->estate, "doorbell");
	if (all->doorbell_fd < 0)
		all->doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	all->doorbell = (struct watch){
		.fd = all->doorbell_fd, .on_ready = on_doorbell, .name = "gateways on_doorbell"};
	r = all->doorbell_fd < 0 ? -errno
				 : loop_watch(options->host->loop, &all->doorbell, EPOLLIN);
	if (r == 0)
		r = estate_keep_file(options->host->estate, "doorbell", all->doorbell_fd);
	if (r == 0)
		r = blame_new(&all->blame);
	for (uint32_t n = 0; r == 0 && n < lanes; n++)
		r = gateways_open_lane(all, n, f);
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
	for (uint32_t n = 0; n < g->seats; n++) {
		loop_timer_off(g->options.host->loop, &g->gateway[n].deadline);
		daemon_kill(&g->gateway[n].daemon);
		gateways_close_listeners(&g->gateway[n]);
		fd_close(&g->gateway[n].stats_fd);
		fd_close(&g->gateway[n].access_fds[0]);
		fd_close(&g->gateway[n].access_fds[1]);
	}
	loop_timer_off(g->options.host->loop, &g->deadline);
	loop_timer_off(g->options.host->loop, &g->renewal);
	loop_unwatch(g->options.host->loop, &g->doorbell);
	fd_close(&g->doorbell_fd);
	sites_fini(&g->sites);
	blame_free(g->blame);
	free(g);
}

void gateways_stop(struct gateways *g)
{
	must(!g->stopping);
	g->stopping = true;
	(void)loop_timer_at(g->options.host->loop, &g->deadline,
			    clock_mono_ns() + g->options.host->config->drain_ms * NS_PER_MS);
	for (uint32_t n = 0; n < g->seats; n++) {
		daemon_send(&g->gateway[n].daemon, WIRE_GATEWAY_DRAIN, NULL, 0, NULL, 0);
		g->gateway[n].daemon.stopping = true;
		gateways_close_listeners(&g->gateway[n]);
	}
	tell_if_stopped(g);
}

uint32_t gateways_count(const struct gateways *g)
{
	return g->seats;
}

bool gateways_files(const struct gateways *g, uint32_t index, int fds[2])
{
	must(index < g->seats);
	fds[0] = g->gateway[index].stats_fd;
	fds[1] = g->gateway[index].access_fds[0];
	return fds[0] >= 0 && fds[1] >= 0;
}

void gateways_route(struct gateways *g, const struct service *service)
{
	blame_forget(g->blame, service->index);
	for (uint32_t n = 0; n < g->seats; n++)
		gateway_send_route(&g->gateway[n], service);
}

void gateways_route_variants(struct gateways *g, const struct service *service)
{
	for (uint32_t i = 0; i < SERVICES_MAX; i++) {
		const struct service *v = services_at(g->options.services, i);

		if (v && v->variant && strcmp(v->name, service->name) == 0)
			gateways_route(g, v);
	}
}

/* ---- sites ---- */

static void count_sites(struct gateways *g)
{
	if (g->sites_known)
		atomic_store(&estate_words(g->options.host->estate)->sites, g->sites.count);
}

int gateways_site(struct gateways *g, const struct wire_site *record, int *fd)
{
	int r = sites_put(&g->sites, record, fd);

	for (uint32_t i = 0; r == 0 && i < SITES_MAX; i++) {
		const struct site *s = &g->sites.list[i];

		if (!s->used || strcmp(s->record.name, record->name) != 0)
			continue;
		for (uint32_t n = 0; n < g->seats; n++)
			gateway_send_site(&g->gateway[n], s);
	}
	count_sites(g);
	return r;
}

int gateways_unsite(struct gateways *g, const char *name)
{
	struct wire_site_del gone = {0};
	int r;

	must(text_copy(gone.name, sizeof(gone.name), name) == 0);
	r = sites_del(&g->sites, name);
	if (r == 0)
		gateways_send_all(g, WIRE_SITE_DEL, &gone, sizeof(gone));
	count_sites(g);
	return r;
}

void gateways_sites_again(struct gateways *g)
{
	sites_unsay(&g->sites);
}

/* Sites that were removed while nobody heard it. */
static void settle_sites(struct gateways *g)
{
	const struct site *s;

	while ((s = sites_unsaid(&g->sites)))
		(void)gateways_unsite(g, s->record.name);
	g->sites_known = true;
	count_sites(g);
	gateways_send_all(g, WIRE_SITES_KNOWN, NULL, 0);
}

void gateways_settled(struct gateways *g)
{
	settle_sites(g);
	g->settled = true;
	atomic_store(&estate_words(g->options.host->estate)->settled, 1);
	gateways_send_all(g, WIRE_ROUTES_KNOWN, NULL, 0);
}

void gateways_unroute(struct gateways *g, uint32_t index)
{
	gateways_send_all(g, WIRE_ROUTE_DEL, &(struct wire_route_del){.index = index},
			  sizeof(struct wire_route_del));
}

/* ---- news of instances ---- */

static void on_born(void *self, struct instance *i)
{
	struct gateways *g = self;

	for (uint32_t n = 0; n < g->seats; n++)
		gateway_send_bindings(&g->gateway[n], i);
}

static void on_up(void *self, struct instance *i)
{
	struct gateways *g = self;

	for (uint32_t n = 0; n < g->seats; n++)
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

	for (uint32_t n = 0; n < g->seats; n++)
		if (daemon_talks(&g->gateway[n].daemon))
			bits |= UINT64_C(1) << n;
	return bits;
}

static void on_down(void *self, struct instance *i)
{
	struct gateways *g = self;
	struct wire_instance_down record;
	struct wire_instance_up up;

	gateways_bindings_gone(g, i);
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
				 .born = on_born,
				 .up = on_up,
				 .drain = on_drain,
				 .down = on_down,
				 .start_failed = on_start_failed};
}

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
#include "runtime/supervisor/decide/blame.h"
#include "runtime/supervisor/programs/daemon.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/programs/ring.h"
#include "runtime/wire/stats.h"

#define ACCESS_PIPE_BYTES (1 << 20)
#define INIT_SLACK_MS     2000
#define SOCKETS_FIRST     4 /* a gateway's stock when an instance comes up */

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

struct gateway {
	struct gateways *all;
	uint32_t index;
	char name[32];
	struct daemon daemon;
	int listener_fds[LISTENERS_MAX]; /* kept: a new one inherits what waits in the backlog */
	int stats_fd;                    /* its counters: they outlive it */
	int access_fds[2];               /* its access log: a pipe whose reader is ebb-api */
	struct io_uring_params ring;
};

struct gateways {
	struct gateways_options options;
	struct fleet *fleet;
	struct blame *blame;
	int doorbell_fd;
	struct watch doorbell;
	struct timer deadline;
	uint32_t count, ready;
	bool stopping, told_ready, settled;
	char binary[CONFIG_PATH_SIZE + 32];
	struct gateway gateway[];
};

static void send_all(struct gateways *g, uint32_t type, const void *record, size_t size)
{
	for (uint32_t n = 0; n < g->count; n++)
		peer_send(&g->gateway[n].daemon.peer, type, record, size, NULL, 0);
}

/* ---- what a gateway may say ---- */

static int on_gateway_ready(void *self, struct wire_message *m)
{
	struct gateway *g = self;

	g->daemon.peer.phase = PHASE_SERVING;
	g->all->ready++;
	if (g->all->ready == g->all->count && !g->all->told_ready) {
		g->all->told_ready = true;
		g->all->options.on_ready(g->all->options.self);
	}
	return 0;
}

static int on_need_instance(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_need_instance *need = (const void *)m->record;
	const uint32_t refused[REFUSED_KINDS] = {[REFUSED_FULL] = need->refused_full,
						 [REFUSED_LATE] = need->refused_late,
						 [REFUSED_NACKED] = need->refused_nacked};

	fleet_need(g->all->fleet, need->service, g->index, need->queued, need->ups);
	fleet_refused(g->all->fleet, need->service, refused);
	return 0;
}

static int on_need_sockets(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_need_sockets *need = (const void *)m->record;
	struct wire_sockets sockets = {.slot = need->slot, .generation = need->generation};
	struct instance *i;
	int fds[WIRE_FDS_MAX], r;

	if (need->count == 0 || need->count > WIRE_FDS_MAX)
		return -EPROTO;
	r = fleet_sockets(g->all->fleet, need->slot, need->generation, need->count, fds, &i);
	must(r != -ENOTRECOVERABLE);
	if (r < 0)
		return 0; /* it is gone, and its INSTANCE_DOWN is on its way */
	sockets.count = need->count;
	peer_send(&g->daemon.peer, WIRE_SOCKETS, &sockets, sizeof(sockets), fds, sockets.count);
	for (uint32_t n = 0; n < sockets.count; n++)
		fd_close(&fds[n]);
	return 0;
}

static int on_queue_get(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_queue_get *get = (const void *)m->record;
	struct wire_queue queue = {.slot = get->slot, .generation = get->generation};
	struct wire_pool_drop drop = {.slot = get->slot, .generation = get->generation};

	if (fleet_queue(g->all->fleet, get->slot, get->generation, get->waited_ms, &queue,
			&drop.for_ms) < 0)
		return 0; /* it is gone, and its INSTANCE_DOWN is on its way */
	if (drop.for_ms > 0)
		send_all(g->all, WIRE_POOL_DROP, &drop, sizeof(drop));
	peer_send(&g->daemon.peer, WIRE_QUEUE, &queue, sizeof(queue), NULL, 0);
	return 0;
}

static int on_suspect(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_instance_suspect *s = (const void *)m->record;

	fleet_suspect(g->all->fleet, s->slot, s->generation, s->error);
	return 0;
}

static bool blame_holds(const struct wire_blame *blame)
{
	if (blame->service >= SERVICES_MAX || blame->count > BLAME_KINDS_MAX)
		return false;
	for (uint32_t n = 0; n < blame->count; n++)
		if (!text_terminated(blame->labels[n], BLAME_LABEL_SIZE))
			return false;
	return true;
}

/* What a gateway wrote there goes into an event: nothing but plain characters. */
static const char *plain(char label[BLAME_LABEL_SIZE])
{
	for (char *at = label; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return *label ? label : "(a request)";
}

static void ban(struct gateways *all, uint32_t service, struct blame_verdict *v)
{
	struct wire_ban record = {.kind = v->kind, .until_ns = v->until_ns, .service = service};

	if (v->until_ns > 0) {
		uint64_t left_s = (v->until_ns - loop_now_ns(all->options.loop)) / NS_PER_SEC;

		(void)text_format(record.text, sizeof(record.text),
				  "%s is refused for %llu s: the last %u instances it was in "
				  "flight on ended by themselves",
				  plain(v->label), (unsigned long long)left_s, v->deaths);
		fleet_say(all->fleet, service, WIRE_EVENT_REQUEST_BANNED, record.text);
	}
	send_all(all, WIRE_BAN, &record, sizeof(record));
}

static int on_blame(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	struct gateways *all = g->all;
	const struct wire_blame *blame = (const void *)m->record;
	struct blame_verdict verdicts[BLAME_KINDS_MAX];
	uint32_t count;

	if (!blame_holds(blame))
		return -EPROTO;
	count = blame_report(all->blame, blame, g->index, loop_now_ns(all->options.loop), verdicts);
	for (uint32_t n = 0; n < count; n++)
		ban(all, blame->service, &verdicts[n]);
	return 0;
}

static int on_cleared(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_cleared *record = (const void *)m->record;

	blame_clear(g->all->blame, record->service, record->kind);
	return 0;
}

static int on_choice(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_choice *choice = (const void *)m->record;

	return fleet_chosen(g->all->fleet, choice);
}

static const struct wire_rule rules[] = {
	{WIRE_GATEWAY_READY, 0, PHASE_STARTING, 0, 0, on_gateway_ready},
	{WIRE_NEED_INSTANCE, sizeof(struct wire_need_instance), PHASE_SERVING, 0, 0,
	 on_need_instance},
	{WIRE_NEED_SOCKETS, sizeof(struct wire_need_sockets), PHASE_SERVING, 0, 0, on_need_sockets},
	{WIRE_QUEUE_GET, sizeof(struct wire_queue_get), PHASE_SERVING, 0, 0, on_queue_get},
	{WIRE_INSTANCE_SUSPECT, sizeof(struct wire_instance_suspect), PHASE_SERVING, 0, 0,
	 on_suspect},
	{WIRE_BLAME, sizeof(struct wire_blame), PHASE_SERVING, 0, 0, on_blame},
	{WIRE_CLEARED, sizeof(struct wire_cleared), PHASE_SERVING, 0, 0, on_cleared},
	{WIRE_CHOICE, sizeof(struct wire_choice), PHASE_SERVING, 0, 0, on_choice},
};

/* ---- starting one ---- */

static int make_ring(struct daemon *d, int *extra_fd)
{
	struct gateway *g = d->self;

	return gateway_ring(&g->ring, extra_fd);
}

static void send_config(struct gateway *g)
{
	const struct gateways_options *o = &g->all->options;
	const struct config *c = o->config;
	struct wire_gateway_config config = {
		.index = g->index,
		.gateway_count = g->all->count,
		.listener_count = c->listener_count,
		.head_bytes_max = (uint32_t)c->head_bytes_max,
		.connections_max = (uint32_t)c->connections_max,
		.queue_max = (uint32_t)c->queue_max,
		.queue_age_ms_max = (uint32_t)c->queue_age_ms,
		.head_timeout_ms = (uint32_t)c->head_timeout_ms,
		.h2c_streams = (uint32_t)c->h2c_streams,
		.idle_timeout_ms = (uint32_t)c->idle_timeout_ms,
		.access_every = (uint32_t)c->access_log,
		.head_fields_max = (uint32_t)c->head_fields_max,
		.target_bytes_max = (uint32_t)c->target_bytes_max,
		.address_connections_max = (uint32_t)c->address_connections_max,
		.connection_requests_max = (uint32_t)c->connection_requests_max,
		.body_bytes_max = c->body_bytes_max,
		.body_rate_min = (uint32_t)c->body_rate_min,
		.body_window_ms = (uint32_t)c->body_window_ms,
		.proxy_listeners = c->proxy_listeners,
		.trusted_count = c->trusted_count,
	};
	int fds[GATEWAY_CONFIG_FDS + LISTENERS_MAX] = {o->board_fd, g->all->doorbell_fd,
						       g->stats_fd, g->access_fds[1]};

	_Static_assert(sizeof(g->ring) <= sizeof(config.ring_params), "ring params fit");
	memcpy(config.trusted, c->trusted, sizeof(config.trusted));
	memcpy(config.ring_params, &g->ring, sizeof(g->ring));
	(void)text_copy(config.domain, sizeof(config.domain), c->domain);
	memcpy(fds + GATEWAY_CONFIG_FDS, g->listener_fds, c->listener_count * sizeof(int));
	peer_send(&g->daemon.peer, WIRE_GATEWAY_CONFIG, &config, sizeof(config), fds,
		  GATEWAY_CONFIG_FDS + c->listener_count);
}

static void send_route(struct gateway *g, const struct service *service)
{
	const struct wire_service_put *put = &service->spec->put;
	struct wire_route_put route = {
		.index = service->index,
		.revision = put->revision,
		.concurrency_max = put->concurrency_max,
		.max_duration_ms = put->max_duration_ms,
		/* A little longer than ours, so that the cause of a failed start is what is
		   answered. */
		.init_timeout_ms = put->init_timeout_ms + INIT_SLACK_MS,
		.host_count = put->host_count,
		.hibernate_ms = put->hibernate_ms,
		.ups = service->ups,
	};

	memcpy(route.name, put->name, sizeof(route.name));
	if (service->variant) {
		const struct service *parent =
			services_find(g->all->options.services, put->name, 0);

		route.parent = parent ? parent->index + 1 : 0;
		route.share_permille = service->share_permille;
		route.host_count = 0;
		if (!parent)
			return;
	} else {
		memcpy(route.hosts, put->hosts, sizeof(route.hosts));
		memcpy(route.prefix, put->prefix, sizeof(route.prefix));
	}
	peer_send(&g->daemon.peer, WIRE_ROUTE_PUT, &route, sizeof(route), NULL, 0);
}

static void send_up(struct gateway *g, struct instance *i)
{
	struct wire_instance_up up;
	const struct service *service;
	struct instance *same;
	int fds[1 + SOCKETS_FIRST];

	instance_up_record(i, &up);
	service = services_at(g->all->options.services, up.service);
	up.ups = service ? service->ups : 0;
	fds[0] = instance_freeze_fd(i);
	if (fleet_sockets(g->all->fleet, up.slot, up.generation, SOCKETS_FIRST, fds + 1, &same) ==
	    0)
		up.socket_count = SOCKETS_FIRST;
	peer_send(&g->daemon.peer, WIRE_INSTANCE_UP, &up, sizeof(up), fds, 1 + up.socket_count);
	for (uint32_t n = 0; n < up.socket_count; n++)
		fd_close(&fds[1 + n]);
}

static void send_up_if_up(void *ctx, struct instance *i)
{
	if (instance_is_up(i))
		send_up(ctx, i);
}

static void on_started(struct daemon *d)
{
	struct gateway *g = d->self;

	d->peer.phase = PHASE_STARTING;
	send_config(g);
	for (uint32_t index = 0; index < SERVICES_MAX; index++) {
		const struct service *service = services_at(g->all->options.services, index);

		if (service)
			send_route(g, service);
	}
	if (g->all->settled)
		peer_send(&d->peer, WIRE_ROUTES_KNOWN, NULL, 0, NULL, 0);
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
	loop_timer_off(all->options.loop, &all->deadline);
	all->options.on_stopped(all->options.self);
}

static void on_ended(struct daemon *d)
{
	struct gateway *g = d->self;
	struct gateways *all = g->all;

	if (d->peer.phase == PHASE_SERVING && all->ready > 0)
		all->ready--;
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

static int start_one(struct gateways *all, uint32_t index, char *err, size_t err_size)
{
	struct gateway *g = &all->gateway[index];
	const struct config *c = all->options.config;
	int r;

	g->all = all;
	g->index = index;
	snprintf(g->name, sizeof(g->name), "ebb-gateway-%u", index);
	for (uint32_t n = 0; n < c->listener_count; n++) {
		r = listener_tcp(c->listeners[n], all->options.listener_owner, err, err_size);
		if (r < 0)
			return r;
		g->listener_fds[n] = r;
	}
	r = make_files(g);
	if (r < 0) {
		(void)text_format(err, err_size, "cannot make the counters of a gateway: %s",
				  strerror(-r));
		return r;
	}
	g->daemon = (struct daemon){
		.loop = all->options.loop,
		.launch = {.name = g->name,
			   .binary = all->binary,
			   .stage_dir = all->options.stage_dir,
			   .uid = all->options.uid,
			   .log_level = c->log_level},
		.peer = {.name = g->name,
			 .rules = rules,
			 .rule_count = ARRAY_LEN(rules),
			 .self = g},
		.prepare = make_ring,
		.on_started = on_started,
		.on_ended = on_ended,
		.self = g,
	};
	r = daemon_start(&g->daemon);
	if (r < 0)
		(void)text_format(err, err_size, "cannot start %s: %s", all->binary, strerror(-r));
	return r;
}

int gateways_doorbell_fd(const struct gateways *g)
{
	return g->doorbell_fd;
}

static void on_doorbell(struct watch *w, uint32_t events)
{
	struct gateways *all = (struct gateways *)((char *)w - offsetof(struct gateways, doorbell));
	uint64_t rings;

	if (read(w->fd, &rings, sizeof(rings)) > 0)
		fleet_doorbell(all->fleet);
}

static void on_deadline(struct timer *t)
{
	struct gateways *all = (struct gateways *)((char *)t - offsetof(struct gateways, deadline));

	log_warn("event=drain_over cause=\"requests still open after drain_ms are cut\"");
	for (uint32_t n = 0; n < all->count; n++)
		daemon_kill(&all->gateway[n].daemon);
	all->options.on_stopped(all->options.self);
}

int gateways_new(const struct gateways_options *options, struct gateways **out, char *err,
		 size_t err_size)
{
	uint32_t count = (uint32_t)options->config->gateways;
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
			all->gateway[n].listener_fds[k] = -1;
	}
	(void)text_format(all->binary, sizeof(all->binary), "%s/ebb-gateway",
			  options->config->libexec_dir);
	all->doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	all->doorbell = (struct watch){
		.fd = all->doorbell_fd, .on_ready = on_doorbell, .name = "gateways on_doorbell"};
	r = all->doorbell_fd < 0 ? -errno : loop_watch(options->loop, &all->doorbell, EPOLLIN);
	if (r == 0)
		r = blame_new(&all->blame);
	for (uint32_t n = 0; r == 0 && n < count; n++)
		r = start_one(all, n, err, err_size);
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
	loop_timer_off(g->options.loop, &g->deadline);
	loop_unwatch(g->options.loop, &g->doorbell);
	fd_close(&g->doorbell_fd);
	blame_free(g->blame);
	free(g);
}

void gateways_stop(struct gateways *g)
{
	g->stopping = true;
	(void)loop_timer_at(g->options.loop, &g->deadline,
			    clock_mono_ns() + g->options.config->drain_ms * NS_PER_MS);
	for (uint32_t n = 0; n < g->count; n++) {
		peer_send(&g->gateway[n].daemon.peer, WIRE_GATEWAY_DRAIN, NULL, 0, NULL, 0);
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
	fds[0] = g->gateway[index].stats_fd;
	fds[1] = g->gateway[index].access_fds[0];
}

/* ---- telling all of them ---- */

void gateways_route(struct gateways *g, const struct service *service)
{
	blame_forget(g->blame, service->index);
	for (uint32_t n = 0; n < g->count; n++)
		send_route(&g->gateway[n], service);
}

void gateways_settled(struct gateways *g)
{
	g->settled = true;
	send_all(g, WIRE_ROUTES_KNOWN, NULL, 0);
}

void gateways_unroute(struct gateways *g, uint32_t index)
{
	send_all(g, WIRE_ROUTE_DEL, &(struct wire_route_del){.index = index},
		 sizeof(struct wire_route_del));
}

void gateways_up(struct gateways *g, struct instance *i)
{
	for (uint32_t n = 0; n < g->count; n++)
		send_up(&g->gateway[n], i);
}

void gateways_drain(struct gateways *g, struct instance *i, bool all)
{
	struct wire_instance_down down;
	struct wire_instance_drain record;

	instance_down_record(i, &down); /* it knows the slot */
	record = (struct wire_instance_drain){
		.slot = down.slot, .generation = down.generation, .all = all};
	send_all(g, WIRE_INSTANCE_DRAIN, &record, sizeof(record));
}

static bool died_by_itself(uint32_t cause)
{
	return cause == WIRE_DOWN_EXITED || cause == WIRE_DOWN_SIGNALED || cause == WIRE_DOWN_OOM ||
	       cause == WIRE_DOWN_SECCOMP;
}

/* Who will tell what was in flight there. */
static uint64_t connected(const struct gateways *g)
{
	uint64_t bits = 0;

	for (uint32_t n = 0; n < g->count; n++)
		if (peer_is_open(&g->gateway[n].daemon.peer))
			bits |= UINT64_C(1) << n;
	return bits;
}

void gateways_down(struct gateways *g, struct instance *i)
{
	struct wire_instance_down record;
	struct wire_instance_up up;

	instance_down_record(i, &record);
	instance_up_record(i, &up); /* it knows the service */
	if (died_by_itself(record.cause))
		blame_died(g->blame, up.service, up.slot, up.generation, connected(g),
			   loop_now_ns(g->options.loop));
	send_all(g, WIRE_INSTANCE_DOWN, &record, sizeof(record));
}

void gateways_start_failed(struct gateways *g, const struct wire_start_failed *record)
{
	send_all(g, WIRE_START_FAILED, record, sizeof(*record));
}

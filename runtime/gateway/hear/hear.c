// SPDX-License-Identifier: Apache-2.0
/* The channel from ebbd: one table of its records. The records to ebbd are in tell/. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/gateway/client/bindings.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/listeners.h"
#include "runtime/gateway/exchange/blame.h"
#include "runtime/gateway/exchange/choice_tell.h"
#include "runtime/gateway/exchange/run.h"
#include "runtime/gateway/exchange/queue.h"
#include "runtime/gateway/exchange/tunnel.h"
#include "runtime/gateway/hear/hear.h"
#include "runtime/gateway/hear/resume.h"
#include "runtime/gateway/upstream/room.h"

/* Takes the settings that can change. Settings that size tables, or that made the ring, stay as
 * they were at the start. */
static void take_limits(struct wire_gateway_config *to, const struct wire_gateway_config *from)
{
	to->queue_max = from->queue_max;
	to->queue_age_ms_max = from->queue_age_ms_max;
	to->head_timeout_ms = from->head_timeout_ms;
	to->idle_timeout_ms = from->idle_timeout_ms;
	to->head_fields_max = from->head_fields_max;
	to->target_bytes_max = from->target_bytes_max;
	to->address_connections_max = from->address_connections_max;
	to->connection_requests_max = from->connection_requests_max;
	to->body_bytes_max = from->body_bytes_max;
	to->body_rate_min = from->body_rate_min;
	to->body_window_ms = from->body_window_ms;
	to->trusted_count = from->trusted_count;
	memcpy(to->trusted, from->trusted, sizeof(to->trusted));
}

/* New settings count for requests and connections that come from now on, and for timers that are
 * set from now on. */
static int on_change(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_gateway_config *c = (const void *)m->record;

	if (c->listener_count > LISTENERS_MAX || c->trusted_count > TRUSTED_MAX ||
	    (m->fd_count > 0 && m->fd_count != c->listener_count) ||
	    !text_terminated(c->domain, sizeof(c->domain)))
		return -EPROTO;
	take_limits(&g->config, c);
	g->account.access_every = c->access_every;
	must(text_copy(g->routes.domain, sizeof(g->routes.domain), c->domain) == 0);
	if (m->fd_count > 0 && !g->draining) {
		listeners_change(g, m->fds, m->fd_count, c->proxy_listeners);
		listeners_arm(g);
	}
	return 0;
}

static int on_route_put(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_route_put *record = (const void *)m->record;
	int r = routes_put(&g->routes, record);

	if (r < 0)
		return r;
	g->routes.services[record->index].said = true;
	if (g->sites.count > 0)
		sites_link(&g->sites, &g->routes);
	if (!g->resuming)
		blame_forget(g, record->index);
	stats_name(&g->account.stats->services[record->index], record->name);
	exchange_serve_queue(g, record->index);
	return 0;
}

static int on_route_del(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_route_del *record = (const void *)m->record;

	return resume_route_gone(g, record->index);
}

static int on_site_put(void *self, struct wire_message *m)
{
	struct gateway *g = self;

	return sites_put(&g->sites, &g->routes, (const void *)m->record, m->fds[0]);
}

static int on_site_del(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_site_del *record = (const void *)m->record;

	if (!text_terminated(record->name, sizeof(record->name)))
		return -EINVAL;
	/* One that took over may not know it yet. */
	(void)sites_del(&g->sites, &g->routes, record->name);
	return 0;
}

static int on_sites_known(void *self, struct wire_message *m)
{
	struct gateway *g = self;

	sites_known(&g->sites, &g->routes);
	return 0;
}

static int on_instance_up(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_instance_up *up = (const void *)m->record;
	int r;

	if (m->fd_count != up->socket_count + 1)
		return -EPROTO;
	if (g->resuming && resume_knows(g, up)) {
		g->routes.services[up->service].record.ups = up->ups;
		return 0;
	}
	r = instances_up(&g->instances, &g->routes, up, m->fds, gateway_now(g));
	if (r < 0)
		return r;
	must(up->service < SERVICES_MAX);
	g->instances.slots[up->slot].said = true;
	g->routes.services[up->service].record.ups = up->ups;
	g->routes.services[up->service].need_told = 0; /* ebbd has forgotten it */
	exchange_serve_queue(g, up->service);
	queue_tell(g, up->service);
	return 0;
}

static int on_instance_down(void *self, struct wire_message *m)
{
	exchange_instance_down(self, (const void *)m->record);
	return 0;
}

static int on_instance_drain(void *self, struct wire_message *m)
{
	const struct wire_instance_drain *record = (const void *)m->record;

	struct gateway *g = self;
	struct instance *i = instances_get(&g->instances, record->slot, record->generation);

	tunnel_instance_drain(self, record->slot, record->generation, record->all);
	if (i) { /* a server that ends waits until its connections close */
		i->draining = i->said = true;
		upstream_empty_pool(&g->up, i);
	}
	return 0;
}

static int on_routes_known(void *self, struct wire_message *m)
{
	struct gateway *g = self;

	g->routes_known = true;
	listeners_arm(g);
	return 0;
}

static int on_queue(void *self, struct wire_message *m)
{
	struct gateway *g = self;

	room_on_answer(&g->up, (const void *)m->record);
	return 0;
}

static int on_pool_drop(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_pool_drop *record = (const void *)m->record;
	struct instance *i = instances_get(&g->instances, record->slot, record->generation);

	if (!i)
		return 0;
	i->pool_from_ns = gateway_now(g) + record->for_ms * NS_PER_MS;
	g->count.pool_drops++;
	upstream_empty_pool(&g->up, i);
	return 0;
}

static int on_sockets(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_sockets *record = (const void *)m->record;
	struct instance *i = instances_get(&g->instances, record->slot, record->generation);

	if (!i)
		return 0; /* it went down meanwhile */
	i->asked_sockets = false;
	if (m->fd_count == 0) { /* ebbd could make none */
		room_ask_later(&g->up, i);
		return 0;
	}
	instances_stock(i, m->fds, m->fd_count);
	exchange_serve_waiters(g, i);
	return 0;
}

static int on_start_failed(void *self, struct wire_message *m)
{
	struct gateway *g = self;
	const struct wire_start_failed *record = (const void *)m->record;

	if (record->service >= SERVICES_MAX || !text_terminated(record->text, sizeof(record->text)))
		return -EINVAL;
	exchange_start_failed(g, record);
	return 0;
}

static int on_ban(void *self, struct wire_message *m)
{
	const struct wire_ban *record = (const void *)m->record;

	if (record->service >= SERVICES_MAX || !text_terminated(record->text, sizeof(record->text)))
		return -EINVAL;
	blame_put(self, record);
	exchange_judged(self, record->service, record->kind);
	return 0;
}

static int on_drain(void *self, struct wire_message *m)
{
	client_drain(self);
	return 0;
}

static int on_retire(void *self, struct wire_message *m)
{
	client_retire(self);
	return 0;
}

static int on_bindings(void *self, struct wire_message *m)
{
	const struct wire_bindings *record = (const void *)m->record;
	int r;

	if (m->fd_count != record->count)
		return -EPROTO;
	if (resume_knows_caller(self, record))
		return 0;
	r = bindings_put(self, record, m->fds);
	if (r == 0)
		(void)resume_knows_caller(self, record);
	return r;
}

static int on_bindings_gone(void *self, struct wire_message *m)
{
	const struct wire_bindings_gone *record = (const void *)m->record;

	bindings_gone(self, record->slot, record->generation);
	return 0;
}

static int on_deliveries(void *self, struct wire_message *m)
{
	listener_flow_put(self, &m->fds[0]);
	return 0;
}

static int on_resume(void *self, struct wire_message *m)
{
	resume_begin(self);
	return 0;
}

static int on_resumed(void *self, struct wire_message *m)
{
	struct gateway *g = self;

	return g->resuming ? resume_end(g) : -EPROTO;
}

static const struct wire_rule rules[] = {
	{WIRE_GATEWAY_CHANGE, sizeof(struct wire_gateway_config), 1, 0, LISTENERS_MAX, on_change},
	{WIRE_RESUME, 0, 1, 0, 0, on_resume},
	{WIRE_RESUMED, 0, 1, 0, 0, on_resumed},
	{WIRE_ROUTE_PUT, sizeof(struct wire_route_put), 1, 0, 0, on_route_put},
	{WIRE_ROUTE_DEL, sizeof(struct wire_route_del), 1, 0, 0, on_route_del},
	{WIRE_SITE_PUT, sizeof(struct wire_site), 1, 1, 1, on_site_put},
	{WIRE_SITE_DEL, sizeof(struct wire_site_del), 1, 0, 0, on_site_del},
	{WIRE_SITES_KNOWN, 0, 1, 0, 0, on_sites_known},
	{WIRE_INSTANCE_UP, sizeof(struct wire_instance_up), 1, 1, WIRE_FDS_MAX, on_instance_up},
	{WIRE_INSTANCE_DRAIN, sizeof(struct wire_instance_drain), 1, 0, 0, on_instance_drain},
	{WIRE_INSTANCE_DOWN, sizeof(struct wire_instance_down), 1, 0, 0, on_instance_down},
	{WIRE_SOCKETS, sizeof(struct wire_sockets), 1, 0, WIRE_FDS_MAX, on_sockets},
	{WIRE_START_FAILED, sizeof(struct wire_start_failed), 1, 0, 0, on_start_failed},
	{WIRE_GATEWAY_DRAIN, 0, 1, 0, 0, on_drain},
	{WIRE_GATEWAY_RETIRE, 0, 1, 0, 0, on_retire},
	{WIRE_BAN, sizeof(struct wire_ban), 1, 0, 0, on_ban},
	{WIRE_ROUTES_KNOWN, 0, 1, 0, 0, on_routes_known},
	{WIRE_QUEUE, sizeof(struct wire_queue), 1, 0, 0, on_queue},
	{WIRE_BINDINGS, sizeof(struct wire_bindings), 1, 1, BINDINGS_MAX, on_bindings},
	{WIRE_BINDINGS_GONE, sizeof(struct wire_bindings_gone), 1, 0, 0, on_bindings_gone},
	{WIRE_DELIVERIES, 0, 1, 1, 1, on_deliveries},
	{WIRE_POOL_DROP, sizeof(struct wire_pool_drop), 1, 0, 0, on_pool_drop},
};

static void arm(struct gateway *g)
{
	io_uring_prep_poll_add(ring_sqe(g->io.ring, RING_CONTROL, 0, 0), g->tell.fd, POLLIN);
}

int hear_init(struct gateway *g)
{
	int flags = fcntl(g->tell.fd, F_GETFL);

	if (flags < 0 || fcntl(g->tell.fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	arm(g);
	return 0;
}

void hear_on_readable(void *self, const struct ring_event *e)
{
	struct gateway *g = self;
	struct wire_message m;
	int r;

	while ((r = wire_recv(g->tell.fd, &m)) == 1) {
		r = wire_dispatch(rules, ARRAY_LEN(rules), 1, g, &m);
		if (r < 0) {
			log_error("event=bad_record type=%s error=\"%s\"",
				  wire_type_name(m.head.type), strerror(-r));
			break;
		}
	}
	if (r == -EAGAIN) {
		arm(g);
		return;
	}
	log_info("event=channel_closed reason=\"%s\"", r ? strerror(-r) : "ebbd is gone");
	g->io.ring->stop = true;
}

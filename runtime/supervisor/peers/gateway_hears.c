// SPDX-License-Identifier: Apache-2.0
/* ebbd's words to a gateway: its settings, routes, instances. */
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/gateways_inside.h"

#define INIT_SLACK_MS 2000
#define SOCKETS_FIRST 4 /* a gateway's stock when an instance comes up */
/* With more instances, a new gateway that hears of all at once gets no stock of sockets. The stock
 * would take longer than a handler may, and more descriptors than may wait for the gateway. The
 * gateway asks when it needs sockets. */
#define STOCKED_MAX 256

void gateways_send_all(struct gateways *g, uint32_t type, const void *record, size_t size)
{
	for (uint32_t n = 0; n < g->seats; n++)
		daemon_send(&g->gateway[n].daemon, type, record, size, NULL, 0);
}

void gateway_send_bracket(struct gateway *g, bool begins)
{
	daemon_send(&g->daemon, begins ? WIRE_RESUME : WIRE_RESUMED, NULL, 0, NULL, 0);
}

void gateway_send_drain(struct gateway *g, struct instance *i)
{
	struct wire_instance_down down;
	struct wire_instance_drain record;

	instance_down_record(i, &down); /* it knows the slot */
	record = (struct wire_instance_drain){.slot = down.slot, .generation = down.generation};
	daemon_send(&g->daemon, WIRE_INSTANCE_DRAIN, &record, sizeof(record), NULL, 0);
}

static void fill_config(struct gateway *g, struct wire_gateway_config *out)
{
	const struct gateways_options *o = &g->all->options;
	const struct config *c = o->host->config;

	*out = (struct wire_gateway_config){
		.index = g->index,
		.gateway_count = g->all->seats,
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
		.routes_follow = g->all->settled,
	};
	must(c->listener_count <= LISTENERS_MAX && c->trusted_count <= TRUSTED_MAX);
	_Static_assert(sizeof(g->ring) <= sizeof(out->ring_params), "ring params fit");
	memcpy(out->trusted, c->trusted, sizeof(out->trusted));
	memcpy(out->ring_params, &g->ring, sizeof(g->ring));
	(void)text_copy(out->domain, sizeof(out->domain), c->domain);
}

void gateway_send_config(struct gateway *g)
{
	const struct gateways_options *o = &g->all->options;
	struct wire_gateway_config config;
	int fds[GATEWAY_CONFIG_FDS + LISTENERS_MAX] = {o->board_fd, g->all->doorbell_fd,
						       g->stats_fd, g->access_fds[1]};

	fill_config(g, &config);
	memcpy(fds + GATEWAY_CONFIG_FDS, g->all->gateway[g->lane].listener_fds,
	       config.listener_count * sizeof(int));
	daemon_send(&g->daemon, WIRE_GATEWAY_CONFIG, &config, sizeof(config), fds,
		    GATEWAY_CONFIG_FDS + config.listener_count);
}

void gateway_send_deliveries(struct gateway *g)
{
	int fd = g->all->options.deliveries_fd;

	daemon_send(&g->daemon, WIRE_DELIVERIES, NULL, 0, &fd, 1);
}

void gateway_send_change(struct gateway *g, bool listeners)
{
	struct wire_gateway_config config;

	fill_config(g, &config);
	daemon_send(&g->daemon, WIRE_GATEWAY_CHANGE, &config, sizeof(config),
		    g->all->gateway[g->lane].listener_fds, listeners ? config.listener_count : 0);
}

void gateway_send_route(struct gateway *g, const struct service *service)
{
	const struct wire_service_put *put = &service->spec->put;
	struct wire_route_put route = {
		.index = service->index,
		.revision = put->revision,
		.concurrency_max = put->concurrency_max,
		.max_duration_ms = put->max_duration_ms,
		/* Longer than ebbd's own limit: the answer names why the start failed. */
		.init_timeout_ms = put->init_timeout_ms + INIT_SLACK_MS,
		.host_count = put->host_count,
		.hibernate_ms = put->hibernate_ms,
		.body_kb_max = put->body_kb_max,
		.ups = service->demand.ups,
		.flags = (put->flags & WIRE_SERVICE_PRIVATE ? WIRE_ROUTE_PRIVATE : 0) |
			 (put->binding_count ? WIRE_ROUTE_CALLS : 0),
	};

	memcpy(route.name, put->name, sizeof(route.name));
	memcpy(route.internal, put->internal, sizeof(route.internal));
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
	daemon_send(&g->daemon, WIRE_ROUTE_PUT, &route, sizeof(route), NULL, 0);
}

void gateway_send_site(struct gateway *g, const struct site *s)
{
	daemon_send(&g->daemon, WIRE_SITE_PUT, &s->record, sizeof(s->record), &s->fd, 1);
}

void gateway_send_up(struct gateway *g, struct instance *i, bool one_of_all)
{
	struct fleet *f = g->all->fleet;
	struct wire_instance_up up;
	const struct service *service;
	struct instance *same;
	int fds[1 + SOCKETS_FIRST];

	must(instance_is_up(i));
	instance_up_record(i, &up);
	service = services_at(g->all->options.services, up.service);
	up.ups = service ? service->demand.ups : 0;
	fds[0] = instance_freeze_fd(i);
	if ((!one_of_all || fleet_count(f) <= STOCKED_MAX) &&
	    fleet_sockets(f, up.slot, up.generation, SOCKETS_FIRST, fds + 1, &same) == 0)
		up.socket_count = SOCKETS_FIRST;
	daemon_send(&g->daemon, WIRE_INSTANCE_UP, &up, sizeof(up), fds, 1 + up.socket_count);
	for (uint32_t n = 0; n < up.socket_count; n++)
		fd_close(&fds[1 + n]);
}

void gateway_send_bindings(struct gateway *g, struct instance *i)
{
	struct wire_bindings record;
	int fds[BINDINGS_MAX];
	uint32_t count = instance_bindings_record(i, WIRE_BINDING_SERVICE, &record, fds);

	must(count <= BINDINGS_MAX);
	if (count > 0)
		daemon_send(&g->daemon, WIRE_BINDINGS, &record, sizeof(record), fds, count);
}

void gateways_bindings_gone(struct gateways *g, struct instance *i)
{
	struct wire_bindings record;
	struct wire_bindings_gone gone;
	int fds[BINDINGS_MAX];

	if (instance_bindings_record(i, WIRE_BINDING_SERVICE, &record, fds) == 0)
		return;
	gone = (struct wire_bindings_gone){.slot = record.slot, .generation = record.generation};
	gateways_send_all(g, WIRE_BINDINGS_GONE, &gone, sizeof(gone));
}

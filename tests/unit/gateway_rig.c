// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway_rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/tunnel.h"
#include "runtime/wire/channel.h"

#define UNITS   300u /* so many that reading ahead is worth it */
#define CLIENTS 8u

static struct rig *the_rig; /* exchange_user has no self but the gateway */

static void next(struct gateway *g, struct client *c)
{
	the_rig->nexts++;
	c->state = CLIENT_HEAD;
}

static void closed(struct gateway *g, struct client *c)
{
	the_rig->closed++;
	must(stream_settled(&g->io, &c->s));
	c->state = CLIENT_FREE;
}

static const struct exchange_user user = {.next = next, .closed = closed};

/* The carrier of these streams does nothing: bytes that are sent stay in `out`. */
static void on_nothing(void *self, struct stream *s)
{
}

static const struct stream_carrier carrier = {
	.wants = on_nothing,
	.has = on_nothing,
	.done = on_nothing,
	.closed = on_nothing,
};

/* No buffer is ever given to a ring. */
static void init_buffers(struct buffers *b)
{
	*b = (struct buffers){.unit_count = UNITS};
	b->units = malloc((size_t)UNITS * BUFFER_UNIT);
	b->free_units = calloc(UNITS, sizeof(uint32_t));
	must(b->units && b->free_units);
	for (uint32_t i = 0; i < UNITS; i++)
		b->free_units[b->free_unit_count++] = i;
}

static void init_upstreams(struct gateway *g)
{
	g->up = (struct upstreams){.io = g->io,
				   .timers = &g->timers,
				   .first_timer = CLIENTS,
				   .routes = &g->routes,
				   .instances = &g->instances,
				   .board = g->board,
				   .tell = &g->tell,
				   .count = &g->count,
				   .starved = &g->starved,
				   .config = &g->config,
				   .user = &exchange_upstream_user,
				   .self = g};
	must(upstreams_init(&g->up, CLIENTS) == 0);
}

struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct gateway *g = &r->g;
	int dir_fd = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC), board_fd, stats_fd,
	    pair[2];
	const struct wire_route_put route = {
		.max_duration_ms = 1000, .init_timeout_ms = 1000, .revision = 1, .name = "api"};

	the_rig = r;
	must(dir_fd >= 0 && board_create(dir_fd, 1, &g->board, &board_fd) == 0);
	must(wire_pair(&pair[0], &pair[1]) == 0 && stats_create(&stats_fd) == 0);
	close(dir_fd);
	close(board_fd);
	r->ebbd_fd = pair[1];
	init_buffers(&r->buffers);
	r->ring.now_ns = clock_mono_ns();
	g->io = (struct stream_io){.ring = &r->ring, .buffers = &r->buffers};
	g->config = (struct wire_gateway_config){.gateway_count = 1,
						 .queue_max = 8,
						 .queue_age_ms_max = 100,
						 .head_bytes_max = 4096,
						 .idle_timeout_ms = 1000};
	g->client_count = CLIENTS;
	g->clients = calloc(CLIENTS, sizeof(*g->clients));
	must(g->clients && routes_init(&g->routes, "") == 0 && instances_init(&g->instances) == 0);
	must(account_init(&g->account, stats_fd, -1, 0, CLIENTS) == 0 && tunnel_init(g) == 0);
	close(stats_fd);
	tell_init(&g->tell, &r->ring, &g->routes, pair[0]);
	init_upstreams(g);
	must(timers_init(&g->timers, gateway_bell_timer(g) + 1) == 0);
	must(routes_put(&g->routes, &route) == 0);
	g->user = &user;
	return r;
}

void rig_free(struct rig *r)
{
	board_close(r->g.board);
	stats_close(r->g.account.stats);
	free(r->g.account.notes);
	close(r->g.tell.fd);
	close(r->ebbd_fd);
	free(r->buffers.units);
	free(r->buffers.free_units);
	free(r->g.clients);
	free(r->g.up.slots);
	free(r->g.up.free);
	free(r->g.tunnels);
	if (r->g.instances.slots[0].up)
		close(r->g.instances.slots[0].freeze_fd);
	free(r->g.instances.slots);
	routes_fini(&r->g.routes);
	timers_fini(&r->g.timers);
	free(r);
}

struct instance *rig_instance(struct rig *r)
{
	struct wire_instance_up up = {.revision = 1, .backlog = 4, .port = 1, .id = "api-1"};
	int fds[1] = {open("/dev/null", O_WRONLY | O_CLOEXEC)};

	up.generation = board_open_slot(r->g.board, 0, RIG_LIMIT, 0);
	must(board_move(r->g.board, 0, 1u << BOARD_STARTING, BOARD_RUNNING));
	must(instances_up(&r->g.instances, &r->g.routes, &up, fds, r->ring.now_ns) == 0);
	return &r->g.instances.slots[0];
}

struct client *rig_client(struct rig *r, uint32_t index)
{
	static const char text[] = "GET / HTTP/1.1\r\nx-ebb-deadline: 0000000000000\r\n\r\n";
	struct client *c = &r->g.clients[index];

	stream_open_carried(&c->s, &carrier, NULL, index, RING_CLIENT_RECV);
	chain_init(&c->in_line);
	c->x = (struct exchange){.is = {.idempotent = true},
				 .arrived_ns = r->ring.now_ns,
				 .request = {.buffer = buffers_get(&r->buffers, BUFFER_UNIT)}};
	c->x.request.at = buffers_at(&r->buffers, c->x.request.buffer);
	c->x.request.size = sizeof(text) - 1;
	memcpy(c->x.request.at, text, sizeof(text));
	c->x.deadline_at = strchr(c->x.request.at, '0');
	flow_init(&c->x.up, HTTP_NO_BODY, HTTP_NO_BODY, 0);
	flow_init(&c->x.down, HTTP_NO_BODY, HTTP_NO_BODY, 0);
	c->state = CLIENT_READY;
	return c;
}

struct upstream *rig_join(struct rig *r, struct client *c, struct instance *i)
{
	struct upstream *u = upstream_slot(&r->g.up, i);
	bool taken = board_take(r->g.board, 0, i->slot, i->generation) == BOARD_TAKEN;

	must(u && taken);
	stream_open_carried(&u->s, &carrier, NULL, u->s.index, RING_UP_RECV);
	c->x.ticket = TICKET_HELD;
	c->x.slot = i->slot;
	c->x.generation = i->generation;
	c->x.dispatched_ns = c->x.sent_ns = r->ring.now_ns;
	c->x.upstream = u->s.index + 1;
	u->owner = c->s.index + 1;
	c->state = CLIENT_ASKED;
	exchange_check(&r->g, c);
	return u;
}

void rig_receive(struct rig *r, struct stream *s, const char *text)
{
	must(stream_put(&r->g.io, s, text, (uint32_t)strlen(text), 0));
	s->receiving = false;
}

uint32_t rig_tickets(const struct rig *r)
{
	return board_tickets(board_load(r->g.board, 0));
}

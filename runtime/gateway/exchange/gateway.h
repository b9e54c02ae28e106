/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole state of one gateway. The floors below (ring/, message/, route/, tell/, frames/,
 * upstream/, body/) do not know this structure; each is handed its own part.
 */
#ifndef EBB_GATEWAY_GATEWAY_H
#define EBB_GATEWAY_GATEWAY_H

#include "runtime/gateway/body/splice.h"
#include "runtime/gateway/exchange/account.h"
#include "runtime/gateway/exchange/exchange.h"
#include "runtime/gateway/message/wall.h"
#include "runtime/gateway/ring/starved.h"
#include "runtime/gateway/ring/timers.h"
#include "runtime/gateway/route/instances.h"
#include "runtime/gateway/tell/counters.h"
#include "runtime/gateway/tell/tell.h"
#include "runtime/gateway/upstream/upstream.h"
#include "runtime/wire/board.h"

struct addresses;
struct h2;
struct session_user;
struct tunnel;

/* A kind of request that was in flight when instances died; until_ns 0 = only watched. */
#define BANS_MAX 64
struct ban {
	bool used;
	uint32_t service;
	uint64_t kind, until_ns, put_ns;
	char text[ERROR_TEXT_SIZE];
};

/* The functions of the floor above for its clients. */
struct exchange_user {
	/* The exchange is over and its answer is sent: next request, or the end. */
	void (*next)(struct gateway *g, struct client *c);
	/* The stream is closing; its slot is free when it has settled. */
	void (*closed)(struct gateway *g, struct client *c);
};

/* A place for a listening socket. While its accept is being cancelled, the next one waits here. */
struct listener {
	int fd, next_fd;        /* -1: none */
	bool proxy, next_proxy; /* connections begin with a PROXY header */
	bool armed, leaving;    /* leaving: next_fd takes the place when nothing is armed */
};

struct gateway {
	uint32_t bell; /* rounds of the loop until the doorbell is rung; 0 = not needed */
	struct stream_io io;
	struct timers timers;
	struct starved starved;
	struct routes routes;
	struct instances instances;
	struct board *board;
	struct counters count;
	struct account account;
	struct wire_gateway_config config;
	struct tell tell;
	struct upstreams up;
	struct pipes pipes;
	struct wall wall;
	int doorbell_fd, signal_fd;
	struct listener listeners[LISTENERS_MAX]; /* client/listeners.h */
	bool draining;
	bool routes_known; /* ebbd has told all services, so a request that matches none gets 404 */

	const struct exchange_user *user;
	const struct session_user *session_user; /* client/client.h */
	struct client *clients;
	uint32_t client_count, *free_clients, free_client_count;
	char *stashes;               /* memory for incomplete heads, by client */
	struct addresses *addresses; /* client/addresses.h */
	struct h2 *h2;               /* h2/h2.h */
	uint32_t queued;             /* clients in CLIENT_QUEUED, of all services */
	bool need_due;               /* at the next coarse tick ebbd is told of some queue */
	bool choice_due;             /* and of some choice */
	struct tunnel *tunnels;      /* by client */
	uint32_t wakers;             /* clients in CLIENT_WAKING, of all instances */
	bool serving_wakers;

	struct failure failure; /* set from a verdict until its answer; client NULL = none */
	struct ban bans[BANS_MAX];
	uint32_t ban_count, next_ban;
	uint64_t id_seed, id_next;
};

static inline uint64_t gateway_now(const struct gateway *g)
{
	return g->io.ring->now_ns;
}
/* The number of the coarse timer, behind the timers of clients and upstreams. It is for changes
 * that no event reports. */
static inline uint32_t gateway_coarse_timer(const struct gateway *g)
{
	return g->client_count + g->up.slot_count;
}
static inline struct upstream *client_upstream(struct gateway *g, const struct client *c)
{
	return c->x.upstream ? &g->up.slots[c->x.upstream - 1] : NULL;
}
/* The instance that has the request of c, or had it last. NULL: it has ended. */
static inline struct instance *client_instance(struct gateway *g, const struct client *c)
{
	return instances_get(&g->instances, c->x.slot, c->x.generation);
}
static inline struct client *upstream_client(struct gateway *g, const struct upstream *u)
{
	return u->owner ? &g->clients[u->owner - 1] : NULL;
}

#endif

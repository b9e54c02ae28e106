/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole state of one gateway. The floors below (ring/, message/, route/, tell/, frames/,
 * upstream/, body/) do not know this structure; each is handed its own part.
 */
#ifndef EBB_GATEWAY_GATEWAY_H
#define EBB_GATEWAY_GATEWAY_H

#include "runtime/base/mem.h"
#include "runtime/gateway/body/splice.h"
#include "runtime/gateway/exchange/account.h"
#include "runtime/gateway/exchange/exchange.h"
#include "runtime/gateway/message/wall.h"
#include "runtime/gateway/ring/starved.h"
#include "runtime/gateway/ring/timers.h"
#include "runtime/gateway/route/callers.h"
#include "runtime/gateway/route/instances.h"
#include "runtime/gateway/route/sites.h"
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
	bool looked;            /* LISTENER_FLOW, at a drain: see listener_is_owed_a_look */
	bool armed, leaving;    /* leaving: next_fd takes the place when nothing is armed */
};

/* The place of the socket on which ebb-flow delivers, behind those for clients. */
#define LISTENER_FLOW   LISTENERS_MAX
#define LISTENER_PLACES (LISTENERS_MAX + 1)

struct gateway {
	uint32_t bell;        /* rounds of the loop until the doorbell is rung; 0 = not needed */
	uint64_t bell_due_ns; /* at the latest, as ebbd does not know of some thaw; 0 = it knows all
			       */
	struct stream_io io;
	struct timers timers;
	struct starved starved;
	struct routes routes;
	struct sites sites;
	struct instances instances;
	struct callers callers;
	struct board *board;
	struct counters count;
	struct account account;
	struct wire_gateway_config config;
	struct tell tell;
	struct upstreams up;
	struct pipes pipes;
	struct wall wall;
	int doorbell_fd, signal_fd;
	struct listener listeners[LISTENER_PLACES]; /* client/listeners.h */
	bool draining;        /* it accepts no connection, and ends when the last one has ended */
	bool leaving;         /* and tells its WebSockets to go */
	bool bindings_lapsed; /* client/bindings.h: some accept nothing */
	bool routes_known; /* ebbd has told all services, so a request that matches none gets 404 */
	bool resuming;     /* another ebbd says what there is: hear/resume.c */

	const struct exchange_user *user;
	const struct session_user *session_user; /* client/client.h */
	struct client *clients;
	uint32_t client_count, *free_clients, free_client_count;
	char *stashes;               /* memory for incomplete heads, by client */
	struct addresses *addresses; /* client/addresses.h */
	struct h2 *h2;               /* h2/h2.h */
	uint32_t queued;             /* clients in CLIENT_QUEUED, of all services */
	uint32_t queued_calls;       /* those of them that are no public requests */
	bool need_due;               /* at the next coarse tick ebbd is told of some queue */
	bool choice_due;             /* and of some choice */
	struct tunnel *tunnels;      /* by client */
	uint32_t wakers;             /* clients in CLIENT_WAKING, of all instances */
	bool serving_wakers;
	struct passage moved;   /* the redirect of a verdict, until it is sent */
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
/* And the one of the doorbell. */
static inline uint32_t gateway_bell_timer(const struct gateway *g)
{
	return gateway_coarse_timer(g) + 1;
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
/* The instance whose connection c is; NULL: c is a public client, or the caller is gone. */
static inline struct caller *client_caller(const struct gateway *g, const struct client *c)
{
	return c->binding ? callers_get(&g->callers, (c->binding - 1) / BINDINGS_MAX,
					c->caller_generation)
			  : NULL;
}
static inline struct client *upstream_client(struct gateway *g, const struct upstream *u)
{
	return u->owner ? &g->clients[u->owner - 1] : NULL;
}

/* One way of an exchange that has an upstream. */
struct leg {
	struct flow *flow;
	struct stream *from, *to;
};

static inline struct leg client_leg(struct gateway *g, struct client *c, enum relay_way way)
{
	struct upstream *u = client_upstream(g, c);

	must(u);
	return way == RELAY_UP ? (struct leg){&c->x.up, &c->s, &u->s}
			       : (struct leg){&c->x.down, &u->s, &c->s};
}

#endif

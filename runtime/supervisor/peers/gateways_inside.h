/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateways from inside, for four files: gateways.c starts and ends them, gateways_change.c
 * changes their settings, gateway_says.c has the records of a gateway, gateway_hears.c the records
 * to a gateway.
 */
#ifndef EBB_SUPERVISOR_GATEWAYS_INSIDE_H
#define EBB_SUPERVISOR_GATEWAYS_INSIDE_H

#include <linux/io_uring.h>
#include <stdbool.h>

#include "runtime/base/mem.h"
#include "runtime/supervisor/decide/blame.h"
#include "runtime/supervisor/peers/gateways.h"
#include "runtime/supervisor/peers/sites.h"
#include "runtime/supervisor/programs/daemon.h"

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2, PHASE_RETIRING = 4 };

/* A seat for a gateway: its page on the board, its counters, its access log. A lane has one or two
 * seats, because at an upgrade two gateways of a lane run: one serves, the other retires. */
struct gateway {
	struct gateways *all;
	uint32_t index; /* of the seat; lane + n * lanes */
	uint32_t lane;
	char name[32];
	struct daemon daemon;
	struct timer deadline; /* of one that retires */
	bool told_to_drain;
	/* Of the lane; those of its first seat count. */
	int listener_fds[LISTENERS_MAX]; /* kept: a new one inherits what waits in the backlog */
	int next_fds[LISTENERS_MAX];     /* gateways_prepare has them; some are listener_fds */
	int stats_fd;                    /* its counters: they outlive it */
	int access_fds[2];               /* its access log: a pipe whose reader is ebb-api */
	struct io_uring_params ring;
	bool adopted; /* and not yet told all there is */
};

struct gateways {
	struct gateways_options options;
	struct fleet *fleet;
	struct blame *blame;
	int doorbell_fd;
	struct watch doorbell;
	struct timer deadline;
	struct timer renewal; /* a seat became free */
	uint32_t lanes, seats;
	uint32_t serves[GATEWAYS_MAX]; /* the seat that accepts, by lane */
	bool stopping, told_ready, settled;
	bool sites_known; /* this ebbd has heard of all sites */
	struct sites sites;
	struct program program; /* of each; gateways_renew.c adds its own part */
	struct gateway gateway[];
};

/* The gateway that accepts for a lane. */
static inline struct gateway *gateways_serving(struct gateways *all, uint32_t lane)
{
	must(lane < all->lanes && all->serves[lane] < all->seats);
	return &all->gateway[all->serves[lane]];
}

/* gateways_change.c: the listener of this gateway for an address: of the ebbd before, inherited, or
 * new. It stands in the estate until it is closed here. Returns the descriptor, which the caller
 * owns, or -errno with a sentence. */
int gateways_listener(const struct gateway *g, const char *address, struct fault *f);
/* Closes the listeners that an earlier ebbd left and no setting names. */
void gateways_close_unnamed(struct gateway *g);
/* Also when the gateway drains: the next ebbd, if there is one, does the same. */
void gateways_close_listeners(struct gateway *g);

/* gateway_says.c */
extern const struct wire_rule gateway_rules[];
extern const size_t gateway_rule_count;
uint32_t gateways_ready(struct gateways *all); /* lanes that somebody serves */
/* Tells it once, when all serve. */
void gateways_tell_ready(struct gateways *all);

/* gateways_renew.c */
/* Starts what a lane needs. 0, or -errno with a sentence. */
int gateways_open_lane(struct gateways *all, uint32_t lane, struct fault *f);
/* It serves now: one of its lane that served before retires. */
void gateways_took_over(struct gateway *g);
/* Says again to one that was taken over that it retires. */
void gateways_retire_again(struct gateway *g);

/* gateway_hears.c */
void gateway_send_config(struct gateway *g);
/* Sends changed settings to a gateway; listeners: its sockets have changed, too. */
void gateway_send_change(struct gateway *g, bool listeners);
/* The socket on which ebb-flow delivers. */
void gateway_send_deliveries(struct gateway *g);
void gateway_send_route(struct gateway *g, const struct service *service);
void gateway_send_site(struct gateway *g, const struct site *s);
/* one_of_all: the gateway is new, and hears of all instances. */
void gateway_send_up(struct gateway *g, struct instance *i, bool one_of_all);
/* The bindings of an instance, if it has some. */
void gateway_send_bindings(struct gateway *g, struct instance *i);
void gateways_bindings_gone(struct gateways *g, struct instance *i);
/* Before and behind all that there is, for one that was taken over. */
void gateway_send_bracket(struct gateway *g, bool begins);
void gateway_send_drain(struct gateway *g, struct instance *i);
void gateways_send_all(struct gateways *g, uint32_t type, const void *record, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateways, one per core. ebbd starts them with their ring and listeners, and tells them of
 * routes and instances. The table in gateway_says.c lists all that a gateway may ask of root.
 */
#ifndef EBB_SUPERVISOR_GATEWAYS_H
#define EBB_SUPERVISOR_GATEWAYS_H

#include <stdint.h>

#include "runtime/supervisor/scale/fleet.h"
#include "runtime/supervisor/service/services.h"
#include "runtime/supervisor/programs/daemon.h"
#include "runtime/wire/board.h"

struct gateways;

struct gateways_options {
	const struct program_host *host; /* borrowed */
	struct board *board;
	int board_fd;      /* borrowed */
	int deliveries_fd; /* borrowed: flowlink.h */
	struct services *services;
	uint32_t listener_owner; /* see listeners.h */
	void *self;
	void (*on_ready)(void *self); /* all of them serve */
	void (*on_stopped)(void *self);
	void (*on_files)(void *self, uint32_t index); /* a gateway has files that none had before */
};

/* Opens the listeners and starts the gateways. 0, or -errno with a sentence. The fleet and the
 * gateways need each other, so the fleet is attached later, before the loop runs. */
int gateways_new(const struct gateways_options *options, struct gateways **out, struct fault *f);
/* Tells those that were taken over all there is, once the fleet is as it was. */
void gateways_resume(struct gateways *g);
void gateways_attach(struct gateways *g, struct fleet *fleet);
void gateways_free(struct gateways *g);
/* So many may run at once, each with a page on the board. */
uint32_t gateways_seats(uint32_t count);
/* Replaces those that were started before the last upgrade, one after the other. */
void gateways_renew(struct gateways *g);
int gateways_doorbell_fd(const struct gateways *g); /* borrowed: write 1 after a thaw */
/* Settings of a running ebbd change: opens the listeners that next names and the settings in force
 * do not. 0, or -errno with a sentence and nothing done. gateways_change follows when next is in
 * force. */
int gateways_prepare(struct gateways *g, const struct config *next, struct fault *f);
void gateways_change(struct gateways *g, bool listeners);
/* Makes all gateways stop accepting, finish and exit; after drain_ms the rest are killed. */
void gateways_stop(struct gateways *g);
/* Kills the gateways that are still there while all are stopping. */
void gateways_cut(struct gateways *g);

/* The files of each gateway for ebb-api: counters, and the access log's reading end; borrowed.
 * gateways_files: false if this seat never had one. */
uint32_t gateways_count(const struct gateways *g); /* of seats */
bool gateways_files(const struct gateways *g, uint32_t index, int fds[2]);

/* Tells all gateways of a service, or that it is gone (unroute). */
void gateways_route(struct gateways *g, const struct service *service);
/* Those of a service that is another row now. */
void gateways_route_variants(struct gateways *g, const struct service *service);
/* Tells all gateways of a site, whose file is taken out of *fd, or that it is gone. 0 or -errno as
 * sites.h says. */
struct wire_site;
int gateways_site(struct gateways *g, const struct wire_site *record, int *fd);
int gateways_unsite(struct gateways *g, const char *name);
/* Another ebb-api will tell all sites, until gateways_settled. */
void gateways_sites_again(struct gateways *g);
/* All services from before this start are routed. From now on a request that matches no route
 * belongs to no service. */
void gateways_settled(struct gateways *g);
void gateways_unroute(struct gateways *g, uint32_t index);
/* They hear of instances that come up, drain, go down and do not start. */
struct observer gateways_observer(struct gateways *g);

#endif

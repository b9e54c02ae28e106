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

#include "runtime/supervisor/decide/blame.h"
#include "runtime/supervisor/peers/gateways.h"
#include "runtime/supervisor/programs/daemon.h"

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

struct gateway {
	struct gateways *all;
	uint32_t index;
	char name[32];
	struct daemon daemon;
	int listener_fds[LISTENERS_MAX]; /* kept: a new one inherits what waits in the backlog */
	int next_fds[LISTENERS_MAX];     /* gateways_prepare has them; some are listener_fds */
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
	struct gateway gateway[];
};

/* gateways_change.c: a listener for this address, inherited or new. Returns the descriptor, which
 * the caller owns, or -errno with a sentence. */
int gateways_listener(const struct gateways *g, const char *address, struct fault *f);

/* gateway_says.c */
extern const struct wire_rule gateway_rules[];
extern const size_t gateway_rule_count;

/* gateway_hears.c */
void gateway_send_config(struct gateway *g);
/* Sends changed settings to a gateway; listeners: its sockets have changed, too. */
void gateway_send_change(struct gateway *g, bool listeners);
void gateway_send_route(struct gateway *g, const struct service *service);
/* one_of_all: the gateway is new, and hears of all instances. */
void gateway_send_up(struct gateway *g, struct instance *i, bool one_of_all);
void gateways_send_all(struct gateways *g, uint32_t type, const void *record, size_t size);

#endif

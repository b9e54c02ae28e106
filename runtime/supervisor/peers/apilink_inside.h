/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the link to ebb-api; for apilink*.c only. */
#ifndef EBB_SUPERVISOR_APILINK_INSIDE_H
#define EBB_SUPERVISOR_APILINK_INSIDE_H

#include "runtime/supervisor/peers/apilink.h"
#include "runtime/supervisor/peers/exports.h"
#include "runtime/supervisor/peers/imports.h"
#include "runtime/supervisor/peers/walk.h"
#include "runtime/supervisor/scale/execs.h"

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

struct apilink {
	struct apilink_options options;
	struct fleet *fleet;
	struct gateways *gateways;
	struct ledgerlink *ledger;
	struct egresslink *egress;
	struct daemon daemon;
	struct flowlink *flow;
	int listener_fd, state_fd, log_fd, ledger_fd;
	int flow_fd, zones_fd; /* -1: not yet; the host has none */
	int status_fd;         /* -1: no status_listen */
	struct walks walks;
	struct imports imports;
	struct exports exports;
	bool configured; /* this ebb-api has its API_CONFIG */
	uint32_t ill;    /* bits of enum wire_ill */
	bool settled;    /* services that it puts from now on are new */
	struct execs *execs;
	uint64_t upgrade_cookie; /* of the question that ebbd has not answered; 0 = none */
	struct timer mounting;   /* goes on with the layers of the record that waits */
	uint32_t mounted;        /* so many of them are done */
	uint64_t drain_cookie; /* cookie of the call that waits until the host is empty; 0 = none */
};

/* apilink_tell.c */
/* To a new ebb-api: time zones, and the channel to ebb-flow. */
void apilink_send_flow(struct apilink *a);
void apilink_answer(struct apilink *a, uint64_t cookie, int error, const char *text);
void apilink_event(void *self, const struct wire_event *record);
int apilink_on_event(void *self, struct wire_message *m);
void apilink_events_again(struct apilink *a);
/* An event of a service, or ("") of the host. */
void apilink_say(struct apilink *a, uint32_t kind, const char *service, const char *text);

/* apilink_mounts.c */
void apilink_mounts_init(struct apilink *a);
void apilink_mounts_drop(struct apilink *a);
/* Mounts the layers of a record in turns of the loop. Until it says true, the rule of the record
 * returns WIRE_LATER and is called again. A layer that cannot be mounted is passed over: opening it
 * fails with the reason. */
bool apilink_mounts_done(struct apilink *a, const uint8_t (*layers)[DIGEST_SIZE], uint32_t count);

/* apilink_asks.c: rows of the table. */
int apilink_on_upgrade(void *self, struct wire_message *m);
int apilink_on_drain(void *self, struct wire_message *m);
int apilink_on_image_export(void *self, struct wire_message *m);
void apilink_on_exported(void *self, uint64_t cookie, int err, const char *text);
int apilink_on_exec(void *self, struct wire_message *m);
int apilink_on_sockets_get(void *self, struct wire_message *m);
int apilink_on_site_put(void *self, struct wire_message *m);
int apilink_on_site_del(void *self, struct wire_message *m);
int apilink_on_exec_signal(void *self, struct wire_message *m);
void apilink_on_drained(void *self);
int apilink_open_execs(struct apilink *a); /* 0 or -ENOMEM */

#endif

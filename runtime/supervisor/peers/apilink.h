/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to ebb-api. The table in apilink.c lists all that ebb-api may ask of root.
 */
#ifndef EBB_SUPERVISOR_APILINK_H
#define EBB_SUPERVISOR_APILINK_H

#include <stdint.h>

#include "images/image.h"
#include "runtime/supervisor/scale/fleet.h"
#include "runtime/supervisor/peers/gateways.h"
#include "runtime/supervisor/peers/ledgerlink.h"
#include "runtime/supervisor/service/services.h"
#include "runtime/supervisor/programs/daemon.h"

struct apilink;
struct egresslink;
struct flowlink;

struct apilink_options {
	const struct program_host *host; /* borrowed */
	struct services *services;
	struct image_store *images;
	uint64_t boot_us;
	uint32_t listener_owner; /* see listeners.h */
	void *self;
	void (*on_ready)(void *self); /* it serves (again), and has put what it knew */
	/* It asks whether another binary can follow; each such question is answered by
	 * apilink_upgrade_said. */
	void (*on_upgrade)(void *self, enum wire_upgrade how);
};

/* Makes the link; the process starts in apilink_start. 0, or -errno with a sentence. */
int apilink_new(const struct apilink_options *options, struct apilink **out, struct fault *f);
/* Starts the process; attach the other parts first. 0 or -errno with a sentence. */
int apilink_start(struct apilink *a, struct fleet *fleet, struct gateways *gateways,
		  struct ledgerlink *ledger, struct egresslink *egress, struct flowlink *flow,
		  struct fault *f);
/* Sends an event of ebbd itself or of one of its programs; while ebb-api is away the event waits
 * for the next ebb-api. */
void apilink_notice(struct apilink *a, uint32_t kind, const char *text);
/* The settings have changed: limits of images, the socket's group, the listeners that it shows. */
void apilink_change(struct apilink *a);
/* A gateway has new files (gateways_files). */
void apilink_gateway_files(struct apilink *a, uint32_t index);
void apilink_free(struct apilink *a);
/* It hears of events, of the output of new instances, of starts, and of the end of a drain. */
struct observer apilink_observer(struct apilink *a);
/* A flush the API asked for is done. */
void apilink_flushed(struct apilink *a, uint64_t cookie, int error);
/* text: the version of the binary that can follow, or the reason; without a question nothing
 * happens. */
void apilink_upgrade_said(struct apilink *a, int error, const char *text);
/* Something keeps the host from taking work (ill), or no more. */
void apilink_ill(struct apilink *a, enum wire_ill what, bool ill);
/* A channel to a (new) ledger. Takes the descriptor. */
void apilink_ledger_channel(struct apilink *a, int fd);
/* The same to an ebb-flow. */
void apilink_flow_channel(struct apilink *a, int fd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API process. The table in apilink.c lists its wishes that root hears.
 */
#ifndef EBB_SUPERVISOR_APILINK_H
#define EBB_SUPERVISOR_APILINK_H

#include <stdint.h>

#include "images/image.h"
#include "runtime/supervisor/host/config.h"
#include "runtime/supervisor/scale/fleet.h"
#include "runtime/supervisor/peers/gateways.h"
#include "runtime/supervisor/peers/ledgerlink.h"
#include "runtime/supervisor/host/loop.h"
#include "runtime/supervisor/service/services.h"

struct apilink;

struct apilink_options {
	struct loop *loop;
	const struct config *config;
	struct services *services;
	struct image_store *images;
	uint32_t uid;
	uint64_t boot_us;
	const char *stage_dir;
	void *self;
	void (*on_ready)(void *self); /* it serves (again), and has put what it knew */
};

int apilink_new(const struct apilink_options *options, struct apilink **out, char *err,
		size_t err_size);
/* Starts the process; attach the other parts first. 0 or -errno with a sentence. */
int apilink_start(struct apilink *a, struct fleet *fleet, struct gateways *gateways,
		  struct ledgerlink *ledger, char *err, size_t err_size);
void apilink_free(struct apilink *a);
/* It hears of events and of new instances' output. */
struct observer apilink_observer(struct apilink *a);
/* A flush the API asked for is done. */
void apilink_flushed(struct apilink *a, uint64_t cookie, int error);
/* A channel to a (new) ledger. Takes the descriptor. */
void apilink_ledger_channel(struct apilink *a, int fd);

#endif

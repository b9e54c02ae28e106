/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-flow under ebbd: it keeps schedules in a store of its own and delivers their runs to
 * gateways. ebbd makes the socket on which gateways listen for it, and its channel to ebb-api, of
 * which ebbd reads nothing, and its ways in for instances. It may ask root for nothing.
 */
#ifndef EBB_SUPERVISOR_FLOWLINK_H
#define EBB_SUPERVISOR_FLOWLINK_H

#include "runtime/supervisor/instance/observer.h"
#include "runtime/supervisor/programs/daemon.h"

struct fleet;
struct flowlink;

struct flowlink_options {
	const struct program_host *host; /* borrowed */
	void *self;
	/* The other end of a new channel for the API; the callee keeps or closes it. */
	void (*on_channel)(void *self, int api_end_fd);
};

/* Starts ebb-flow. 0, or -errno with a sentence. */
int flowlink_new(const struct flowlink_options *options, struct flowlink **out, struct fault *f);
void flowlink_free(struct flowlink *l); /* NULL is fine */
/* Where gateways take its deliveries: borrowed. */
int flowlink_deliveries_fd(const struct flowlink *l);
/* It hears of instances that have bindings to queues: its listeners inside them. The fleet comes
 * later than ebb-flow; flowlink_resume tells of those that were taken over. */
struct observer flowlink_observer(struct flowlink *l);
void flowlink_attach(struct flowlink *l, struct fleet *fleet);
void flowlink_resume(struct flowlink *l);
/* Makes a new channel between ebb-flow and the API. */
void flowlink_channel(struct flowlink *l);

#endif

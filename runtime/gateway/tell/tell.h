/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's words to ebbd. Needs and choices are kept as marks until the loop waits, so that a
 * burst of requests says them once. When the channel is full the marks stay until there is room;
 * every other record is sent at once or not at all.
 */
#ifndef EBB_GATEWAY_TELL_H
#define EBB_GATEWAY_TELL_H

#include "runtime/gateway/ring/ring.h"
#include "runtime/gateway/route/instances.h"

struct tell {
	struct ring *ring;
	struct routes *routes;
	int fd; /* of the channel, which is the caller's */
	bool blocked;
	uint32_t mark_count, marked[SERVICES_MAX]; /* to be told before waiting */
	uint8_t marks[SERVICES_MAX];               /* and what of each */
};

/* Everything is borrowed and outlives the tell. */
void tell_init(struct tell *t, struct ring *l, struct routes *routes, int fd);
/* The channel has room again. */
void tell_on_writable(struct tell *t);
/* How many requests wait, and how many were refused. */
void tell_need_instance(struct tell *t, uint32_t service);
/* The service's choice, as routes has it. */
void tell_choice(struct tell *t, uint32_t service);
/* Asks for more sockets, unless that was done. */
void tell_need_sockets(struct tell *t, struct instance *i);
/* Asks how full its accept queue is. False: the channel is full. */
bool tell_queue_get(struct tell *t, const struct instance *i, uint32_t waited_ms);
/* A record about a death (false: the channel is full), a kind that is cleared, and an instance in
 * doubt: sent now or never. */
bool tell_blame(struct tell *t, const struct wire_blame *blame);
void tell_cleared(struct tell *t, uint32_t service, uint64_t kind);
void tell_suspect(struct tell *t, const struct instance *i, int err);
/* Before the loop waits: tells what is marked. */
void tell_flush(struct tell *t);

#endif

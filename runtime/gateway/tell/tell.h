/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records from the gateway to ebbd. Needs and choices are kept as marks until the loop waits, so
 * that a burst of requests sends each of them once. When the channel is full, the marks stay until
 * there is room. Every other record is sent at once or not at all.
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
	uint32_t mark_count, marked[SERVICES_MAX]; /* services with a mark */
	uint8_t marks[SERVICES_MAX];               /* enum mark, by service */
};

/* All pointers and fd are borrowed and outlive the tell. */
void tell_init(struct tell *t, struct ring *l, struct routes *routes, int fd);
/* The channel has room again. */
void tell_on_writable(struct tell *t);
/* Marks: tells how many requests of the service wait, and how many were refused. */
void tell_need_instance(struct tell *t, uint32_t service);
/* Marks: tells the last choice of the service, which routes has. */
void tell_choice(struct tell *t, uint32_t service);
/* Asks for more sockets, unless an answer is still to come. */
void tell_need_sockets(struct tell *t, struct instance *i);
/* Asks how full the accept queue of i is. waited_ms: how long a request has waited, or 0. False:
 * the channel is full. */
bool tell_queue_get(struct tell *t, const struct instance *i, uint32_t waited_ms);
/* Tell about a death (false: the channel is full), about a kind that is cleared, and about an
 * instance in doubt (err: as in wire_instance_suspect). Each is sent now or never. */
bool tell_blame(struct tell *t, const struct wire_blame *blame);
void tell_cleared(struct tell *t, uint32_t service, uint64_t kind);
void tell_suspect(struct tell *t, const struct instance *i, int err);
/* Call this before the loop waits: tells the marks. */
void tell_flush(struct tell *t);

#endif

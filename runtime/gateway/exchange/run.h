/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts on verdicts: exchange_run alone answers, gives tickets back and ends connections. When it
 * returns c may be anything, also free, and its slot is still a client of this slab.
 */
#ifndef EBB_GATEWAY_RUN_H
#define EBB_GATEWAY_RUN_H

#include "runtime/gateway/exchange/events.h"

void exchange_run(struct gateway *g, struct client *c, enum exchange_event event, int err);
/* The request in c is READY, or what exchange_fail said of it is to be told. */
void exchange_begin(struct gateway *g, struct client *c, enum verdict v);
/* The answer is sent: next request, or the end of the connection. */
void exchange_next(struct gateway *g, struct client *c);
/* Ends the connection and all that was under way for it. */
void exchange_close(struct gateway *g, struct client *c);

/* The events of upstreams. */
extern const struct upstream_user exchange_upstream_user;

/* Wakes requests in the queue of a service, as long as there is room. */
void exchange_serve_queue(struct gateway *g, uint32_t service);
/* Coarse timer: all queues, and all WebSockets in line for a ticket. */
void exchange_serve_all(struct gateway *g);
/* Sockets of an instance became available. */
void exchange_serve_waiters(struct gateway *g, struct instance *i);
/* No instance starts for it any more: its waiting requests are answered, or wait at another
 * service. */
void exchange_service_gone(struct gateway *g, uint32_t service);
void exchange_instance_down(struct gateway *g, const struct wire_instance_down *down);
void exchange_start_failed(struct gateway *g, const struct wire_start_failed *failed);
/* ebbd has said what it thinks of a kind of request. */
void exchange_judged(struct gateway *g, uint32_t service, uint64_t kind);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts on verdicts: this file alone answers, gives tickets back and ends connections. When one of
 * these functions returns, c may be in any state, also free; c still points into the slab of
 * clients.
 */
#ifndef EBB_GATEWAY_RUN_H
#define EBB_GATEWAY_RUN_H

#include "runtime/gateway/exchange/events.h"

/* An event happened to the open exchange of c. err: -errno of the event, or 0. */
void exchange_run(struct gateway *g, struct client *c, enum exchange_event event, int err);
/* The request of c is READY. v: VERDICT_AGAIN to dispatch it, or the VERDICT_FAILED of
 * exchange_fail. */
void exchange_begin(struct gateway *g, struct client *c, enum verdict v);
/* The answer was sent: the next request begins, or the connection ends. */
void exchange_next(struct gateway *g, struct client *c);
/* Ends the connection and everything that is under way for it. */
void exchange_close(struct gateway *g, struct client *c);

/* The events of upstreams. */
extern const struct upstream_user exchange_upstream_user;

/* Dispatches the waiting requests of a service, for as long as an instance has room. */
void exchange_serve_queue(struct gateway *g, uint32_t service);
/* At the coarse timer: serves all queues, and all WebSockets in line for a ticket. */
void exchange_serve_all(struct gateway *g);
/* Sends the requests that wait for a socket to this instance, for as long as it has some. */
void exchange_serve_waiters(struct gateway *g, struct instance *i);
/* The service was removed, and no instance starts for it any more: its waiting requests are
 * answered, or wait at the service it was a revision of. */
void exchange_service_gone(struct gateway *g, uint32_t service);
/* The instance ended: gives its tickets back, and moves its requests on. */
void exchange_instance_down(struct gateway *g, const struct wire_instance_down *down);
/* No instance could be started: the waiting requests get the error, unless another instance takes
 * them. */
void exchange_start_failed(struct gateway *g, const struct wire_start_failed *failed);
/* ebbd has judged a kind of request: the requests that wait for that go on. */
void exchange_judged(struct gateway *g, uint32_t service, uint64_t kind);

#endif

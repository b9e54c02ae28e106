/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that are connections of an instance: their caller, and the service that they call. */
#ifndef EBB_GATEWAY_CALLER_H
#define EBB_GATEWAY_CALLER_H

#include "runtime/gateway/exchange/gateway.h"

/* The number of a binding in user_data; the generation is its life. */
uint32_t caller_index(uint32_t slot, uint32_t number);
/* Begins to accept on a listener of the caller in this slot. */
void caller_arm(struct gateway *g, uint32_t slot, struct caller *k, uint32_t number);
/* Accepts again where an accept failed for want of descriptors. */
void callers_rearm(struct gateway *g);

/* Makes c a client of a binding (its number + 1). */
void caller_note(struct client *c, uint32_t binding, uint32_t generation);
/* The service that c calls; NULL: it was removed. fixed: in this very revision. */
struct service *caller_service(struct gateway *g, const struct client *c, bool *fixed);
/* One more client, carried by c. False: the caller has too many. */
bool caller_carry(struct gateway *g, const struct client *c, struct client *carried);

/* Notes that the client is ebb-flow, which is believed about the id of a request. */
void delivery_note(struct client *c);
/* The service that a delivery is for; NULL: there is none of that name. fixed: in the revision that
 * the delivery names, which serves. */
struct service *delivery_service(struct gateway *g, const struct http_head *head, bool *fixed);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The instance for a request: choose, take a ticket, queue, or try again. */
#ifndef EBB_GATEWAY_DISPATCH_H
#define EBB_GATEWAY_DISPATCH_H

#include "runtime/gateway/exchange/gateway.h"

/* c is READY: to the best instance, or into the queue. */
enum verdict dispatch_request(struct gateway *g, struct client *c);
/* One that waits in the queue: true if an instance had room for it. */
bool dispatch_try(struct gateway *g, struct client *c);
/* Out of the queue, or of the line for a socket. */
void dispatch_unqueue(struct gateway *g, struct client *c);
/* c owns a ticket on i: on its way, or in line for a socket. */
void dispatch_start(struct gateway *g, struct client *c, struct instance *i);
/* It has waited as long as it may. */
enum verdict dispatch_expired(struct gateway *g, struct client *c);

/* The upstream failed before it answered. refused: nothing can have been read by it. */
enum verdict dispatch_failed(struct gateway *g, struct client *c, bool refused, int err);
/* Nobody read it, and nothing is wrong with the instance: sent to it once more. */
enum verdict dispatch_anew(struct gateway *g, struct client *c, int err);
/* Takes the request back from its instance, for the instance that is best now. */
enum verdict dispatch_elsewhere(struct gateway *g, struct client *c);
/* In DOUBT, LOST or JUDGED: the cause is known, or will not come. */
enum verdict dispatch_doubt_over(struct gateway *g, struct client *c);
/* The request is here whole, and nothing came for it. */
bool dispatch_held(const struct client *c);
/* And it may be sent twice, and was not too often. */
bool dispatch_repeatable(const struct client *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Finds an instance for a request: choose, take a ticket, thaw, queue or try again. */
#ifndef EBB_GATEWAY_DISPATCH_H
#define EBB_GATEWAY_DISPATCH_H

#include "runtime/gateway/exchange/gateway.h"

/* The doorbell waits this many rounds of the loop, so that the answer is on its way before. */
#define BELL_AFTER 2

/* Takes the request back from its instance and sends it to whoever is best now. */
void dispatch_elsewhere(struct gateway *g, struct client *c);
void dispatch_request(struct gateway *g, struct client *c);
void dispatch_service_queue(struct gateway *g, uint32_t service);
/* Nothing starts for it any more: waiting requests are answered, or wait where they go instead. */
void dispatch_service_gone(struct gateway *g, uint32_t service);
void dispatch_all_queues(struct gateway *g);
/* The upstream failed before it answered. refused: nothing can have been read by it. */
void dispatch_failed(struct gateway *g, struct client *c, bool refused, int err);
/* The request is here whole, and nothing came for it. */
bool dispatch_held(const struct client *c);
/* And it may be sent twice, and was not too often. */
bool dispatch_repeatable(const struct client *c);
/* Nobody read it, and nothing is wrong with the instance: sent to it once more. */
void dispatch_anew(struct gateway *g, struct client *c, int err);
/* Takes a ticket on the instance c is joined to once more. */
enum board_take dispatch_again(struct gateway *g, struct client *c);
/* Gives the ticket back (if there is one) and lets the queue have it. */
void dispatch_release(struct gateway *g, struct client *c);
/* Once a round of the loop: rings the doorbell if it is time. */
void dispatch_ring(struct gateway *g);
/* Takes the client out of queues, upstream and ticket, whatever its state. */
void dispatch_abandon(struct gateway *g, struct client *c);
void dispatch_instance_down(struct gateway *g, const struct wire_instance_down *down);
void dispatch_start_failed(struct gateway *g, const struct wire_start_failed *failed);
/* It has waited as long as it may. */
void dispatch_expired(struct gateway *g, struct client *c);
/* In CLIENT_DOUBT: the cause is known, or will not come. */
void dispatch_doubt_over(struct gateway *g, struct client *c);
/* Sockets of an instance became available. */
void dispatch_waiters(struct gateway *g, struct instance *i);

#endif

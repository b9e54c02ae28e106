/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets: the right to have work open on an instance. An exchange takes and gives its ticket here
 * and nowhere else.
 */
#ifndef EBB_GATEWAY_TICKET_H
#define EBB_GATEWAY_TICKET_H

#include "runtime/gateway/exchange/gateway.h"

/* True if c now owns a ticket on i, which runs or is thawed by that. */
bool ticket_take(struct gateway *g, struct client *c, struct instance *i);
/* The same for the instance that c has an upstream to. */
enum board_take ticket_again(struct gateway *g, struct client *c);
/* Gives it back. The caller serves those that wait for one. */
void ticket_give(struct gateway *g, struct client *c);
/* Once a round of the loop: rings the doorbell if it is time. */
void ticket_ring(struct gateway *g);

#endif

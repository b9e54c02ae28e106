/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets: a ticket is the right to have work open on an instance. Exchanges take and give their
 * tickets here and nowhere else.
 */
#ifndef EBB_GATEWAY_TICKET_H
#define EBB_GATEWAY_TICKET_H

#include "runtime/gateway/exchange/gateway.h"

/* Takes a ticket on i for c. If i was frozen, this thaws it. False: i has no room, or takes no
 * work. */
bool ticket_take(struct gateway *g, struct client *c, struct instance *i);
/* Takes a ticket on the instance that c has an upstream to. BOARD_TAKEN, BOARD_FULL or BOARD_GONE.
 */
enum board_take ticket_again(struct gateway *g, struct client *c);
/* Gives the ticket of c back. The caller then serves the clients that wait for one. */
void ticket_give(struct gateway *g, struct client *c);
/* A thaw was not told for too long: rings the doorbell. */
void ticket_on_bell_timer(struct gateway *g);
/* Call this once a round of the loop: rings the doorbell when it is time. */
void ticket_ring(struct gateway *g);

#endif

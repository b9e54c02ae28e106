/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets: a ticket is the right to have work open on an instance. Exchanges take and give their
 * tickets here and nowhere else.
 */
#ifndef EBB_GATEWAY_TICKET_H
#define EBB_GATEWAY_TICKET_H

#include "runtime/gateway/exchange/gateway.h"

/* Takes a ticket on i for c. If i was frozen, the caller must call ticket_thaw before anything else
 * can happen to c. False: i has no room, or takes no work. */
bool ticket_take(struct gateway *g, struct client *c, struct instance *i);
/* Thaws the instance of c if it was frozen as c took its ticket. The request of c, if it is on its
 * way, is in the socket by then, so that the instance wakes once and not twice. */
void ticket_thaw(struct gateway *g, struct client *c);
/* Takes a ticket on the instance that c has an upstream to, and thaws it. BOARD_TAKEN, BOARD_FULL
 * or BOARD_GONE.
 */
enum board_take ticket_again(struct gateway *g, struct client *c);
/* Gives the ticket of c back. The caller then serves the clients that wait for one. */
void ticket_give(struct gateway *g, struct client *c);
/* A thaw was not told for too long: rings the doorbell. */
void ticket_on_bell_timer(struct gateway *g);
/* Call this once a round of the loop: rings the doorbell when it is time. */
void ticket_ring(struct gateway *g);

#endif

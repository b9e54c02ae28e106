/* SPDX-License-Identifier: Apache-2.0 */
/* Puts on the board the figures by which the supervisor judges load. */
#ifndef EBB_GATEWAY_LOAD_H
#define EBB_GATEWAY_LOAD_H

#include "runtime/gateway/exchange/gateway.h"

void load_first_byte(struct gateway *g, const struct client *c);
/* It has answered: after nacks that may mean room. */
void load_answered(struct gateway *g, const struct client *c);
/* It did not begin with it, and says so: the exchange goes on elsewhere or is answered. */
void load_gave_back(struct gateway *g, struct client *c);
/* True: the answer was a nack, and the exchange goes on elsewhere or is answered. */
bool load_nacked(struct gateway *g, struct client *c, const struct http_head *head);

#endif

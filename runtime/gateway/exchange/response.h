/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer. */
#ifndef EBB_GATEWAY_RESPONSE_H
#define EBB_GATEWAY_RESPONSE_H

#include "runtime/gateway/exchange/gateway.h"

/* s->in of the upstream holds bytes and the head of the response is not sent yet. */
void response_read(struct gateway *g, struct client *c, struct upstream *u);
/* The whole response was received: upstream and ticket are free, the client may still be sent to.
 */
void response_received(struct gateway *g, struct client *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The request as it was written, held for as long as it may be sent again. */
#ifndef EBB_GATEWAY_HELD_H
#define EBB_GATEWAY_HELD_H

#include "runtime/gateway/exchange/gateway.h"

/* Gives it back, once it can no longer be needed. */
void held_drop(struct gateway *g, struct client *c);
/* Its chunked body ended: the last chunk belongs to it too. */
void held_ended(struct gateway *g, struct client *c);
/* Makes it independent of an upstream that may still be sending it. */
void held_unshare(struct gateway *g, struct client *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request as it was written (x.request), held for as long as it may be sent again: until an
 * answer begins, or more of its body was sent than is held.
 */
#ifndef EBB_GATEWAY_HELD_H
#define EBB_GATEWAY_HELD_H

#include "runtime/gateway/exchange/gateway.h"

/* Gives it back, once it can no longer be needed. */
void held_drop(struct gateway *g, struct client *c);
/* It cannot be sent again, as more is sent than it holds: its label is kept for people to read. */
void held_outgrown(struct gateway *g, struct client *c);
/* Its chunked body ended: the last chunk belongs to it too. */
void held_ended(struct gateway *g, struct client *c);
/* Makes it independent of an upstream that may still be sending it. */
void held_unshare(struct gateway *g, struct client *c);

#endif

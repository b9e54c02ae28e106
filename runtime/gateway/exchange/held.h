/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request as it was written (x.request). It is held for as long as it may be sent again: until
 * an answer begins, or until more of its body was sent than is held.
 */
#ifndef EBB_GATEWAY_HELD_H
#define EBB_GATEWAY_HELD_H

#include "runtime/gateway/exchange/gateway.h"

/* Drops the held request, which is not needed any more. Its buffer stays while an upstream sends
 * it. */
void held_drop(struct gateway *g, struct client *c);
/* Drops the request because more of its body was sent than is held; keeps its label for people. */
void held_outgrown(struct gateway *g, struct client *c);
/* The chunked body ended: adds its last piece to the held request. */
void held_ended(struct gateway *g, struct client *c, const struct chunk *last);
/* Makes the held request independent of an upstream that may still be sending it, by a copy.
 * Without a buffer for the copy the request is dropped. */
void held_unshare(struct gateway *g, struct client *c);

#endif

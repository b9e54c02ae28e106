/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests kill instances. */
#ifndef EBB_GATEWAY_BLAME_H
#define EBB_GATEWAY_BLAME_H

#include "runtime/gateway/exchange/gateway.h"

/* A hash of both: the kind of a request. Collisions only share a fate. */
uint64_t blame_kind(struct http_slice method, struct http_slice path);
/* The request is about to be dropped: its name is kept for people to read. */
void blame_label(struct client *c);
/* True: requests like c's are refused for now, and c has failed. */
bool blame_refuses(struct gateway *g, struct client *c);
/* An instance died by itself: everything that was in flight there is told to ebbd. */
void blame_died(struct gateway *g, const struct wire_instance_down *down, uint32_t service);
/* c is about to run again after a death, and ebbd has yet to say what it thinks of its kind. */
bool blame_awaited(struct gateway *g, const struct client *c);
/* ebbd's verdict about a kind: it is refused until a moment, or watched. */
void blame_put(struct gateway *g, const struct wire_ban *ban);
void blame_forget(struct gateway *g, uint32_t service); /* it was changed or removed */
/* c was answered by its instance, whole. */
void blame_answered(struct gateway *g, const struct client *c);
enum verdict blame_crashed(struct gateway *g, struct client *c); /* 502 with the cause */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests kill instances. */
#ifndef EBB_GATEWAY_BLAME_H
#define EBB_GATEWAY_BLAME_H

#include "runtime/gateway/exchange/gateway.h"

/* The kind of a request: a hash of method and path. Kinds that collide share their fate, nothing
 * more. */
uint64_t blame_kind(struct http_slice method, struct http_slice path);
/* Keeps the name of the request ("GET /path") for people, before the held request is dropped. */
void blame_label(struct client *c);
/* True: requests of this kind are refused for now, and c has failed (exchange_fail). */
bool blame_refuses(struct gateway *g, struct client *c);
/* An instance ended: if it died by itself, tells ebbd which requests were in flight there. */
void blame_died(struct gateway *g, const struct wire_instance_down *down, uint32_t service);
/* c is about to run again after a death, and ebbd has yet to judge its kind. */
bool blame_awaited(struct gateway *g, const struct client *c);
/* ebbd's verdict about a kind: it is refused until a moment, or watched. */
void blame_put(struct gateway *g, const struct wire_ban *ban);
void blame_forget(struct gateway *g, uint32_t service); /* the service was changed or removed */
/* c got a whole answer of its instance: clears its kind, if that is watched. */
void blame_answered(struct gateway *g, const struct client *c);
enum verdict blame_crashed(struct gateway *g, struct client *c); /* fails with 502 and the cause */

#endif

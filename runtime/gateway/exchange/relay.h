/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies, both ways at once. Each way holds one piece that is being sent and at most one that was
 * received behind it; nothing is asked of a source whose sink is slower, so memory does not grow.
 */
#ifndef EBB_GATEWAY_RELAY_H
#define EBB_GATEWAY_RELAY_H

#include "runtime/gateway/exchange/gateway.h"

/* Moves the body of this way on as far as it goes now. */
enum verdict relay_pump(struct gateway *g, struct client *c, enum relay_way way);
/* The source of this way ended. */
enum verdict relay_on_end(struct gateway *g, struct client *c, enum relay_way way);
/* A stream of a spliced body is ready: moves more of the body. */
enum verdict relay_ready(struct gateway *g, struct client *c);
/* Fails with 413: the body has more bytes than its flow may have. */
enum verdict relay_too_large(struct gateway *g, struct client *c);

#endif

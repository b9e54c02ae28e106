/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole gateway in the process of a fuzz target: real ring, tables, buffers, a channel that
 * nobody reads. It has one service and turns only when it is told to.
 */
#ifndef EBB_FUZZ_WHOLE_GATEWAY_H
#define EBB_FUZZ_WHOLE_GATEWAY_H

#include "runtime/gateway/gateway.h"

#define GATEWAY_CLIENTS 64u

extern struct gateway gateway;

/* Once. A request waits in the queue for route->init_timeout_ms. */
void gateway_start(const struct wire_route_put *route);
/* One round of ring_run, without waiting. Returns the number of completions. */
unsigned int gateway_turn(void);
/* A client's end of a new connection. */
int gateway_connect(void);
/* No client, queue entry, upstream or buffer is in use. Empties the channel to ebbd. */
void gateway_claim_empty(void);

#endif

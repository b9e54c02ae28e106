/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole gateway in the process of a fuzz target, with a real ring, tables and buffers, and a
 * channel to ebbd that no ebbd reads. It has one service, and works only within gateway_turn().
 */
#ifndef EBB_FUZZ_WHOLE_GATEWAY_H
#define EBB_FUZZ_WHOLE_GATEWAY_H

#include "runtime/gateway/gateway.h"

#define GATEWAY_CLIENTS 64u

extern struct gateway gateway;

/* To be called once. A request waits in the queue for route->init_timeout_ms. */
void gateway_start(const struct wire_route_put *route);
/* One round of ring_run, without waiting. Returns the number of completions. */
unsigned int gateway_turn(void);
/* Connects a client; returns its end of the connection, which the caller closes. */
int gateway_connect(void);
/* No client, queue entry, upstream or buffer is in use. Empties the channel to ebbd. */
void gateway_claim_empty(void);

#endif

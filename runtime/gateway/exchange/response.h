/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer. */
#ifndef EBB_GATEWAY_RESPONSE_H
#define EBB_GATEWAY_RESPONSE_H

#include "runtime/gateway/exchange/gateway.h"

/* Reads the heads in s.in of u, while the head of the final answer was not sent yet. */
enum verdict response_read(struct gateway *g, struct client *c, struct upstream *u);

#endif

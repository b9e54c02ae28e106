/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer. */
#ifndef EBB_GATEWAY_RESPONSE_H
#define EBB_GATEWAY_RESPONSE_H

#include "runtime/gateway/exchange/gateway.h"

/* s.in of the upstream holds bytes, and the head of the answer is not sent yet. */
enum verdict response_read(struct gateway *g, struct client *c, struct upstream *u);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How slow a client may be. */
#ifndef EBB_GATEWAY_PACE_H
#define EBB_GATEWAY_PACE_H

#include "runtime/gateway/exchange/gateway.h"

void pace_begin(struct gateway *g, struct client *c);
/* True if the client was too slow, and is gone or answered. */
bool pace_check(struct gateway *g, struct client *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How slow a client may be. */
#ifndef EBB_GATEWAY_PACE_H
#define EBB_GATEWAY_PACE_H

#include "runtime/gateway/exchange/gateway.h"

/* A new window of body_window_ms begins; no body byte has passed in it. */
void pace_begin(struct gateway *g, struct client *c);
/* Looks at it once per window; not VERDICT_STAY if it is too slow. */
enum verdict pace_check(struct gateway *g, struct client *c);

#endif

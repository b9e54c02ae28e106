/* SPDX-License-Identifier: Apache-2.0 */
/* How slow a client may be. */
#ifndef EBB_GATEWAY_PACE_H
#define EBB_GATEWAY_PACE_H

#include "runtime/gateway/exchange/gateway.h"

/* Begins a window of body_window_ms, in which no byte of a body has passed yet. */
void pace_begin(struct gateway *g, struct client *c);
/* Looks at the client once per window. VERDICT_STAY: it is fast enough, or the window is not over.
 */
enum verdict pace_check(struct gateway *g, struct client *c);

#endif

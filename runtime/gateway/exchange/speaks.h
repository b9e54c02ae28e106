/* SPDX-License-Identifier: Apache-2.0 */
/* Which HTTP an instance speaks; its first bytes show it. */
#ifndef EBB_GATEWAY_SPEAKS_H
#define EBB_GATEWAY_SPEAKS_H

#include "runtime/gateway/exchange/gateway.h"

/* The first bytes showed that the instance of u speaks the other HTTP: notes that and sends the
 * request again over it, or c has failed. http2: the instance speaks HTTP/2. */
enum verdict speaks_found(struct gateway *g, struct client *c, struct upstream *u, bool http2);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which HTTP an instance speaks, found out by what it says first. */
#ifndef EBB_GATEWAY_SPEAKS_H
#define EBB_GATEWAY_SPEAKS_H

#include "runtime/gateway/exchange/gateway.h"

/* The answer showed that the instance speaks another HTTP: again so, if that can be. */
enum verdict speaks_found(struct gateway *g, struct client *c, struct upstream *u, bool http2);

#endif

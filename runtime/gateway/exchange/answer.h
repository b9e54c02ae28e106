/* SPDX-License-Identifier: Apache-2.0 */
/* How an exchange takes the events of its upstream. */
#ifndef EBB_GATEWAY_ANSWER_H
#define EBB_GATEWAY_ANSWER_H

#include "runtime/gateway/exchange/gateway.h"

extern const struct upstream_user answer_user;

/* The answer showed that the instance speaks another HTTP: again so, if that can be. */
void answer_speaks(struct gateway *g, struct client *c, struct upstream *u, bool http2);

#endif

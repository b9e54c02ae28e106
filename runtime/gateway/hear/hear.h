/* SPDX-License-Identifier: Apache-2.0 */
/* The channel from ebbd. */
#ifndef EBB_GATEWAY_HEAR_H
#define EBB_GATEWAY_HEAR_H

#include "runtime/gateway/exchange/gateway.h"

int hear_init(struct gateway *g); /* 0 or -errno */
/* The channel can be read: takes all records that are there. A record that no rule has, and the end
 * of the channel, end the gateway. self: the gateway. */
void hear_on_readable(void *self, const struct ring_event *e);

#endif

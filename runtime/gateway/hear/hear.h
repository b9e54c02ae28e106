/* SPDX-License-Identifier: Apache-2.0 */
/* The channel from ebbd. */
#ifndef EBB_GATEWAY_HEAR_H
#define EBB_GATEWAY_HEAR_H

#include "runtime/gateway/exchange/gateway.h"

int hear_init(struct gateway *g); /* watches the channel; 0 or -errno */
/* The channel can be read: takes all records that are there. A record that fits no rule ends the
 * gateway, and so does the end of the channel. self: the gateway. */
void hear_on_readable(void *self, const struct ring_event *e);

#endif

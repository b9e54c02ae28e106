/* SPDX-License-Identifier: Apache-2.0 */
/* The channel from ebbd. */
#ifndef EBB_GATEWAY_HEAR_H
#define EBB_GATEWAY_HEAR_H

#include "runtime/gateway/exchange/gateway.h"

int hear_init(struct gateway *g); /* 0 or -errno */
void hear_on_readable(void *self, const struct loop_event *e);

#endif

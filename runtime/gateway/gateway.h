/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of one gateway, put together. */
#ifndef EBB_GATEWAY_WHOLE_H
#define EBB_GATEWAY_WHOLE_H

#include "runtime/gateway/exchange/gateway.h"

/* Its configuration, board, account and descriptors are the caller's to set before. 0 or -errno. */
int gateway_init(struct gateway *g, struct ring *l, struct buffers *b);
/* SIGTERM drains; SIGUSR1 writes counters and gauges into the log. Arms itself anew. */
void gateway_on_signal(void *self, const struct ring_event *e);

#endif

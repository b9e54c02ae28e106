/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of one gateway, put together. */
#ifndef EBB_GATEWAY_WHOLE_H
#define EBB_GATEWAY_WHOLE_H

#include "runtime/gateway/exchange/gateway.h"

/* Makes the tables and puts the rooms together. The caller has set the configuration, the board,
 * the account and the descriptors of g before. 0 or -errno. */
int gateway_init(struct gateway *g, struct ring *l, struct buffers *b);
/* A signal came: SIGTERM and SIGINT drain, SIGUSR1 writes counters and gauges into the log. Waits
 * for the next signal. self: the gateway. */
void gateway_on_signal(void *self, const struct ring_event *e);

#endif

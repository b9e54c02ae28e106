/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners inside instances: their connections are clients like any other, but it is known who
 * they are, and the binding says whom they call (route/callers.h).
 */
#ifndef EBB_GATEWAY_BINDINGS_H
#define EBB_GATEWAY_BINDINGS_H

#include "runtime/gateway/exchange/gateway.h"

struct wire_bindings;

/* Begins to accept. Takes the descriptors out of fds. 0, or -EINVAL for a bad record. */
int bindings_put(struct gateway *g, const struct wire_bindings *record, int *fds);
/* The caller is gone: ends its connections too. */
/* Callers connect to another gateway from now on. */
void bindings_retire(struct gateway *g);
void bindings_gone(struct gateway *g, uint32_t slot, uint32_t generation);
void bindings_on_accept(void *self, const struct ring_event *e);

#endif

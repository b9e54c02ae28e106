/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another ebbd takes over. It says all there is between two records; the rest is gone, and open
 * questions to the one before are asked again. Requests in flight notice nothing of it.
 */
#ifndef EBB_GATEWAY_RESUME_H
#define EBB_GATEWAY_RESUME_H

#include "runtime/gateway/exchange/gateway.h"

void resume_begin(struct gateway *g);
/* The instance was known: nothing is to be done. One that had its slot before is gone. */
bool resume_knows(struct gateway *g, const struct wire_instance_up *up);
/* The same for the bindings of an instance. */
bool resume_knows_caller(struct gateway *g, const struct wire_bindings *record);
/* 0 or -errno. */
int resume_end(struct gateway *g);

/* Nobody serves it any more. 0 or -EINVAL. */
int resume_route_gone(struct gateway *g, uint32_t index);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of gateways as Prometheus text, summed over the gateways of this host. */
#ifndef EBB_API_GATEWAY_METRICS_H
#define EBB_API_GATEWAY_METRICS_H

#include "runtime/api/buffer.h"
#include "runtime/wire/stats.h"

/* 0 or -ENOMEM. */
int gateway_metrics_write(const struct stats *const *stats, size_t count, struct buffer *out);

#endif

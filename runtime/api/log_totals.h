/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much each service wrote to its log since this process began, and the CPU time that ebb-api
 * spent on it. A service that is removed and made again goes on counting. Services for which the
 * table has no row share the last row, which has no name.
 */
#ifndef EBB_API_LOG_TOTALS_H
#define EBB_API_LOG_TOTALS_H

#include <stdint.h>

#include "runtime/api/buffer.h"
#include "runtime/wire/records.h"

struct log_total {
	char service[SERVICE_NAME_SIZE];
	uint64_t lines, bytes, dropped_lines, dropped_bytes, work_ns;
};

struct log_totals;

int log_totals_new(struct log_totals **out); /* 0 or -ENOMEM */
void log_totals_free(struct log_totals *t);
/* The row of a service, added when the service is new; borrowed. */
struct log_total *log_totals_of(struct log_totals *t, const char *service);
/* Prometheus text. 0 or -ENOMEM. */
int log_totals_write(const struct log_totals *t, struct buffer *out);

#endif

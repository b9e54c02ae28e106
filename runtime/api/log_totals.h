/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much each service wrote to its log since this process began, and the CPU time for it. A name
 * that comes back goes on counting; names beyond the table share the last place, which has no name.
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
/* The sums of a service, made when it is new; borrowed. When the table is full, one row is shared
 * by all services that came later. */
struct log_total *log_totals_of(struct log_totals *t, const char *service);
/* Prometheus text. 0 or -ENOMEM. */
int log_totals_write(const struct log_totals *t, struct buffer *out);

#endif

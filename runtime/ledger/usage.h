/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage in a window, from the differences of cumulative readings; nothing is interpolated.
 *
 * The time between two readings of an account belongs to the window of the later one, so adjoining
 * windows add up exactly to the counters, whatever the wall clock did: each reading is in the
 * window of its own date. While the clock only rose, that is the last reading of the window less
 * the one before the first.
 */
#ifndef EBB_LEDGER_USAGE_H
#define EBB_LEDGER_USAGE_H

#include "runtime/ledger/db.h"

struct usage_row {
	uint64_t invocations, active_cpu_us, awake_us, frozen_us;
	uint64_t provisioned_mb_us; /* sum of memory_mb x awake_us */
	uint32_t instances;         /* accounts with a reading in the window */
	char service[SERVICE_NAME_SIZE];
};

/* One row per service that has a reading in (from_us, to_us], by name. */
struct usage_rows {
	struct usage_row *rows; /* owned */
	size_t count, capacity;
};

/* service "" = all. 0 and *out (usage_rows_fini it), -EOVERFLOW when a sum does not fit 64 bits,
 * -ENOMEM, or what the database says. */
int usage_window(struct db *db, uint64_t from_us, uint64_t to_us, const char *service,
		 struct usage_rows *out);
void usage_rows_fini(struct usage_rows *rows);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage in a window, from the differences of cumulative readings; nothing is interpolated.
 *
 * Each reading is in the window of its own date, and the use between two readings of an account
 * belongs to the window of the later reading. So adjoining windows add up exactly to the counters,
 * even if the wall clock was set back. If the clock only rose, the usage of an account is its last
 * reading in the window less the reading before its first one in the window.
 */
#ifndef EBB_LEDGER_USAGE_H
#define EBB_LEDGER_USAGE_H

#include "runtime/ledger/db.h"

struct usage_row {
	uint64_t invocations, active_cpu_us, awake_us, frozen_us;
	uint64_t provisioned_mb_us; /* sum of memory_mb x awake_us */
	uint64_t net_out_bytes, net_in_bytes, net_connections;
	uint64_t wakes, wake_us; /* for data from the network; wake_us is part of awake_us */
	uint32_t instances;      /* accounts with a reading in the window */
	char service[SERVICE_NAME_SIZE];
};

/* One row per service that has a reading in (from_us, to_us], in the order of their names. */
struct usage_rows {
	struct usage_row *rows; /* owned */
	size_t count, capacity;
};

/* Computes the usage of a service ("" = all) in (from_us, to_us], dates in us since the epoch. 0
 * and *out (usage_rows_fini it), -EOVERFLOW when a sum does not fit 64 bits, -EBADMSG when a
 * counter fell, -ENOMEM, or the error of the database. */
int usage_window(struct db *db, uint64_t from_us, uint64_t to_us, const char *service,
		 struct usage_rows *out);
void usage_rows_fini(struct usage_rows *rows);

#endif

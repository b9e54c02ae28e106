/* SPDX-License-Identifier: Apache-2.0 */
/* Adds readings to the ledger: all of a batch in one transaction, or none. */
#ifndef EBB_LEDGER_APPEND_H
#define EBB_LEDGER_APPEND_H

#include <stddef.h>

#include "runtime/ledger/db.h"

#define APPEND_BATCH_MAX 100

struct append_report {
	size_t added;
	size_t old;        /* readings sent before, or older than the last row: ignored, no fault */
	size_t refused;    /* against the rules (rules.h) */
	const char *fault; /* of the last refused one */
	struct wire_meter refused_meter;
};

/* Commits the readings, in order. Blocks on the disk. 0 when every reading is durable, old or
 * refused; -EBUSY when another program holds the lock, and the caller may try again; else -errno,
 * and the database is broken (db.h). */
int append_batch(struct db *db, const struct wire_meter *meters, size_t count,
		 struct append_report *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit recomputes every hash, checks every row against the rules (rules.h), and checks that
 * the last row is the head. It is done in slices, so that readings are committed while a long
 * ledger is walked. Rows that were added after the audit began are not part of it.
 */
#ifndef EBB_LEDGER_VERIFY_H
#define EBB_LEDGER_VERIFY_H

#include "runtime/ledger/db.h"

#define VERIFY_SLICE_ROWS 500

struct verify {
	uint64_t next_id, end_id;   /* rows still to be walked */
	uint64_t rows;              /* walked */
	uint64_t bad_row;           /* 0 = none */
	uint8_t hash[SHA256_BYTES]; /* of the row before next_id */
	char text[ERROR_TEXT_SIZE]; /* the verdict in words, when there is one */
};

/* Begins an audit at row first_id. 1 audits the whole ledger; an audit that begins later trusts the
 * hash of the row in front of first_id. 0 or -errno. */
int verify_begin(struct db *db, uint64_t first_id, struct verify *v);
/* Walks one slice. 1 = there is more to walk, 0 = the verdict is in v, or -errno when the database
 * cannot be read. */
int verify_step(struct db *db, struct verify *v);

#endif

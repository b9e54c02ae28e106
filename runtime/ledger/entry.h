/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of the ledger: a reading as ebbd sent it, its number, and its place in the hash chain.
 *
 * METER_COLUMNS is the one list of what a row holds. The table, the statements and the hashed
 * encoding (docs/ledger.md) are all made from it, in this order; changing it is a new format.
 */
#ifndef EBB_LEDGER_ENTRY_H
#define EBB_LEDGER_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/sha256.h"
#include "runtime/wire/records.h"

/* clang-format off */
#define METER_COLUMNS(X) \
	X(U64, boot_us) X(TEXT, instance) X(TEXT, service) X(U32, revision) X(U64, cgroup_id) \
	X(U64, seq) X(U32, reason) X(U64, read_us) X(U64, lived_us) X(U64, cpu_us) \
	X(U64, cpu_user_us) X(U64, cpu_system_us) X(U64, cpu_init_us) X(U64, awake_us) \
	X(U64, frozen_us) X(U64, invocations) X(U32, memory_mb)
/* clang-format on */

enum column_kind { COLUMN_U64, COLUMN_U32, COLUMN_TEXT };

struct column {
	const char *name;
	enum column_kind kind;
	size_t offset, size; /* in struct wire_meter */
};

#define METER_COLUMN_COUNT 17
extern const struct column meter_columns[METER_COLUMN_COUNT];

/* An integer column of a reading. */
uint64_t column_get(const struct column *c, const struct wire_meter *m);
/* A text column of a reading. */
const char *column_text(const struct column *c, const struct wire_meter *m);

struct entry {
	uint64_t id; /* 1, 2, 3, ... without a gap */
	struct wire_meter meter;
	uint8_t prev_hash[SHA256_BYTES]; /* zeros for row 1 */
	uint8_t hash[SHA256_BYTES];
};

#endif

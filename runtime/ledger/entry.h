/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row of the ledger: a reading as ebbd sent it, its number, and its place in the hash chain.
 *
 * METER_COLUMNS is the one list of the columns of a row, and of how each may change from one
 * reading of an account to the next. The statements, the rules and the hashed encoding
 * (docs/ledger.md) are made from this list, in this order. A change of the list is a new format and
 * needs a new step of the schema: METER_COLUMNS_2 came with format 2, METER_COLUMNS_3 with format
 * 3. Rows of an older format stay as they were written and have NULL there.
 */
#ifndef EBB_LEDGER_ENTRY_H
#define EBB_LEDGER_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/sha256.h"
#include "runtime/wire/records.h"

/* clang-format off */
#define METER_COLUMNS_1(X) \
	X(U64, NEVER, boot_us) X(TEXT, NEVER, instance) X(TEXT, NEVER, service) X(U32, NEVER, revision) \
	X(U64, NEVER, cgroup_id) X(U64, UP, seq) X(U32, FREE, reason) X(U64, FREE, read_us) \
	X(U64, UP, lived_us) X(U64, UP, cpu_us) X(U64, UP, cpu_user_us) X(U64, UP, cpu_system_us) \
	X(U64, UP, cpu_init_us) X(U64, UP, awake_us) X(U64, UP, frozen_us) X(U64, UP, invocations) \
	X(U32, NEVER, memory_mb)
#define METER_COLUMNS_2(X) \
	X(U64, UP, net_out_bytes) X(U64, UP, net_in_bytes) X(U64, UP, net_connections)
#define METER_COLUMNS_3(X) X(U64, UP, wakes) X(U64, UP, wake_us)
#define METER_COLUMNS(X) METER_COLUMNS_1(X) METER_COLUMNS_2(X) METER_COLUMNS_3(X)
/* clang-format on */

enum column_kind { COLUMN_U64, COLUMN_U32, COLUMN_TEXT };
enum column_change { COLUMN_FREE, COLUMN_NEVER, COLUMN_UP };

struct column {
	const char *name;
	enum column_kind kind;
	enum column_change change; /* within an account */
	const char *fault;         /* the error text for a change that is not allowed */
	size_t offset, size;       /* in struct wire_meter */
};

#define X(kind, change, field) +1
enum {
	METER_COLUMN_COUNT_1 = METER_COLUMNS_1(X),
	METER_COLUMN_COUNT_2 = METER_COLUMN_COUNT_1 METER_COLUMNS_2(X),
	METER_COLUMN_COUNT = METER_COLUMNS(X)
};
#undef X
extern const struct column meter_columns[METER_COLUMN_COUNT];

/* An integer column of a reading. */
uint64_t column_get(const struct column *c, const struct wire_meter *m);
/* A text column of a reading. */
const char *column_text(const struct column *c, const struct wire_meter *m);
/* How many columns a row of this format has. */
static inline size_t entry_columns(uint32_t format)
{
	static const size_t columns[] = {0, METER_COLUMN_COUNT_1, METER_COLUMN_COUNT_2,
					 METER_COLUMN_COUNT};

	return columns[format];
}

#define ENTRY_FORMAT 3 /* of rows that are written now */
struct entry {
	uint64_t id;     /* 1, 2, 3, ... without a gap */
	uint32_t format; /* 1 to ENTRY_FORMAT */
	struct wire_meter meter;
	uint8_t prev_hash[SHA256_BYTES]; /* zeros for row 1 */
	uint8_t hash[SHA256_BYTES];
};

#endif

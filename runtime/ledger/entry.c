// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/entry.h"

#include <string.h>

#include "runtime/base/mem.h"

const struct column meter_columns[METER_COLUMN_COUNT] = {
#define X(type, field)                                              \
	{#field, COLUMN_##type, offsetof(struct wire_meter, field), \
	 sizeof(((struct wire_meter *)0)->field)},
	METER_COLUMNS(X)
#undef X
};

uint64_t column_get(const struct column *c, const struct wire_meter *m)
{
	const char *at = (const char *)m + c->offset;
	uint64_t wide;
	uint32_t narrow;

	must(c->kind != COLUMN_TEXT);
	if (c->kind == COLUMN_U64) {
		memcpy(&wide, at, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, at, sizeof(narrow));
	return narrow;
}

const char *column_text(const struct column *c, const struct wire_meter *m)
{
	must(c->kind == COLUMN_TEXT);
	return (const char *)m + c->offset;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/entry.h"

#include <string.h>

#include "runtime/base/mem.h"

#define FAULT_FREE(field)  NULL
#define FAULT_NEVER(field) #field " differs from the account's"
#define FAULT_UP(field)    #field " went back"

const struct column meter_columns[METER_COLUMN_COUNT] = {
#define X(type, change, field)               \
	{#field,                             \
	 COLUMN_##type,                      \
	 COLUMN_##change,                    \
	 FAULT_##change(field),              \
	 offsetof(struct wire_meter, field), \
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

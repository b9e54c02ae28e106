// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/rules.h"

#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/ledger/entry.h"

const char *rules_alone(const struct wire_meter *m)
{
	if (!text_terminated(m->instance, sizeof(m->instance)) || m->instance[0] == '\0' ||
	    !text_terminated(m->service, sizeof(m->service)) || m->service[0] == '\0')
		return "instance or service is not a name";
	for (size_t i = 0; i < METER_COLUMN_COUNT; i++)
		if (meter_columns[i].kind == COLUMN_U64 &&
		    column_get(&meter_columns[i], m) > INT64_MAX)
			return "a number does not fit 63 bits";
	if (m->reason >= METER_REASON_COUNT)
		return "the reason is unknown";
	if (m->awake_us > m->lived_us || m->frozen_us > m->lived_us - m->awake_us)
		return "awake_us + frozen_us > lived_us";
	if (m->wake_us > m->awake_us)
		return "wake_us > awake_us";
	if (m->cpu_init_us > m->cpu_us)
		return "cpu_init_us > cpu_us";
	return NULL;
}

static bool change_is_fine(const struct column *c, const struct wire_meter *before,
			   const struct wire_meter *m)
{
	if (c->change == COLUMN_FREE)
		return true;
	if (c->kind == COLUMN_TEXT)
		return strncmp(column_text(c, before), column_text(c, m), c->size) == 0;
	if (c->change == COLUMN_NEVER)
		return column_get(c, before) == column_get(c, m);
	return column_get(c, before) <= column_get(c, m);
}

const char *rules_after(const struct wire_meter *before, const struct wire_meter *m)
{
	if (before->reason == METER_AT_CLOSE)
		return "the account was closed before";
	for (size_t i = 0; i < METER_COLUMN_COUNT; i++)
		if (!change_is_fine(&meter_columns[i], before, m))
			return meter_columns[i].fault;
	return NULL;
}

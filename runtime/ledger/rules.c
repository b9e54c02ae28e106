// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/rules.h"

#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/ledger/entry.h"

/* How a column may change from one reading of an account to the next. */
enum change { CHANGE_FREE, CHANGE_NEVER, CHANGE_UP };

static const struct {
	enum change change;
	const char *fault;
} rules[METER_COLUMN_COUNT] = {
	{CHANGE_NEVER, "boot_us differs"},
	{CHANGE_NEVER, "instance differs"},
	{CHANGE_NEVER, "service differs from the account's"},
	{CHANGE_NEVER, "revision differs from the account's"},
	{CHANGE_NEVER, "cgroup_id differs from the account's"},
	{CHANGE_UP, "seq went back"},
	{CHANGE_FREE, NULL},
	{CHANGE_UP, "read_us went back"},
	{CHANGE_UP, "lived_us went back"},
	{CHANGE_UP, "cpu_us went back"},
	{CHANGE_UP, "cpu_user_us went back"},
	{CHANGE_UP, "cpu_system_us went back"},
	{CHANGE_UP, "cpu_init_us went back"},
	{CHANGE_UP, "awake_us went back"},
	{CHANGE_UP, "frozen_us went back"},
	{CHANGE_UP, "invocations went back"},
	{CHANGE_NEVER, "memory_mb differs from the account's"},
};

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
	if (m->cpu_init_us > m->cpu_us)
		return "cpu_init_us > cpu_us";
	return NULL;
}

static bool change_is_fine(size_t i, const struct wire_meter *before, const struct wire_meter *m)
{
	const struct column *c = &meter_columns[i];

	if (rules[i].change == CHANGE_FREE)
		return true;
	if (c->kind == COLUMN_TEXT)
		return strncmp(column_text(c, before), column_text(c, m), c->size) == 0;
	if (rules[i].change == CHANGE_NEVER)
		return column_get(c, before) == column_get(c, m);
	return column_get(c, before) <= column_get(c, m);
}

const char *rules_after(const struct wire_meter *before, const struct wire_meter *m)
{
	if (before->reason == METER_AT_CLOSE)
		return "the account was closed before";
	for (size_t i = 0; i < METER_COLUMN_COUNT; i++)
		if (!change_is_fine(i, before, m))
			return rules[i].fault;
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
/* The names of the enums of the wire, for logs, events and the ledger, in the form in which they
 * are stored. */
#include "runtime/base/mem.h"
#include "runtime/wire/channel.h"
#include "runtime/wire/records.h"

#define X(name) [WIRE_##name] = #name,
static const char *const type_names[WIRE_TYPE_COUNT] = {WIRE_TYPES(X)};
#undef X

static const char *const down_names[WIRE_DOWN_CAUSE_COUNT] = {
	[WIRE_DOWN_STOPPED] = "stopped",
	[WIRE_DOWN_EXITED] = "exited",
	[WIRE_DOWN_SIGNALED] = "signaled",
	[WIRE_DOWN_OOM] = "oom",
	[WIRE_DOWN_SECCOMP] = "seccomp",
	[WIRE_DOWN_NEVER_LISTENED] = "never_listened",
	[WIRE_DOWN_FAILED_TO_START] = "failed_to_start",
	[WIRE_DOWN_UNRESPONSIVE] = "unresponsive",
};

#define X(kind, name, words) [WIRE_EVENT_##kind] = #name,
static const char *const event_names[WIRE_EVENT_KIND_COUNT] = {WIRE_EVENT_KINDS(X)};
#undef X

static const char *const choice_names[WIRE_CHOICE_COUNT] = {
	[WIRE_CHOICE_ONLY] = "only",   [WIRE_CHOICE_FULLEST] = "fullest",
	[WIRE_CHOICE_WOKEN] = "woken", [WIRE_CHOICE_SATURATED] = "saturated",
	[WIRE_CHOICE_OLDER] = "older",
};

static const char *const run_state_names[WIRE_RUN_STATE_COUNT] = {
	[WIRE_RUN_WAITING] = "waiting", [WIRE_RUN_DELIVERING] = "delivering",
	[WIRE_RUN_DONE] = "done",       [WIRE_RUN_FAILED] = "failed",
	[WIRE_RUN_SKIPPED] = "skipped",
};
static const char *const letter_state_names[WIRE_LETTER_STATE_COUNT] = {
	[WIRE_LETTER_WAITING] = "waiting",
	[WIRE_LETTER_DELIVERING] = "delivering",
	[WIRE_LETTER_BEHIND] = "behind",
	[WIRE_LETTER_DEAD] = "dead",
};

static const char *const run_cause_names[WIRE_RUN_CAUSE_COUNT] = {
	[WIRE_RUN_BY_TIME] = "time",
	[WIRE_RUN_BY_HAND] = "hand",
	[WIRE_RUN_MISSED] = "missed",
};

static const char *name_at(const char *const *names, size_t count, uint32_t index)
{
	return index < count && names[index] ? names[index] : "?";
}

const char *wire_type_name(uint32_t type)
{
	return name_at(type_names, ARRAY_LEN(type_names), type);
}

const char *wire_down_cause_name(uint32_t cause)
{
	return name_at(down_names, ARRAY_LEN(down_names), cause);
}

const char *wire_event_kind_name(uint32_t kind)
{
	return name_at(event_names, ARRAY_LEN(event_names), kind);
}

bool wire_event_is_of_flow(uint32_t kind)
{
	return kind == WIRE_EVENT_RUN_FAILED || kind == WIRE_EVENT_RUN_SKIPPED ||
	       kind == WIRE_EVENT_MESSAGE_DEAD || kind == WIRE_EVENT_TOPIC_UNHEARD ||
	       kind == WIRE_EVENT_WORKFLOW_FAILED;
}

const char *wire_choice_name(uint32_t reason)
{
	return name_at(choice_names, ARRAY_LEN(choice_names), reason);
}

const char *wire_run_state_name(uint32_t state)
{
	return name_at(run_state_names, ARRAY_LEN(run_state_names), state);
}

const char *wire_letter_state_name(uint32_t state)
{
	return name_at(letter_state_names, ARRAY_LEN(letter_state_names), state);
}

const char *wire_run_cause_name(uint32_t cause)
{
	return name_at(run_cause_names, ARRAY_LEN(run_cause_names), cause);
}

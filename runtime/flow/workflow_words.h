/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the protocol of workflow runs (docs/internals/workflow-protocol.md): targets,
 * queries, the fields of an event, and ids of events. Pure: no memory of their own, no store. Words
 * of a client are compared as they came and never decoded.
 */
#ifndef EBB_FLOW_WORKFLOW_WORDS_H
#define EBB_FLOW_WORKFLOW_WORDS_H

#include "runtime/flow/store_workflows.h"
#include "runtime/http/head.h"

#define WORKFLOW_BASE       "/api/ebb/workflow/v1"
#define WORKFLOW_META_MAX   65536
#define WORKFLOW_LIMIT_MAX  1000
#define WORKFLOW_WAIT_MAX_S 30
#define EVENT_ID_SIZE       32 /* evnt_ and 26 letters */
#define CURSOR_SIZE         PART_ID_SIZE

/* clang-format off */
#define WORKFLOW_TYPES(X) \
	X(run_created) X(run_started) X(run_completed) X(run_failed) X(run_cancelled) \
	X(step_created) X(step_started) X(step_completed) X(step_failed) X(step_retrying) \
	X(hook_created) X(hook_received) X(hook_disposed) X(hook_conflict) \
	X(wait_created) X(wait_completed)
/* clang-format on */
#define X(name) EVENT_##name,
enum workflow_type { WORKFLOW_TYPES(X) WORKFLOW_TYPE_COUNT };
#undef X
const char *workflow_type_name(uint32_t type); /* "run_created", ... */
const char *workflow_state_name(uint32_t state);

/* The meaning of a path; * is a word. */
enum workflow_what {
	WF_RUNS,   /* runs */
	WF_RUN,    /* runs / * */
	WF_EVENTS, /* runs / * / events */
	WF_EVENT,  /* runs / * / events / * */
	WF_STEPS,  /* and so on */
	WF_STEP,
	WF_HOOKS_OF_RUN,
	WF_WAITS,
	WF_EVENTS_ABOUT,
	WF_ANY_STEP,
	WF_HOOKS,
	WF_HOOK,
	WF_TOKEN,
	WF_STREAMS,
	WF_STREAM,
	WF_COUNT
};

struct workflow_target {
	enum workflow_what what;
	char run[WORK_ID_SIZE], id[STREAM_NAME_SIZE];
};

/* Whether a request is one of workflows at all. */
bool workflow_is_path(struct http_slice path);
/* 0, -ENOENT: it is none of these, or -EINVAL with a static sentence in *why. */
int workflow_target_parse(struct http_slice path, struct workflow_target *out, const char **why);

struct workflow_query {
	bool data;      /* with bytes of events */
	bool down, up;  /* order=desc, order=asc; or neither */
	uint64_t limit; /* UINT64_MAX: not said */
	uint64_t wait_s, from;
	bool from_end;  /* from is so many before the end */
	uint32_t state; /* WORK_STATE_COUNT: any */
	char cursor[CURSOR_SIZE], run[WORK_ID_SIZE];
};
/* 0, or -EINVAL with a static sentence in *why. Unknown names are passed over. */
int workflow_query_parse(struct http_slice query, struct workflow_query *out, const char **why);

/* An event that somebody wants to make. */
struct workflow_offer {
	uint32_t type;
	char correlation[PART_ID_SIZE], once[ONCE_SIZE];
	char name[WORK_NAME_SIZE], token[WORK_NAME_SIZE], deployment[WORK_DEPLOYMENT_SIZE];
	uint64_t spec, occurred_ms;
	uint64_t due_ms;  /* a step again, the end of a wait */
	uint64_t seen_ms; /* UINT64_MAX: not said */
	struct http_slice meta, data;
	const char *service; /* of the instance; set by the caller */
};
/* From the head of a request, and its body, which is borrowed. As above. */
int workflow_offer_parse(const struct http_head *head, struct http_slice body,
			 struct workflow_offer *out, const char **why);

/* Copies a field of printable ASCII without spaces; "" when it is absent. 0 or -EINVAL. */
int workflow_field(const struct http_head *head, const char *name, char *out, size_t size);
/* Letters, digits, _ and -, 1 to size - 1. */
bool workflow_id_valid(const char *id);

/* The id of an event: a ULID by form, of its time and its number in its run. */
void workflow_event_id(char out[EVENT_ID_SIZE], uint64_t created_us, uint64_t number);
int workflow_event_number(const char *id, uint64_t *number); /* 0 or -EINVAL */

#endif

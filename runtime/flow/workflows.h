/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of workflows of instances: changes by events, and bounds of a namespace. The
 * store has all of it; memory has sums for each namespace.
 */
#ifndef EBB_FLOW_WORKFLOWS_H
#define EBB_FLOW_WORKFLOWS_H

#include "runtime/flow/inside.h"
#include "runtime/flow/workflow_words.h"

#define WORKS_OPEN_MAX       UINT64_C(200000) /* of a namespace */
#define WORKS_MAX            UINT64_C(1000000)
#define WORK_BYTES_MAX       (UINT64_C(2) << 30)  /* of all runs and streams of a namespace */
#define WORK_BYTES_ENDING    (UINT64_C(64) << 20) /* beyond that, for what ends */
#define WORK_BYTES_OF_RUN    (UINT64_C(128) << 20)
#define RUN_BYTES_ENDING     (UINT64_C(16) << 20) /* beyond that, for ends of steps */
#define EVENTS_OF_WORK_MAX   10000
#define WORK_KEPT_US         (UINT64_C(30) * 86400 * US_PER_SEC) /* when it is over */
#define STREAM_ALONE_KEPT_US (UINT64_C(86400) * US_PER_SEC)
#define STREAMS_OF_WORK_MAX  1000
#define STREAMS_ALONE_MAX    10000 /* of a namespace */
#define CHUNKS_OF_STREAM_MAX 100000
#define STREAM_BYTES_MAX     (UINT64_C(64) << 20)

struct workspace {
	struct chain all;
	struct store_space is;
	const char *keep; /* the id of the run in hand, which gives no way; or NULL */
};

/* Why an event or a question is refused: code, status and a sentence. */
/* clang-format off */
#define WORKFLOW_REFUSALS(X) \
	X(run_not_found, 404, "there is no such run in this namespace") \
	X(step_not_found, 404, "there is no such step") \
	X(hook_not_found, 404, "there is no such hook, or it was disposed") \
	X(wait_not_found, 404, "there is no such wait") \
	X(event_not_found, 404, "there is no such event") \
	X(run_exists, 409, "a run of this id is there") \
	X(run_over, 409, "the run is over: it completed, failed or was cancelled") \
	X(run_gone, 410, "the run is over: nothing of it begins") \
	X(exists, 409, "a step, hook or wait of this id was made before") \
	X(step_over, 409, "the step is over") \
	X(wait_over, 409, "the wait is over") \
	X(events_limit, 409, "a run has at most 10000 events") \
	X(stale, 412, "the run had an event since: read its events again") \
	X(too_large, 413, "a run has at most 128 MiB and 1000 streams, a stream 64 MiB and 100000 chunks, a request 1000 of them") \
	X(too_early, 425, "the step is not to be started yet") \
	X(malformed, 400, "the request is malformed")
/* clang-format on */
#define X(name, status, why) REFUSED_##name,
enum workflow_refusal { REFUSED_NOT, WORKFLOW_REFUSALS(X) WORKFLOW_REFUSAL_COUNT };
#undef X

/* The run behind an event. */
struct workflow_result {
	bool has_event, repeated, has_run, has_part;
	struct store_work run;
	struct store_event
		event; /* its bytes are the offer's, or text; repeated: its number only */
	struct store_part part;
	uint64_t wait_ms; /* of too_early */
	char text[WORK_NAME_SIZE + WORK_ID_SIZE + 64];
};

/* Loads the sums. 0 or -errno. */
int workflows_load(struct flow *f);
void workflows_free(struct flow *f);
struct workspace *workflows_space(struct flow *f, const char *name); /* NULL: it has nothing */
int workflows_make_space(struct flow *f, const char *name, struct workspace **out);
/* Room for so many bytes more, at the cost of runs that are over. ends: of something that ends what
 * is there. 0, -EDQUOT: the namespace has as much as it may, -ENOSPC: the disk, or -errno. */
int workflows_room(struct flow *f, struct workspace *w, uint64_t bytes, bool ends);
void workflows_grew(struct flow *f, struct workspace *w, uint64_t bytes);
/* Makes an event of a run, with all that it changes. 0, an enum workflow_refusal, or -errno. */
int workflows_make(struct flow *f, const char *space, const char *run,
		   const struct workflow_offer *o, struct workflow_result *out);
/* Forgets what is over for long, and when the next is to be forgotten (or HEAP_EMPTY). */
void workflows_expire(struct flow *f, uint64_t now_us);
uint64_t workflows_expiry(struct flow *f);

/* ---- workflow_rules.c ---- */

/* A change in the making. */
struct workflow_change {
	struct flow *flow;
	const struct workflow_offer *offer;
	struct workflow_result *result; /* run is there */
	uint64_t now_us;
	bool put_part, no_event;
};

/* Makes the changes of the event, in memory alone. 0, a refusal, or -errno. */
int workflow_rule(struct workflow_change *c);
/* Whether it ends something, and so is taken when others are refused. */
bool workflow_ends(uint32_t type);

#endif

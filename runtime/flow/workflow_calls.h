/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of instances about runs of workflows (docs/internals/workflow-protocol.md). */
#ifndef EBB_FLOW_WORKFLOW_CALLS_H
#define EBB_FLOW_WORKFLOW_CALLS_H

#include "runtime/base/json.h"
#include "runtime/flow/inlets.h"
#include "runtime/flow/workflows.h"

#define PAGE_BYTES_MAX (4u << 20) /* of events, in an answer of several rows */

/* A request in hand. */
struct workflow_hand {
	struct flow *flow;
	struct conn *conn;
	const struct http_head *head;
	struct workspace *space; /* NULL: the namespace has nothing yet */
	struct workflow_target target;
	struct workflow_query query;
	struct http_slice body;
};

/* Answers the request in hand (conn_answer). */
void workflow_call(struct conn *c, const struct http_head *head);

/* ---- workflow_answer.c ---- */

void workflow_error(const struct workflow_hand *k, int status, const char *code, const char *why,
		    uint64_t wait_ms);
/* wait_ms: of too_early, or 0. */
void workflow_refuse_later(const struct workflow_hand *k, int r, const char *why, uint64_t wait_ms);
/* r: an enum workflow_refusal, or -errno. */
void workflow_refuse(const struct workflow_hand *k, int r, const char *why);
void workflow_answer(const struct workflow_hand *k, int status, struct json_out *out);

/* ---- workflow_json.c: 0 or -errno; data: with the bytes of events ---- */

void workflow_write_event(struct json_out *o, const char *key, const struct store_event *e,
			  bool data);
int workflow_write_run(struct flow *f, struct json_out *o, const char *key,
		       const struct store_work *run, bool data);
int workflow_write_part(struct flow *f, struct json_out *o, const char *key,
			const struct store_part *part, bool data);

/* ---- stream_calls.c ---- */

void stream_append(const struct workflow_hand *k);
void stream_read(const struct workflow_hand *k);
void streams_list(const struct workflow_hand *k);

#endif

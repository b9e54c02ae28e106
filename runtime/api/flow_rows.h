/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to ebb-flow and lists of its rows: for schedules, queues and workflows. */
#ifndef EBB_API_FLOW_ROWS_H
#define EBB_API_FLOW_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/api/calls.h"

struct json_out;

/* A list in an answer: {key: [rows]}. */
struct flow_rows {
	const char *action, *key; /* action completes "cannot ..." */
	size_t size;              /* of one row */
	void (*write)(struct json_out *o, const void *row);
	const char *absent, *mend; /* of a 404 where ebb-flow knows no such thing; NULL: none */
};

/* Sends a record with a question to ebb-flow; done gets its answer. */
void flow_ask(struct request *rq, uint32_t type, void *record, size_t size, answer_fn done);
/* Answers with the rows, or with the error. rq may be NULL. */
void flow_reply(struct request *rq, const struct answer *answer, const struct flow_rows *rows);
/* 0 is written as null. */
void flow_write_time(struct json_out *o, const char *key, uint64_t at_us);
/* Reads a parameter, which may be missing unless it is needed; then *out is "". False after having
 * answered 400 with this mend. */
bool flow_read_word(struct request *rq, const char *name, bool needed, const char *mend, char *out,
		    size_t size);

#endif

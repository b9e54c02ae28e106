// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/flow_rows.h"

#include <errno.h>

#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/base/clock.h"

void flow_ask(struct request *rq, uint32_t type, void *record, size_t size, answer_fn done)
{
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_FLOW,
					      .type = type,
					      .record = record,
					      .size = size,
					      .rq = rq,
					      .done = done});
}

void flow_reply(struct request *rq, const struct answer *answer, const struct flow_rows *rows)
{
	const char *row = answer->records;
	struct json_out o;

	if (answer->err == ENOENT && rq && rows->absent) {
		problem_reply(rq, 404, rows->mend, "%s", rows->absent);
		return;
	}
	if (answer->err || !rq) {
		problem_reply_answer(rq, rows->action, answer);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, rows->key);
	for (size_t i = 0; i < answer->count; i++)
		rows->write(&o, row + i * rows->size);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

void flow_write_time(struct json_out *o, const char *key, uint64_t at_us)
{
	char date[CLOCK_DATE_SIZE];

	json_out_string(o, key, at_us ? clock_rfc3339(at_us, date) : NULL);
}

bool flow_read_word(struct request *rq, const char *name, bool needed, const char *mend, char *out,
		    size_t size)
{
	int r = request_query(rq, name, out, size);

	if (r == 0)
		*out = '\0';
	if (r == 1 || (r == 0 && !needed))
		return true;
	problem_reply(rq, 400, mend, "%s: %s", name, r == 0 ? "is missing" : "names nothing");
	return false;
}

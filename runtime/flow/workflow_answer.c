// SPDX-License-Identifier: Apache-2.0
/* Answers to requests about runs of workflows, and refusals with their codes. */
#include <errno.h>

#include "runtime/base/mem.h"
#include "runtime/flow/workflow_calls.h"

static const struct {
	int status;
	const char *code, *why;
} refusals[WORKFLOW_REFUSAL_COUNT] = {
#define X(name, status, why) [REFUSED_##name] = {status, #name, why},
	WORKFLOW_REFUSALS(X)
#undef X
};

/* ---- answers ---- */

void workflow_error(const struct workflow_hand *k, int status, const char *code, const char *why,
		    uint64_t wait_ms)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "error", why);
	json_out_string(&o, "code", code);
	if (wait_ms)
		json_out_u64(&o, "retryAfterMs", wait_ms);
	json_out_end_object(&o);
	conn_answer(k->conn, status, status == 503 ? "retry-after: 1\r\n" : "", "application/json",
		    o.failed ? "" : o.text, o.failed ? 0 : o.length);
	json_out_fini(&o);
}

void workflow_refuse_later(const struct workflow_hand *k, int r, const char *why, uint64_t wait_ms)
{
	const char *words;
	int broken = store_broken(k->flow->store, &words);

	if (r > 0 && r < WORKFLOW_REFUSAL_COUNT) {
		const char *code = r == REFUSED_run_gone ? "run_over" : refusals[r].code;

		workflow_error(k, refusals[r].status, code, why ? why : refusals[r].why, wait_ms);
	} else if (r == -ENOSPC || broken == ENOSPC) {
		workflow_error(k, 507, "full",
			       "the disk of workflows is full: free some of it (flow_dir of "
			       "ebbd.conf); runs that are there go on",
			       0);
	} else if (r == -EDQUOT) {
		workflow_error(
			k, 507, "full",
			"the namespace has 200000 runs that are not over, 2 GiB of runs that "
			"are not over, or 10000 streams of runs that are not there: see "
			"`ebb runs`",
			0);
	} else {
		workflow_error(k, 503, "unavailable", "the store of workflows cannot be used now",
			       0);
	}
}

void workflow_refuse(const struct workflow_hand *k, int r, const char *why)
{
	workflow_refuse_later(k, r, why, 0);
}

void workflow_answer(const struct workflow_hand *k, int status, struct json_out *out)
{
	if (out->failed)
		workflow_error(k, 503, "unavailable", "there is no memory for the answer", 0);
	else
		conn_answer(k->conn, status, "", "application/json", out->text, out->length);
}

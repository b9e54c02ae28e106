// SPDX-License-Identifier: Apache-2.0
/* /v1/workflows: runs of workflows, and the log of one; one is cancelled, or goes on once more. */
#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/flow_rows.h"
#include "runtime/api/handlers.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/base/text.h"

#define MEND   "ebb runs ls shows runs that are there"
#define NO_RUN "there is no such run"

static const char *const states[WIRE_WORK_ALL] = {
	[WIRE_WORK_PENDING] = "pending",     [WIRE_WORK_RUNNING] = "running",
	[WIRE_WORK_COMPLETED] = "completed", [WIRE_WORK_FAILED] = "failed",
	[WIRE_WORK_CANCELLED] = "cancelled",
};

static void write_work(struct json_out *o, const void *of)
{
	const struct wire_work_row *row = of;

	json_out_object(o, NULL);
	json_out_string(o, "id", row->id);
	json_out_string(o, "namespace", row->space);
	json_out_string(o, "service", row->service);
	json_out_string(o, "workflow", row->name);
	json_out_string(o, "deployment", row->deployment);
	json_out_string(o, "state", row->state < WIRE_WORK_ALL ? states[row->state] : "unknown");
	json_out_u64(o, "events", row->events);
	json_out_u64(o, "bytes", row->bytes);
	flow_write_time(o, "created_at", row->created_us);
	flow_write_time(o, "started_at", row->started_us);
	flow_write_time(o, "updated_at", row->updated_us);
	flow_write_time(o, "ended_at", row->ended_us);
	json_out_end_object(o);
}

static void refuse_unknown(struct request *rq)
{
	problem_reply(rq, 404, MEND, NO_RUN);
}

static void on_works(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	static const struct flow_rows rows = {"list the runs", "runs", sizeof(struct wire_work_row),
					      write_work,      NO_RUN, MEND};

	(void)api;
	(void)ctx;
	flow_reply(rq, answer, &rows);
}

static bool read_state(struct request *rq, uint32_t *state)
{
	char word[16];

	if (!flow_read_word(rq, "state", false, MEND, word, sizeof(word)))
		return false;
	for (*state = 0; *state < WIRE_WORK_ALL; (*state)++)
		if (strcmp(word, states[*state]) == 0)
			return true;
	if (!*word)
		return true;
	problem_reply(rq, 400, MEND, "state: is pending, running, completed, failed or cancelled");
	return false;
}

void get_workflows(struct request *rq)
{
	struct wire_works_get get = {0};

	if (flow_read_word(rq, "namespace", false, MEND, get.space, sizeof(get.space)) &&
	    flow_read_word(rq, "id", false, MEND, get.id, sizeof(get.id)) &&
	    read_state(rq, &get.state))
		flow_ask(rq, WIRE_WORKS_GET, &get, sizeof(get), on_works);
}

/* ---- the log of one ---- */

static bool is_id(const char *id)
{
	return strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
		       strlen(id) &&
	       strlen(id) < 65;
}

/* The words that name one run. False after having answered. */
static bool read_run(struct request *rq, char space[SERVICE_NAME_SIZE], char id[WORK_ID_ROOM])
{
	if (!flow_read_word(rq, "namespace", true, MEND, space, SERVICE_NAME_SIZE) ||
	    !flow_read_word(rq, "id", true, MEND, id, WORK_ID_ROOM))
		return false;
	if (*space && *id && is_id(id))
		return true;
	refuse_unknown(rq);
	return false;
}

static void write_event(struct json_out *o, const void *of)
{
	const struct wire_work_event_row *row = of;

	json_out_object(o, NULL);
	json_out_string(o, "id", row->id);
	json_out_u64(o, "number", row->number);
	json_out_string(o, "event", row->type);
	flow_write_time(o, "created_at", row->created_us);
	json_out_string(o, "about", *row->about ? row->about : NULL);
	json_out_string(o, "step", *row->step ? row->step : NULL);
	json_out_u64(o, "bytes", row->bytes);
	json_out_end_object(o);
}

static void on_events(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	static const struct flow_rows rows = {
		"list the events", "events", sizeof(struct wire_work_event_row),
		write_event,       NO_RUN,   MEND};

	(void)api;
	(void)ctx;
	flow_reply(rq, answer, &rows);
}

void get_workflow_events(struct request *rq)
{
	struct wire_work_events_get get = {0};
	char after[24];

	if (!read_run(rq, get.space, get.id) ||
	    !flow_read_word(rq, "after", false, MEND, after, sizeof(after)))
		return;
	if (*after && text_parse_u64(after, 0, INT64_MAX, &get.after) < 0)
		problem_reply(rq, 400, "name the number of the last event that is known",
			      "after: is no number of an event");
	else
		flow_ask(rq, WIRE_WORK_EVENTS_GET, &get, sizeof(get), on_events);
}

/* ---- moving one ---- */

static void on_moved(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_result *result = answer->records;
	struct json_out o;

	(void)api;
	(void)ctx;
	if (!rq)
		return;
	if (answer->err == ENOENT) {
		refuse_unknown(rq);
		return;
	}
	if (answer->err == EALREADY) {
		problem_reply(rq, 409, MEND, "the run is over");
		return;
	}
	if (answer->err || answer->count != 1) {
		problem_reply_answer(rq, "change the run", answer);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "run", result->text);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static void move(struct request *rq, bool retry)
{
	struct wire_works_get get = {.retry = retry};

	if (read_run(rq, get.space, get.id))
		flow_ask(rq, WIRE_WORK_MOVE, &get, sizeof(get), on_moved);
}

void post_workflow_cancel(struct request *rq)
{
	move(rq, false);
}

void post_workflow_retry(struct request *rq)
{
	move(rq, true);
}

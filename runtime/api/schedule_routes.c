// SPDX-License-Identifier: Apache-2.0
/* /v1/schedules and /v1/runs: schedules with their next and last runs, and a run by hand. */
#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/flow_rows.h"
#include "runtime/api/handlers.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/base/text.h"

static void write_run(struct json_out *o, const char *key, const struct wire_run_row *run,
		      bool named)
{
	json_out_object(o, key);
	json_out_string(o, "id", run->id);
	if (named) {
		json_out_string(o, "service", run->service);
		json_out_string(o, "schedule", run->schedule);
	}
	json_out_string(o, "state", wire_run_state_name(run->state));
	json_out_string(o, "cause", wire_run_cause_name(run->cause));
	flow_write_time(o, "scheduled_at", run->scheduled_us);
	flow_write_time(o, "due_at", run->due_us);
	flow_write_time(o, "begun_at", run->begun_us);
	flow_write_time(o, "ended_at", run->ended_us);
	json_out_u64(o, "attempts", run->attempts);
	json_out_u64(o, "status", run->status);
	json_out_string(o, "text", run->text);
	json_out_end_object(o);
}

static void write_listed_run(struct json_out *o, const void *row)
{
	write_run(o, NULL, row, true);
}

static void write_schedule(struct json_out *o, const void *of)
{
	const struct wire_schedule_row *row = of;

	json_out_object(o, NULL);
	json_out_string(o, "service", row->service);
	json_out_string(o, "name", row->schedule);
	json_out_string(o, "schedule", row->expression);
	json_out_string(o, "timezone", *row->zone ? row->zone : "UTC");
	json_out_string(o, "path", *row->topic ? NULL : row->path);
	json_out_string(o, "topic", *row->topic ? row->topic : NULL);
	flow_write_time(o, "next_at", row->next_us);
	json_out_u64(o, "open", row->open);
	if (row->has_run)
		write_run(o, "last", &row->run, false);
	else
		json_out_string(o, "last", NULL);
	json_out_end_object(o);
}

static void on_schedules(struct api *api, struct request *rq, void *ctx,
			 const struct answer *answer)
{
	static const struct flow_rows rows = {"list the schedules", "schedules",
					      sizeof(struct wire_schedule_row), write_schedule};

	(void)api;
	(void)ctx;
	flow_reply(rq, answer, &rows);
}

/* Reads ?service, which is to exist if it is there. False after having answered. */
static bool read_service(struct request *rq, char service[SERVICE_NAME_SIZE])
{
	int r = request_query(rq, "service", service, SERVICE_NAME_SIZE);

	if (r == 0)
		*service = '\0';
	if (r == 0 || (r == 1 && services_find(rq->api->services, service)))
		return true;
	answer_no_service(rq, r == 1 ? service : "?");
	return false;
}

void get_schedules(struct request *rq)
{
	struct wire_schedules_get get = {0};

	if (!read_service(rq, get.service))
		return;
	flow_ask(rq, WIRE_SCHEDULES_GET, &get, sizeof(get), on_schedules);
}

static void on_runs(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	static const struct flow_rows rows = {"list the runs", "runs", sizeof(struct wire_run_row),
					      write_listed_run};

	(void)api;
	(void)ctx;
	flow_reply(rq, answer, &rows);
}

/* A name that does not fit is none. */
static bool read_schedule(struct request *rq, const char *parameter, bool needed,
			  char schedule[SCHEDULE_NAME_SIZE])
{
	int r = request_query(rq, parameter, schedule, SCHEDULE_NAME_SIZE);

	if (r == 1 || (r == 0 && !needed))
		return true;
	problem_reply(rq, 400, "ebb crons ls shows what there is", "%s: it names no schedule",
		      parameter);
	return false;
}

void get_runs(struct request *rq)
{
	struct wire_runs_get get = {0};

	if (!read_service(rq, get.service) || !read_schedule(rq, "schedule", false, get.schedule))
		return;
	flow_ask(rq, WIRE_RUNS_GET, &get, sizeof(get), on_runs);
}

/* ---- by hand ---- */

static void on_run(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_result *result = answer->records;
	struct json_out o;

	(void)api;
	(void)ctx;
	if (!rq)
		return;
	if (answer->err || answer->count != 1) {
		problem_reply_answer(rq, "run the schedule", answer);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "run", result->text);
	json_out_end_object(&o);
	reply_json(rq, 202, NULL, &o);
}

static bool has(const struct service *s, const char *schedule)
{
	for (uint32_t i = 0; i < s->current.spec.schedule_count; i++)
		if (strcmp(s->current.spec.schedules[i].name, schedule) == 0)
			return true;
	return false;
}

/* The one service that has a schedule of this name; NULL after having answered. */
static const struct service *find_owner(struct request *rq, const char *schedule)
{
	const struct service *found = NULL;
	size_t count = 0;

	for (size_t i = 0; i < services_count(rq->api->services); i++) {
		const struct service *s = services_at(rq->api->services, i);

		if (s->current.number && has(s, schedule)) {
			found = s;
			count++;
		}
	}
	if (count == 1)
		return found;
	problem_reply(rq, count ? 409 : 404,
		      count ? "say which with service" : "ebb crons ls shows what there is",
		      "%zu services have a schedule '%.200s'", count, schedule);
	return NULL;
}

void post_schedule_run(struct request *rq)
{
	struct wire_schedule_run run = {0};
	const struct service *s;

	if (!read_service(rq, run.service) || !read_schedule(rq, "name", true, run.schedule))
		return;
	s = *run.service ? services_find(rq->api->services, run.service)
			 : find_owner(rq, run.schedule);
	if (!s)
		return;
	if (!has(s, run.schedule)) {
		problem_reply(rq, 404, "ebb crons ls shows what there is",
			      "service '%s' has no schedule '%.200s'", s->name, run.schedule);
		return;
	}
	(void)text_copy(run.service, sizeof(run.service), s->name);
	flow_ask(rq, WIRE_SCHEDULE_RUN, &run, sizeof(run), on_run);
}

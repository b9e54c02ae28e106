// SPDX-License-Identifier: Apache-2.0
/* Instances as ebbd shows them, and freeze, thaw, stop. */
#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/gather.h"
#include "runtime/api/handlers.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

static const char *state_name(uint32_t state)
{
	static const char *const names[] = {
		[WIRE_INSTANCE_STARTING] = "starting",
		[WIRE_INSTANCE_RUNNING] = "running",
		[WIRE_INSTANCE_FROZEN] = "frozen",
		[WIRE_INSTANCE_DRAINING] = "draining",
	};

	return state < ARRAY_LEN(names) ? names[state] : "unknown";
}

static void write_instance(struct json_out *o, const struct wire_instance_info *info)
{
	char when[28];

	json_out_object(o, NULL);
	json_out_string(o, "id", info->id);
	json_out_string(o, "service", info->service);
	json_out_u64(o, "revision", info->revision);
	json_out_string(o, "state", state_name(info->state));
	json_out_u64(o, "tickets", info->tickets);
	json_out_u64(o, "holds", info->holds);
	json_out_i64(o, "pid", info->pid);
	json_out_u64(o, "cpu_us", info->cpu_us);
	json_out_u64(o, "awake_us", info->awake_us);
	json_out_u64(o, "frozen_us", info->frozen_us);
	json_out_u64(o, "memory_bytes", info->memory_bytes);
	json_out_u64(o, "invocations", info->invocations);
	json_out_u64(o, "freezes", info->freezes);
	json_out_u64(o, "thaws", info->thaws);
	json_out_string(o, "started_at", clock_rfc3339(info->started_us, when));
	json_out_end_object(o);
}

/* Whether the service exists, or was removed a moment ago and has instances that finish
 * their work. */
static bool is_known(struct api *api, const char *service, const struct wire_instance_info *infos,
		     size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(infos[i].service, service) == 0)
			return true;
	return services_find(api->services, service) != NULL;
}

static void on_list(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_instance_info *infos = answer->records;
	struct json_out o;
	char service[SERVICE_NAME_SIZE] = "";

	(void)ctx;
	if (!rq)
		return;
	if (answer->err) {
		problem_reply_answer(rq, "list the instances", answer);
		return;
	}
	(void)request_query(rq, "service", service, sizeof(service));
	if (*service && !is_known(api, service, infos, answer->count)) {
		answer_no_service(rq, service);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "instances");
	for (size_t i = 0; i < answer->count; i++)
		if (!*service || strcmp(service, infos[i].service) == 0)
			write_instance(&o, &infos[i]);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

void get_instances(struct request *rq)
{
	char service[SERVICE_NAME_SIZE];

	if (request_query(rq, "service", service, sizeof(service)) < 0)
		problem_reply(rq, 400, "ebb ls shows what there is",
			      "service: it is not a name of a service");
	else
		gather_instances(rq->api, rq, on_list, NULL);
}

/* The instance that rq names; NULL after having answered, or when the client has left. */
static const struct wire_instance_info *pick(struct request *rq, const struct answer *answer)
{
	const struct wire_instance_info *infos = answer->records;

	if (!rq)
		return NULL;
	if (answer->err) {
		problem_reply_answer(rq, "read the instance", answer);
		return NULL;
	}
	for (size_t i = 0; i < answer->count; i++)
		if (strcmp(infos[i].id, rq->arg) == 0)
			return &infos[i];
	answer_no_instance(rq, rq->arg, infos, answer->count);
	return NULL;
}

static void on_one(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_instance_info *info = pick(rq, answer);
	struct json_out o;

	(void)api;
	(void)ctx;
	if (!info)
		return;
	json_out_init(&o);
	write_instance(&o, info);
	reply_json(rq, 200, NULL, &o);
}

void get_instance(struct request *rq)
{
	gather_instances(rq->api, rq, on_one, NULL);
}

static void on_why(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_instance_info *info = pick(rq, answer);
	struct json_out o;

	(void)api;
	(void)ctx;
	if (!info)
		return;
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "id", info->id);
	json_out_string(&o, "state", state_name(info->state));
	json_out_u64(&o, "tickets", info->tickets);
	json_out_u64(&o, "holds", info->holds);
	json_out_string(&o, "why", info->why);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

void get_instance_why(struct request *rq)
{
	gather_instances(rq->api, rq, on_why, NULL);
}

/* ---- commands ---- */

static const char *const command_names[] = {
	[WIRE_COMMAND_FREEZE] = "freeze",
	[WIRE_COMMAND_THAW] = "thaw",
	[WIRE_COMMAND_STOP] = "stop",
};

/* Answers 404 and suggests the nearest existing name. That is the same name if the instance has
 * come up since the command failed. */
static void on_missing(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)api;
	(void)ctx;
	if (rq)
		answer_no_instance(rq, rq->arg, answer->records, answer->err ? 0 : answer->count);
}

static void on_commanded(struct api *api, struct request *rq, void *ctx,
			 const struct answer *answer)
{
	const char *command = ctx;
	struct json_out o;
	char what[160];

	if (!rq)
		return;
	if (answer->err == ENOENT || answer->err == ESRCH) {
		gather_instances(api, rq, on_missing, NULL);
		return;
	}
	if (answer->err) {
		(void)text_format(what, sizeof(what), "%s instance '%.96s'", command, rq->arg);
		problem_reply_answer(rq, what, answer);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "id", rq->arg);
	json_out_string(&o, "done", command);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static void command(struct request *rq, enum wire_instance_command what)
{
	struct wire_instance_command_record record = {.command = what};

	if (text_copy(record.id, sizeof(record.id), rq->arg) < 0) {
		answer_no_instance(rq, rq->arg, NULL, 0);
		return;
	}
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_EBBD,
					      .type = WIRE_INSTANCE_COMMAND,
					      .record = &record,
					      .size = sizeof(record),
					      .timeout_ms = 60000,
					      .rq = rq,
					      .done = on_commanded,
					      .ctx = (void *)(uintptr_t)command_names[what]});
}

void post_instance_freeze(struct request *rq)
{
	command(rq, WIRE_COMMAND_FREEZE);
}

void post_instance_thaw(struct request *rq)
{
	command(rq, WIRE_COMMAND_THAW);
}

void post_instance_stop(struct request *rq)
{
	command(rq, WIRE_COMMAND_STOP);
}

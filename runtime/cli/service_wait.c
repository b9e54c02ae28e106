// SPDX-License-Identifier: Apache-2.0
/* Waits until a service is ready to serve: the server has taken the service, the instances that the
 * service keeps (at least one) accept connections, and instances of older revisions take no more
 * requests. Asks the server every WAIT_EVERY_MS. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/cli/api.h"
#include "runtime/cli/deploy.h"
#include "runtime/cli/text_out.h"

#define SERVICES      "/v1/services/"
#define WAIT_NS       (120 * NS_PER_SEC)
#define WAIT_EVERY_MS 100

enum readiness { WAITING, READY, BROKEN };

static bool takes_requests(const struct json *instance)
{
	const char *state = json_string(json_get(instance, "state"));

	return state && (strcmp(state, "running") == 0 || strcmp(state, "frozen") == 0);
}

/* Whether an earlier revision is meant to serve (`ebb traffic`). */
static bool gets_traffic(const struct json *service, int64_t revision)
{
	const struct json *shares = json_get(service, "traffic");
	int64_t named;

	for (size_t i = 0; i < json_count(shares); i++)
		if (json_int(json_get(json_at(shares, i), "revision"), &named) == 0 &&
		    named == revision)
			return true;
	return false;
}

/* READY when the current revision has as many instances as the service keeps (at least one), and no
 * instance of an older revision takes requests, unless that revision shares the traffic. */
static enum readiness judge(const struct json *service, const struct json *instances)
{
	int64_t wanted = 0, revision = 0, started = 0, own;

	(void)json_int(json_get(service, "minInstances"), &wanted);
	(void)json_int(json_get(service, "revision"), &revision);
	for (size_t i = 0; i < json_count(instances); i++) {
		const struct json *one = json_at(instances, i);

		if (!takes_requests(one) || json_int(json_get(one, "revision"), &own) < 0)
			continue;
		if (own == revision)
			started++;
		else if (!gets_traffic(service, own))
			return WAITING;
	}
	return started >= (wanted > 0 ? wanted : 1) ? READY : WAITING;
}

static int look(const struct call *call, const char *name, const struct json *service,
		const char *action, enum readiness *out)
{
	const char *state = json_string(json_get(service, "state"));
	struct api_answer answer;
	char target[1200];
	int r;

	if (state && strcmp(state, "failed") == 0) {
		*out = BROKEN;
		return CLI_DONE;
	}
	r = api_target(target, sizeof(target), "/v1/instances?service=", name, "");
	if (r == CLI_DONE)
		r = api_call(call, "GET", target, action, &answer);
	if (r != CLI_DONE)
		return r;
	*out = judge(service, api_list(answer.document, "instances"));
	api_answer_fini(&answer);
	return CLI_DONE;
}

void service_last_lines(const struct call *call, const char *name)
{
	struct conn_request request = {.method = "GET", .accept = "text/plain", .body_fd = -1};
	struct api_answer answer;
	char target[1200];
	char *saved, *line;

	if (api_target(target, sizeof(target), SERVICES, name, "/logs?tail=10") != CLI_DONE)
		return;
	request.target = target;
	if (api_try(call, &request, "read its log", &answer) != CLI_DONE)
		return;
	line = answer.status == 200 && answer.text ? strtok_r(answer.text, "\n", &saved) : NULL;
	if (line)
		say_note("last lines of %s:", name);
	for (; line; line = strtok_r(NULL, "\n", &saved))
		say_note("  %s", line);
	api_answer_fini(&answer);
}

/* Has one instance started: without minInstances none would start before the first request. */
static int start_one(const struct call *call, const char *name, const char *action)
{
	struct api_answer answer;
	char target[1200];
	const struct conn_request request = {.method = "POST",
					     .target = target,
					     .accept = "application/json",
					     .body_fd = -1,
					     .repeatable = true};
	int r = api_target(target, sizeof(target), SERVICES, name, "/start");

	if (r == CLI_DONE)
		r = api_exchange(call, &request, action, &answer);
	if (r == CLI_DONE)
		api_answer_fini(&answer);
	return r;
}

static int end_wait(const struct call *call, enum readiness how, const char *name,
		    const struct json *service, struct json_out *answers)
{
	const char *error = json_string(json_get(service, "error"));
	int64_t revision = 1;

	(void)json_int(json_get(service, "revision"), &revision);
	if (how == READY) {
		if (answers)
			json_out_value(answers, NULL, service);
		return CLI_DONE;
	}
	service_last_lines(call, name);
	say_error(
		error ? error : "its instances do not accept connections",
		revision > 1
			? "ebb logs and ebb events tell more; the last revision that started goes "
			  "on serving, ebb rollback makes it the present one"
			: "ebb logs and ebb events tell more",
		how == BROKEN ? "%s failed" : "%s is not ready after two minutes", name);
	return CLI_FAILED;
}

/* Waits a moment. READY when a signal came: the caller that wants signals then goes on. */
static enum readiness pause_or_signal(const struct call *call)
{
	struct pollfd wait = {.fd = call->signals_fd, .events = POLLIN};

	return poll(&wait, 1, WAIT_EVERY_MS) > 0 ? READY : WAITING;
}

int service_wait(const struct call *call, const char *name, struct json_out *answers)
{
	uint64_t deadline_ns = clock_mono_ns() + WAIT_NS;
	enum readiness how = WAITING;
	char target[1200], action[128];
	int r = api_target(target, sizeof(target), SERVICES, name, "");

	snprintf(action, sizeof(action), "wait for %.100s", name);
	if (r == CLI_DONE)
		r = start_one(call, name, action);
	while (r == CLI_DONE && how == WAITING) {
		struct api_answer answer;

		r = api_call(call, "GET", target, action, &answer);
		if (r != CLI_DONE)
			break;
		r = look(call, name, answer.document, action, &how);
		if (r == CLI_DONE && (how != WAITING || clock_mono_ns() > deadline_ns)) {
			r = end_wait(call, how, name, answer.document, answers);
			how = READY; /* the wait is over, also after an error */
		}
		api_answer_fini(&answer);
		if (how == WAITING)
			how = pause_or_signal(call);
	}
	return r;
}

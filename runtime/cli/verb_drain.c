// SPDX-License-Identifier: Apache-2.0
/* drain, undrain: whether this host takes new work. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/text_out.h"

#define OPERATIONS "/v1/operations/"
#define DRAIN      "drain this host"

static bool is_running(const struct json *operation)
{
	const char *state = json_string(json_get(operation, "state"));

	return state && strcmp(state, "running") == 0;
}

/* Judges the answer that the operation has got, as if it were the answer of the request. */
static int judge(const struct json *operation)
{
	const struct json *result = json_get(operation, "result");
	int64_t status = 0;

	(void)json_int(json_get(operation, "status"), &status);
	return status < 400 ? CLI_DONE : api_refused(DRAIN, (int)status, result, "");
}

/* Asks for the operation until it has ended; the server answers each request after 30 s at most. */
static int await_end(const struct call *call, struct api_answer *answer)
{
	char target[200];
	int r = CLI_DONE;

	while (r == CLI_DONE && is_running(answer->document)) {
		const char *id = json_string(json_get(answer->document, "id"));

		r = api_target(target, sizeof(target), OPERATIONS, id ? id : "", "?wait=30s");
		api_answer_fini(answer);
		if (r == CLI_DONE)
			r = api_call(call, "GET", target, DRAIN, answer);
	}
	return r;
}

int verb_drain(struct call *call)
{
	const char *deadline = args_value(&call->args, "deadline");
	bool wait = args_given(&call->args, "wait");
	struct api_answer answer;
	char target[1200];
	int r = CLI_DONE;

	(void)text_copy(target, sizeof(target), "/v1/node/drain?async=1");
	if (deadline)
		r = api_target(target, sizeof(target), "/v1/node/drain?async=1&deadline=", deadline,
			       "");
	if (r == CLI_DONE)
		r = api_call(call, "POST", target, DRAIN, &answer);
	if (r == CLI_DONE && wait)
		r = await_end(call, &answer);
	if (r != CLI_DONE)
		return r;
	r = judge(answer.document);
	if (r == CLI_DONE && call->json)
		api_print(answer.document);
	else if (r == CLI_DONE)
		printf("%s\n", is_running(answer.document)
				       ? "this host takes no new work; ebb ps shows what goes on"
				       : "this host takes no new work, and its instances are gone");
	api_answer_fini(&answer);
	return r;
}

int verb_undrain(struct call *call)
{
	struct api_answer answer;
	int r = api_call(call, "POST", "/v1/node/undrain", "take work again", &answer);

	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(answer.document);
	else
		printf("this host takes work\n");
	api_answer_fini(&answer);
	return CLI_DONE;
}

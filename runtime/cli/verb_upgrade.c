// SPDX-License-Identifier: Apache-2.0
/* upgrade: the binaries that stand in the place of those that run take over. */
#include <poll.h>
#include <stdio.h>

#include "runtime/base/clock.h"
#include "runtime/cli/api.h"
#include "runtime/cli/text_out.h"

#define UPGRADE       "upgrade"
#define WAIT_NS       (150 * NS_PER_SEC) /* ebbd goes back after a minute, and takes a while */
#define WAIT_EVERY_MS 50

enum outcome { WAITING, UPGRADED, FAILED };

static int64_t number(const struct json *document, const char *key)
{
	int64_t value = 0;

	(void)json_int(json_get(document, key), &value);
	return value;
}

/* The server is away for a moment. `before` has both counts as they were. */
static enum outcome look(const struct call *call, const struct json *before)
{
	struct api_answer answer;
	enum outcome outcome = WAITING;

	if (api_ask(call, "/v1/node", &answer) < 0)
		return WAITING;
	if (answer.status != 200)
		outcome = WAITING;
	else if (number(answer.document, "upgrades") > number(before, "upgrades"))
		outcome = UPGRADED;
	else if (number(answer.document, "upgrades_failed") > number(before, "upgrades_failed"))
		outcome = FAILED;
	api_answer_fini(&answer);
	return outcome;
}

static int await_outcome(const struct call *call, const struct json *before)
{
	uint64_t until_ns = clock_mono_ns() + WAIT_NS;
	enum outcome outcome;

	while ((outcome = look(call, before)) == WAITING && clock_mono_ns() < until_ns)
		(void)poll(NULL, 0, WAIT_EVERY_MS);
	if (outcome == UPGRADED)
		return CLI_DONE;
	if (outcome == FAILED)
		say_error("the new version could not go on, and the one before does",
			  "ebb events --kind upgrade_failed, and the log of ebbd, say why",
			  "cannot " UPGRADE);
	else
		say_error("neither of both versions has said that it serves", "see the log of ebbd",
			  "cannot " UPGRADE);
	return CLI_FAILED;
}

static void print(const struct call *call, const struct json *said, bool dry)
{
	const char *from = json_string(json_get(said, "from"));
	const char *to = json_string(json_get(said, "to"));
	char safe[2][64];

	if (call->json) {
		api_print(said);
		return;
	}
	(void)text_escape(safe[0], sizeof(safe[0]), from ? from : "?");
	(void)text_escape(safe[1], sizeof(safe[1]), to ? to : "?");
	printf(dry ? "ebb %s runs, and %s can follow it\n" : "ebb %s has been followed by %s\n",
	       safe[0], safe[1]);
}

int verb_upgrade(struct call *call)
{
	bool dry = args_given(&call->args, "dry-run");
	struct api_answer answer;
	int r = api_call(call, "POST", dry ? "/v1/node/upgrade?dryRun=1" : "/v1/node/upgrade",
			 UPGRADE, &answer);

	if (r != CLI_DONE)
		return r;
	if (!dry)
		r = await_outcome(call, answer.document);
	if (r == CLI_DONE)
		print(call, answer.document, dry);
	api_answer_fini(&answer);
	return r;
}

// SPDX-License-Identifier: Apache-2.0
/* queue ls, peek, retry, purge: topics of namespaces, and their messages. */
#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/listing.h"
#include "runtime/cli/table.h"

static const struct column queue_columns[] = {
	{.title = "NAMESPACE", .key = "namespace"},
	{.title = "TOPIC", .key = "topic"},
	{.title = "CONSUMER", .key = "consumer"},
	{.title = "MODE", .key = "mode"},
	{.title = "WAITING", .key = "waiting", .right = true},
	{.title = "DELIVERING", .key = "delivering", .right = true},
	{.title = "DEAD", .key = "dead", .right = true},
	{.title = "NEXT", .key = "next_due_at"},
};

static const struct column message_columns[] = {
	{.title = "ID", .key = "id"},
	{.title = "CONSUMER", .key = "consumer"},
	{.title = "STATE", .key = "state"},
	{.title = "TRIES", .key = "attempts", .right = true},
	{.title = "SENT", .key = "created_at"},
	{.title = "DUE", .key = "due_at"},
	{.title = "BYTES", .key = "bytes", .right = true},
	{.title = "BODY", .key = "body"},
	{.title = "WHY", .key = "text"},
};

/* NAMESPACE/TOPIC is two words of a target, and so are --consumer and --id. */
static int make_target(struct call *call, const char *base, char target[API_TARGET_SIZE])
{
	const char *of = args_word(&call->args, 0), *slash = NULL;
	char space[256];
	int r;

	for (const char *at = of; *at && !slash; at++)
		slash = *at == '/' ? at : NULL;
	if (!slash || slash == of || !slash[1] || (size_t)(slash - of) >= sizeof(space)) {
		(void)fprintf(stderr, "ebb: '%s' is no NAMESPACE/TOPIC; ebb queue ls shows them\n",
			      of);
		return CLI_USAGE;
	}
	(void)snprintf(space, sizeof(space), "%.*s", (int)(slash - of), of);
	(void)snprintf(target, API_TARGET_SIZE, "%s", base);
	r = api_parameter(target, "namespace", space);
	if (r == CLI_DONE)
		r = api_parameter(target, "topic", slash + 1);
	if (r == CLI_DONE)
		r = api_parameter(target, "consumer", args_value(&call->args, "consumer"));
	if (r == CLI_DONE)
		r = api_parameter(target, "id", args_value(&call->args, "id"));
	if (r == CLI_DONE && args_given(&call->args, "dead"))
		r = api_parameter(target, "dead", "1");
	return r;
}

int verb_queue_ls(struct call *call)
{
	static const struct listing listing = {.action = "list the queues",
					       .key = "queues",
					       .name = "topic",
					       .columns = queue_columns,
					       .column_count = ARRAY_LEN(queue_columns),
					       .none = "no topics; a message to one makes it, and "
						       "experimentalTriggers in ebb.json"};
	char target[API_TARGET_SIZE] = "/v1/queues";
	int r = api_parameter(target, "namespace", args_value(&call->args, "namespace"));

	return r == CLI_DONE ? listing_show(call, target, &listing) : r;
}

int verb_queue_peek(struct call *call)
{
	static const struct listing listing = {.action = "list the messages",
					       .key = "messages",
					       .name = "id",
					       .columns = message_columns,
					       .column_count = ARRAY_LEN(message_columns),
					       .none = "no messages"};
	char target[API_TARGET_SIZE];
	int r = make_target(call, "/v1/queues/messages", target);

	return r == CLI_DONE ? listing_show(call, target, &listing) : r;
}

static int move(struct call *call, const char *base, const char *action)
{
	char target[API_TARGET_SIZE];
	struct api_answer answer;
	int64_t count = 0;
	int r = make_target(call, base, target);

	if (r == CLI_DONE)
		r = api_call(call, "POST", target, action, &answer);
	if (r != CLI_DONE)
		return r;
	(void)json_int(json_get(answer.document, "messages"), &count);
	if (call->json)
		api_print(answer.document);
	else
		(void)printf("%" PRId64 " messages\n", count);
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_queue_retry(struct call *call)
{
	return move(call, "/v1/queues/retry", "deliver the messages again");
}

int verb_queue_purge(struct call *call)
{
	return move(call, "/v1/queues/purge", "drop the messages");
}

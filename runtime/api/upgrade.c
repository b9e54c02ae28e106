// SPDX-License-Identifier: Apache-2.0
/*
 * POST /v1/node/upgrade: other binaries take over in place. ebbd asks them first; the client has
 * its answer before anything happens, as this process is replaced as well.
 */
#include <stddef.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/handlers.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"

static void ask(struct api *api, struct request *rq, bool goes, answer_fn done)
{
	struct wire_node_upgrade record = {.go = goes};

	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_NODE_UPGRADE,
					  .record = &record,
					  .size = sizeof(record),
					  .rq = rq,
					  .done = done});
}

/* Events tell how it ended. */
static void on_gone(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)api;
	(void)rq;
	(void)ctx;
	(void)answer;
}

static void reply(struct request *rq, bool goes, const char *version)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "from", rq->api->config.version);
	json_out_string(&o, "to", version);
	json_out_bool(&o, "dryRun", !goes);
	json_out_u64(&o, "upgrades", rq->api->config.upgrades);
	json_out_u64(&o, "upgrades_failed", rq->api->config.upgrades_failed);
	json_out_end_object(&o);
	reply_json(rq, goes ? 202 : 200, NULL, &o);
}

static void on_can(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_result *result = answer->records;
	bool goes;

	(void)ctx;
	if (!rq)
		return; /* its client has left, and did not hear that it can */
	if (answer->err || answer->count != 1) {
		problem_reply_answer(rq, "upgrade", answer);
		return;
	}
	goes = !request_flag(rq, "dryRun");
	reply(rq, goes, result->text);
	if (goes)
		ask(api, NULL, true, on_gone);
}

void post_upgrade(struct request *rq)
{
	ask(rq->api, rq, false, on_can);
}

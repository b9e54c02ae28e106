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

static void ask(struct api *api, struct request *rq, enum wire_upgrade how, answer_fn done)
{
	struct wire_node_upgrade record = {.how = how};

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

/* The client may have left (NULL). False: it cannot. */
static bool tell(struct request *rq, bool goes, const struct answer *answer)
{
	const struct wire_result *result = answer->records;
	bool can = !answer->err && answer->count == 1;

	if (rq && can)
		reply(rq, goes, result->text);
	else if (rq)
		problem_reply_answer(rq, "upgrade", answer);
	return can;
}

static void on_said(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)api;
	(void)ctx;
	(void)tell(rq, false, answer);
}

/* Promised is promised, also to a client that has left. */
static void on_promised(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	(void)ctx;
	if (tell(rq, true, answer))
		ask(api, NULL, WIRE_UPGRADE_GO, on_gone);
}

void post_upgrade(struct request *rq)
{
	if (request_flag(rq, "dryRun"))
		ask(rq->api, rq, WIRE_UPGRADE_ASK, on_said);
	else
		ask(rq->api, rq, WIRE_UPGRADE_PROMISE, on_promised);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/gather.h"

#include "runtime/base/text.h"
#include "runtime/wire/records.h"

static void ask_instances(struct api *api, struct request *rq, bool counted, answer_fn done,
			  void *ctx)
{
	struct wire_instances_get record = {.counted = counted};

	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_INSTANCES_GET,
					  .record = &record,
					  .size = sizeof(record),
					  .rq = rq,
					  .done = done,
					  .ctx = ctx});
}

void gather_instances(struct api *api, struct request *rq, answer_fn done, void *ctx)
{
	ask_instances(api, rq, false, done, ctx);
}

void gather_counted(struct api *api, struct request *rq, answer_fn done, void *ctx)
{
	ask_instances(api, rq, true, done, ctx);
}

void gather_sockets(struct api *api, struct request *rq, const char *id, answer_fn done, void *ctx)
{
	struct wire_sockets_get record = {0};

	(void)text_copy(record.id, sizeof(record.id), id); /* one that does not fit is none */
	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_SOCKETS_GET,
					  .record = &record,
					  .size = sizeof(record),
					  .rq = rq,
					  .done = done,
					  .ctx = ctx});
}

void gather_flush(struct api *api, struct request *rq, answer_fn done, void *ctx)
{
	struct wire_meter_flush record = {0};

	calls_ask(api, &(struct call_ask){.peer = CALL_EBBD,
					  .type = WIRE_METER_FLUSH,
					  .record = &record,
					  .size = sizeof(record),
					  .rq = rq,
					  .done = done,
					  .ctx = ctx});
}

void gather_usage(struct api *api, struct request *rq, const struct wire_usage_get *get,
		  answer_fn done, void *ctx)
{
	struct wire_usage_get record = *get;

	calls_ask(api, &(struct call_ask){.peer = CALL_LEDGER,
					  .type = WIRE_USAGE_GET,
					  .record = &record,
					  .size = sizeof(record),
					  .rq = rq,
					  .done = done,
					  .ctx = ctx});
}

// SPDX-License-Identifier: Apache-2.0
/*
 * POST /v1/ledger/verify: the chain of the ledger is recomputed, and for every service with live
 * instances the CPU time which the kernel shows is compared with what the ledger holds.
 *
 * The order matters: instances are read first, then every meter is committed. So a counter that was
 * shown for an instance is at most what the ledger holds by then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/buffer.h"
#include "runtime/api/gather.h"
#include "runtime/api/handlers.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

struct verify {
	struct buffer instances; /* struct wire_instance_info, read at the beginning */
	struct wire_ledger_verdict verdict;
};

static void verify_free(struct verify *v)
{
	buffer_fini(&v->instances);
	free(v);
}

/* Whether the verification ends here: it has answered and freed v. */
static bool ends(struct request *rq, struct verify *v, const char *what,
		 const struct answer *answer)
{
	if (rq && !answer->err)
		return false;
	problem_reply_answer(rq, what, answer);
	verify_free(v);
	return true;
}

static uint64_t live_cpu_us(const struct verify *v, const char *service)
{
	const struct wire_instance_info *infos = (const void *)buffer_at(&v->instances);
	uint64_t sum = 0;

	for (size_t i = 0; i < v->instances.size / sizeof(*infos); i++)
		if (strcmp(infos[i].service, service) == 0)
			sum += infos[i].cpu_us;
	return sum;
}

/* Whether an earlier instance of the list is of the same service. */
static bool seen_before(const struct wire_instance_info *infos, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(infos[i].service, infos[index].service) == 0)
			return true;
	return false;
}

static uint64_t ledger_cpu_us(const struct answer *usage, const char *service)
{
	const struct wire_usage_row *rows = usage->records;

	for (size_t i = 0; i < usage->count; i++)
		if (strcmp(rows[i].service, service) == 0)
			return rows[i].active_cpu_us;
	return 0;
}

static bool write_live(struct json_out *o, const struct verify *v, const struct answer *usage)
{
	const struct wire_instance_info *infos = (const void *)buffer_at(&v->instances);
	bool all_good = true;

	json_out_array(o, "live");
	for (size_t i = 0; i < v->instances.size / sizeof(*infos); i++) {
		uint64_t live, ledger;

		if (seen_before(infos, i))
			continue;
		live = live_cpu_us(v, infos[i].service);
		ledger = ledger_cpu_us(usage, infos[i].service);
		all_good &= live <= ledger;
		json_out_object(o, NULL);
		json_out_string(o, "service", infos[i].service);
		json_out_u64(o, "live_cpu_us", live);
		json_out_u64(o, "ledger_cpu_us", ledger);
		json_out_bool(o, "ok", live <= ledger);
		json_out_end_object(o);
	}
	json_out_end_array(o);
	return all_good;
}

static void on_usage(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct verify *v = ctx;
	bool chain_holds, live_holds;
	char head[2 * DIGEST_SIZE + 1];
	struct json_out o;

	(void)api;
	if (ends(rq, v, "read the ledger", answer))
		return;
	chain_holds = v->verdict.bad_row == 0;
	text_hex(head, v->verdict.head, DIGEST_SIZE);
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_u64(&o, "rows", v->verdict.rows);
	json_out_u64(&o, "bad_row", v->verdict.bad_row);
	json_out_bool(&o, "chain_ok", chain_holds);
	json_out_string(&o, "head", head);
	json_out_string(&o, "text", v->verdict.text);
	live_holds = write_live(&o, v, answer);
	json_out_bool(&o, "ok", chain_holds && live_holds);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
	verify_free(v);
}

static void on_verdict(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct verify *v = ctx;
	struct wire_usage_get all = {.to_us = INT64_MAX}; /* also readings dated ahead */
	struct answer unread;

	if (ends(rq, v, "verify the ledger", answer))
		return;
	v->verdict = *(const struct wire_ledger_verdict *)answer->records;
	/* A ledger that could not be read to its end is not damaged. */
	unread = (struct answer){.err = (int)v->verdict.err, .text = v->verdict.text};
	if (ends(rq, v, "verify the ledger", &unread))
		return;
	gather_usage(api, rq, &all, on_usage, v);
}

static void on_flushed(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct verify *v = ctx;
	struct wire_ledger_verify record = {0};

	/* The flush may have failed: a ledger that cannot be written can still be read
	 * and checked. */
	if (!rq) {
		verify_free(v);
		return;
	}
	calls_ask(api, &(struct call_ask){.peer = CALL_LEDGER,
					  .type = WIRE_LEDGER_VERIFY,
					  .record = &record,
					  .size = sizeof(record),
					  .timeout_ms = 10 * 60 * 1000,
					  .rq = rq,
					  .done = on_verdict,
					  .ctx = v});
}

static void on_instances(struct api *api, struct request *rq, void *ctx,
			 const struct answer *answer)
{
	struct verify *v = ctx;
	struct answer no_memory = {.err = ENOMEM};

	if (ends(rq, v, "list the instances", answer))
		return;
	if (buffer_add(&v->instances, answer->records,
		       answer->count * sizeof(struct wire_instance_info)) < 0) {
		(void)ends(rq, v, "list the instances", &no_memory);
		return;
	}
	gather_flush(api, rq, on_flushed, v);
}

void post_ledger_verify(struct request *rq)
{
	struct verify *v = calloc(1, sizeof(*v));

	if (v)
		gather_instances(rq->api, rq, on_instances, v);
	else
		problem_reply(rq, 503, NULL, "out of memory");
}

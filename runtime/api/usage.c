// SPDX-License-Identifier: Apache-2.0
/* GET /v1/usage: every meter is read and committed first, so the answer is never behind. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/gather.h"
#include "runtime/api/handlers.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/api/usage_formats.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* The prices when the request names none. */
static const struct usage_prices default_prices = {
	.price = {.cpu_hour_nano = 221000000,
		  .gb_hour_nano = 18300000,
		  .million_invocations_nano = 600000000},
	.currency = "USD",
};

/* Formats with a row per hour begin this long ago unless the request says otherwise. */
#define BUCKETS_BACK_US (UINT64_C(31) * 24 * 3600 * US_PER_SEC)

struct usage_job {
	struct wire_usage_get get; /* to_us 0: now, once the meters are in */
	uint64_t shown_to_us;      /* as the answer says it */
	const struct usage_format *format;
	struct usage_prices prices;
};

/* RFC 3339, or seconds since the epoch. */
static int parse_time(const char *text, uint64_t *out_us)
{
	uint64_t seconds;

	if (text_parse_u64(text, 0, UINT32_MAX, &seconds) == 0) {
		*out_us = seconds * US_PER_SEC;
		return 0;
	}
	return clock_parse_rfc3339(text, out_us);
}

/* An absent parameter leaves *out. False after having answered. */
static bool read_time(struct request *rq, const char *name, uint64_t *out)
{
	char text[48] = "";
	int r = request_query(rq, name, text, sizeof(text));

	if (r == 0 || (r == 1 && parse_time(text, out) == 0))
		return true;
	problem_reply(rq, 400, "such as 2026-11-23T00:00:00Z, or seconds since the epoch",
		      "%s: \"%s\" is not a time", name, text);
	return false;
}

static bool read_price(struct request *rq, const char *name, uint64_t *out)
{
	char text[24] = "";
	int r = request_query(rq, name, text, sizeof(text));

	if (r == 0 || (r == 1 && price_parse(text, out) == 0))
		return true;
	problem_reply(rq, 400, "such as 0.221, with at most nine digits behind the point",
		      "%s: \"%s\" is not a price", name, text);
	return false;
}

static bool read_prices(struct request *rq, struct usage_prices *prices)
{
	char currency[4] = "";
	int r = request_query(rq, "currency", currency, sizeof(currency));

	*prices = default_prices;
	if (r != 0 && strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3) {
		problem_reply(rq, 400, "three capital letters of ISO 4217, such as EUR",
			      "currency: it is not a currency");
		return false;
	}
	if (r == 1)
		memcpy(prices->currency, currency, sizeof(currency));
	return read_price(rq, "cpu_hour", &prices->price.cpu_hour_nano) &&
	       read_price(rq, "gb_hour", &prices->price.gb_hour_nano) &&
	       read_price(rq, "million_invocations", &prices->price.million_invocations_nano) &&
	       read_price(rq, "gb_out", &prices->price.gb_out_nano) &&
	       read_price(rq, "gb_in", &prices->price.gb_in_nano);
}

static bool read_query(struct request *rq, struct usage_job *job)
{
	char format[16] = "json";
	struct wire_usage_get *get = &job->get;

	if (!read_time(rq, "from", &get->from_us) || !read_time(rq, "to", &get->to_us) ||
	    !read_prices(rq, &job->prices))
		return false;
	if (request_query(rq, "service", get->service, sizeof(get->service)) < 0 ||
	    (*get->service && !text_is_label(get->service))) {
		problem_reply(rq, 400, "ebb ls shows what there is",
			      "service: it is not a name of a service");
		return false;
	}
	job->format = request_query(rq, "format", format, sizeof(format)) < 0
			      ? NULL
			      : usage_format_find(format);
	if (!job->format) {
		problem_reply(rq, 400, "json, cloudevents, focus or prometheus",
			      "format: it is not a format of usage");
		return false;
	}
	get->bucket_us = job->format->bucket_us;
	if (get->to_us == 0 || get->from_us <= get->to_us)
		return true;
	problem_reply(rq, 400, "let from be before to", "from is behind to");
	return false;
}

/* Whether the rows show any use: a service that is gone has a bill all the same. */
static bool was_used(const struct answer *answer)
{
	const struct wire_usage_row *rows = answer->records;

	for (size_t i = 0; i < answer->count; i++)
		if (rows[i].instances > 0 || rows[i].invocations > 0 || rows[i].active_cpu_us > 0)
			return true;
	return false;
}

static void on_usage(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	SCOPED_MEM struct usage_job *job = ctx;
	struct usage_report report = {.from_us = job->get.from_us,
				      .to_us = job->shown_to_us,
				      .node = api->config.node,
				      .prices = job->prices,
				      .rows = answer->records,
				      .count = answer->count};
	struct buffer out = {0};

	if (!rq)
		return;
	if (answer->err)
		problem_reply_answer(rq, "read the ledger", answer);
	else if (*job->get.service && !was_used(answer) &&
		 !services_find(api->services, job->get.service))
		answer_no_service(rq, job->get.service);
	else if (job->format->write(&out, &report) < 0)
		problem_reply(rq, 503, "ask for a shorter time", "out of memory");
	else
		reply_bytes(rq, 200, job->format->content_type, NULL, buffer_at(&out), out.size);
	buffer_fini(&out);
}

/* Makes the window that the ledger takes: up to now unless the request says otherwise, in whole
 * buckets. A window without buckets and without an end has all readings up to the present one, also
 * those that a clock dated ahead before it was set back. */
static void settle_window(struct usage_job *job)
{
	struct wire_usage_get *get = &job->get;

	bool open_end = get->to_us == 0;

	if (open_end)
		get->to_us = clock_real_us();
	job->shown_to_us = get->to_us;
	if (get->bucket_us == 0 && open_end)
		get->to_us = INT64_MAX;
	if (get->bucket_us == 0)
		return;
	if (get->from_us == 0 && get->to_us > BUCKETS_BACK_US)
		get->from_us = get->to_us - BUCKETS_BACK_US;
	get->from_us -= get->from_us % get->bucket_us;
	if (job->format->only_whole_buckets && open_end)
		get->to_us -= get->to_us % get->bucket_us;
	if (get->to_us < get->from_us)
		get->to_us = get->from_us;
	job->shown_to_us = get->to_us;
}

static void on_flushed(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct usage_job *job = ctx;

	if (rq && !answer->err) {
		settle_window(job);
		gather_usage(api, rq, &job->get, on_usage, job);
		return;
	}
	problem_reply_answer(rq, "bring the meters into the ledger", answer);
	free(job);
}

void get_usage(struct request *rq)
{
	struct usage_job *job = calloc(1, sizeof(*job));

	if (!job)
		problem_reply(rq, 503, NULL, "out of memory");
	else if (read_query(rq, job))
		gather_flush(rq->api, rq, on_flushed, job);
	else
		free(job);
}

// SPDX-License-Identifier: Apache-2.0
/* Parts of ebb.h that examples/c-ring does not show: failures, nacks, deadlines, many log lines,
 * streams. */
#include <ebb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int say(struct ebb_request *rq, const char *text)
{
	return ebb_respond(rq, 200, "text/plain", text, strlen(text));
}

static int fail(struct ebb_request *rq)
{
	return -1;
}

static void fail_now(struct ebb_request *rq, void *ctx)
{
	ebb_fail(rq, "on purpose, %s", ebb_query(rq));
}

static int fail_later(struct ebb_request *rq)
{
	ebb_sleep(rq, 20, fail_now, NULL);
	return 0;
}

static void cut_now(struct ebb_request *rq, void *ctx)
{
	ebb_write(rq, "half", 4);
	ebb_fail(rq, "in the middle");
}

static int fail_within(struct ebb_request *rq)
{
	ebb_sleep(rq, 20, cut_now, NULL);
	return ebb_begin(rq, 200, NULL, -1);
}

static int crash(struct ebb_request *rq)
{
	abort();
}

/* Gives every other request back. */
static int nack(struct ebb_request *rq)
{
	static unsigned int seen;

	return seen++ % 2 ? say(rq, "the second time\n") : ebb_nack(rq);
}

static int deadline(struct ebb_request *rq)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)ebb_deadline(rq));
	return say(rq, text);
}

static void cancelled(struct ebb_request *rq, void *ctx)
{
	ebb_log(rq, "cancelled");
}

static int never(struct ebb_request *rq)
{
	ebb_log(rq, "waiting");
	ebb_on_cancel(rq, cancelled, NULL);
	return 0;
}

/* Many requests write their lines in turns. */
struct lines {
	unsigned int said;
};

static void line(struct ebb_request *rq, void *ctx)
{
	struct lines *lines = ebb_scratch(rq);

	ebb_log(rq, "line %u of %s\nand its second half", ++lines->said, ebb_query(rq));
	if (lines->said < 3)
		ebb_sleep(rq, 5, line, NULL);
	else
		say(rq, "logged\n");
}

/* One line of 20000. */
static int log_long(struct ebb_request *rq)
{
	ebb_log(rq, "%020000d", 0);
	return say(rq, "logged\n");
}

static int log_lines(struct ebb_request *rq)
{
	line(rq, NULL);
	return 0;
}

static void chunk(struct ebb_request *rq, void *ctx)
{
	unsigned int *number = ebb_scratch(rq);
	char text[32];

	snprintf(text, sizeof(text), "piece %u\n", ++*number);
	ebb_write(rq, text, strlen(text));
	if (*number < ebb_query_number(rq, "n", 3))
		ebb_sleep(rq, 50, chunk, NULL);
	else
		ebb_end(rq);
}

static int chunks(struct ebb_request *rq)
{
	int r = ebb_begin(rq, 200, "text/plain", -1);

	if (r == 0)
		chunk(rq, NULL);
	return r;
}

/* Work that never ends: cut at the deadline. */
static void too_late(struct ebb_work *work, void *ctx)
{
	ebb_work_log(work, "told so");
	ebb_wait_until_end(work);
}

static int forever(struct ebb_request *rq)
{
	struct ebb_work *work = ebb_wait_until_begin(rq);

	if (!work)
		return -1;
	ebb_work_on_deadline(work, too_late, NULL);
	return say(rq, "answered\n");
}

/* How many requests with a number came, and the sum of the numbers: one lost or twice shows. */
struct counts {
	unsigned long long seen, sum;
};

static int count(struct ebb_request *rq, struct counts *counts)
{
	uint64_t number = ebb_query_number(rq, "add", 0);
	char text[64];

	counts->seen += number != 0;
	counts->sum += number;
	snprintf(text, sizeof(text), "{\"seen\": %llu, \"sum\": %llu}\n", counts->seen,
		 counts->sum);
	return say(rq, text);
}

static int big_body(struct ebb_request *rq)
{
	size_t size = ebb_query_number(rq, "bytes", 0);
	char *bytes = calloc(1, size ? size : 1);
	int r = bytes ? ebb_respond(rq, 200, NULL, bytes, size) : -1;

	free(bytes);
	return r;
}

static int fields(struct ebb_request *rq)
{
	const char *value = ebb_header(rq, "X-Long");

	if (ebb_header_add(rq, "x-fine", "yes") < 0 || ebb_header_add(rq, "x\r\nbad", "no") == 0 ||
	    ebb_header_add(rq, "x-bad", "no\r\nx: y") == 0 ||
	    ebb_header_add(rq, "Content-Length", "1") == 0)
		return -1;
	return ebb_respond(rq, 201, "text/plain", value, value ? strlen(value) : 0);
}

#define ASKED_MAX (1 << 20)
static unsigned char asked[ASKED_MAX];
static long asked_count;

/* /count?n=N notes one more request with this number. */
static int count_number(struct ebb_request *rq)
{
	const char *text = strchr(ebb_query(rq), '=');
	long n = text ? strtol(text + 1, NULL, 10) : 0;
	char number[24];

	if (asked[n % ASKED_MAX]++ == 0)
		asked_count++;
	snprintf(number, sizeof(number), "%ld", n);
	return say(rq, number);
}

static int count_numbers(struct ebb_request *rq)
{
	char text[8192];
	int at = snprintf(text, sizeof(text), "{\"asked\": %ld, \"twice\": [", asked_count);
	const char *comma = "";

	for (long n = 0; n < ASKED_MAX && at < (int)sizeof(text) - 32; n++) {
		if (asked[n] < 2)
			continue;
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%s\"%ld\"", comma, n);
		comma = ", ";
	}
	snprintf(text + at, sizeof(text) - (size_t)at, "]}");
	return say(rq, text);
}

static int on_request(struct ebb_request *rq, void *ctx)
{
	static const struct {
		const char *path;
		int (*run)(struct ebb_request *rq);
	} routes[] = {{"/fail", fail},
		      {"/fail-later", fail_later},
		      {"/fail-within", fail_within},
		      {"/crash", crash},
		      {"/nack", nack},
		      {"/deadline", deadline},
		      {"/never", never},
		      {"/log", log_lines},
		      {"/log-long", log_long},
		      {"/chunks", chunks},
		      {"/forever", forever},
		      {"/big", big_body},
		      {"/fields", fields},
		      {"/count", count_number},
		      {"/counts", count_numbers}};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, ebb_path(rq)) == 0)
			return routes[i].run(rq);
	return count(rq, ctx);
}

int main(void)
{
	struct counts counts = {0};

	return ebb_serve(on_request, &counts) < 0;
}

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

/* ---- queues: the query says the words of a call, the body is that of the message ---- */

#define WORD_MAX 300

struct question {
	char body[1 << 16];
	size_t size;
};

/* The value of name in the query, or NULL; of the request's own memory. */
static const char *word(struct ebb_request *rq, const char *name, char out[WORD_MAX])
{
	size_t n = strlen(name);

	for (const char *at = ebb_query(rq); *at; at += strcspn(at, "&"), at += *at == '&')
		if (strncmp(at, name, n) == 0 && at[n] == '=') {
			snprintf(out, WORD_MAX, "%.*s", (int)strcspn(at + n + 1, "&"), at + n + 1);
			return out;
		}
	return NULL;
}

static void tell(struct ebb_request *rq, const struct ebb_queue_reply *reply, void *ctx)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	free(ctx);
	fprintf(out, "%d %s\n", reply->error, reply->text);
	for (size_t i = 0; i < reply->count; i++) {
		const struct ebb_message *m = &reply->messages[i];

		fprintf(out, "%s %s %s %s %u %zu %s\n", m->topic, m->consumer, m->id, m->receipt,
			m->delivery_count, m->size, m->type);
		fwrite(m->body, 1, m->size + 1, out); /* the NUL, too */
	}
	fclose(out);
	ebb_respond(rq, 200, "application/octet-stream", text, size);
	free(text);
}

static int ask(struct ebb_request *rq, struct question *q)
{
	char t[WORD_MAX], c[WORD_MAX], r[WORD_MAX], w[3][WORD_MAX];
	struct ebb_message m = {.topic = word(rq, "topic", t),
				.consumer = word(rq, "consumer", c),
				.receipt = word(rq, "receipt", r)};
	struct ebb_queue_options options = {.type = word(rq, "type", w[0]),
					    .idempotency_key = word(rq, "once", w[1]),
					    .key = word(rq, "key", w[2]),
					    .delay_s = (uint32_t)ebb_query_number(rq, "delay", 0),
					    .retention_s =
						    (uint32_t)ebb_query_number(rq, "keep", 0)};
	uint32_t seconds = (uint32_t)ebb_query_number(rq, "seconds", 300);

	if (strcmp(ebb_path(rq), "/queue/send") == 0)
		return ebb_queue_send(rq, m.topic, q->body, ebb_query_number(rq, "size", q->size),
				      &options, tell, q);
	if (strcmp(ebb_path(rq), "/queue/receive") == 0)
		return ebb_queue_receive(rq, m.topic, m.consumer,
					 (unsigned int)ebb_query_number(rq, "max", 1), seconds,
					 tell, q);
	if (strcmp(ebb_path(rq), "/queue/acknowledge") == 0)
		return ebb_queue_acknowledge(rq, &m, tell, q);
	return ebb_queue_extend(rq, &m, seconds, tell, q);
}

static void on_body(struct ebb_request *rq, const char *data, size_t size, void *ctx)
{
	struct question *q = ctx;
	char text[64];
	int r;

	if (size > 0 && q->size + size <= sizeof(q->body)) {
		memcpy(q->body + q->size, data, size);
		q->size += size;
	}
	if (size > 0)
		return;
	r = ask(rq, q);
	if (r == 0)
		return;
	free(q);
	snprintf(text, sizeof(text), "-> %s\n", strerror(-r));
	say(rq, text);
}

static int queue(struct ebb_request *rq)
{
	struct question *q = calloc(1, sizeof(*q));

	return q ? ebb_body_read(rq, on_body, q) : -1;
}

/* Answers before its message is on the disk. */
static int queue_early(struct ebb_request *rq)
{
	int r = ebb_queue_send(rq, "early", "x", 1, NULL, tell, NULL);

	return r < 0 ? r : say(rq, "answered\n");
}

/* Messages that were pushed: the first delivery of "again" fails, "later" wants another one. */
static char bills[4096];

static void on_bill(struct ebb_request *rq, const char *data, size_t size, void *ctx)
{
	struct ebb_message m;
	size_t used = strlen(bills);

	if (size > 0) {
		snprintf(ebb_scratch(rq), 200, "%.*s", (int)size, data);
		return;
	}
	if (ebb_queue_pushed(rq, &m) < 0) {
		ebb_fail(rq, "no message");
		return;
	}
	snprintf(bills + used, sizeof(bills) - used, "%s %s %s %u %s %s\n", m.topic, m.consumer,
		 m.id, m.delivery_count, m.type, (char *)ebb_scratch(rq));
	if (strcmp(ebb_scratch(rq), "again") == 0 && m.delivery_count == 1)
		ebb_fail(rq, "the first delivery fails on purpose");
	else if (strcmp(ebb_scratch(rq), "later") == 0 && m.delivery_count == 1)
		ebb_queue_extend(rq, &m, 1, tell, NULL);
	else
		say(rq, "billed\n");
}

static int bill(struct ebb_request *rq)
{
	struct ebb_message m;

	if (ebb_queue_pushed(rq, &m) < 0)
		return ebb_respond(rq, 400, NULL, "no message\n", 11);
	return ebb_body_read(rq, on_bill, NULL);
}

static int show_bills(struct ebb_request *rq)
{
	return say(rq, bills);
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
		      {"/bill", bill},
		      {"/bills", show_bills},
		      {"/queue/early", queue_early},
		      {"/count", count_number},
		      {"/counts", count_numbers}};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, ebb_path(rq)) == 0)
			return routes[i].run(rq);
	if (strncmp(ebb_path(rq), "/queue/", 7) == 0)
		return queue(rq);
	return count(rq, ctx);
}

int main(void)
{
	struct counts counts = {0};

	return ebb_serve(on_request, &counts) < 0;
}

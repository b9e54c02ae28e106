// SPDX-License-Identifier: Apache-2.0
/* /v1/queues: topics with their consumers, messages, and dead letters once more. */
#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/handlers.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/base/clock.h"
#include "runtime/base/text.h"

static void write_time(struct json_out *o, const char *key, uint64_t at_us)
{
	char date[CLOCK_DATE_SIZE];

	json_out_string(o, key, at_us ? clock_rfc3339(at_us, date) : NULL);
}

static void write_queue(struct json_out *o, const struct wire_queue_row *row)
{
	json_out_object(o, NULL);
	json_out_string(o, "namespace", row->space);
	json_out_string(o, "topic", row->topic);
	json_out_string(o, "consumer", *row->consumer ? row->consumer : NULL);
	json_out_string(o, "mode", !*row->consumer ? NULL : row->pushed ? "push" : "poll");
	json_out_u64(o, "waiting", row->waiting);
	json_out_u64(o, "delivering", row->delivering);
	json_out_u64(o, "dead", row->dead);
	json_out_u64(o, "messages", row->messages);
	json_out_u64(o, "bytes", row->bytes);
	write_time(o, "next_due_at", row->oldest_us);
	json_out_end_object(o);
}

static void on_queues(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_queue_row *rows = answer->records;
	struct json_out o;

	(void)api;
	(void)ctx;
	if (answer->err || !rq) {
		problem_reply_answer(rq, "list the queues", answer);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "queues");
	for (size_t i = 0; i < answer->count; i++)
		write_queue(&o, &rows[i]);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

/* False after having answered. */
static bool read_word(struct request *rq, const char *name, bool needed, char *out, size_t size)
{
	int r = request_query(rq, name, out, size);

	if (r == 0)
		*out = '\0';
	if (r == 1 || (r == 0 && !needed))
		return true;
	problem_reply(rq, 400, "ebb queue ls shows what there is", "%s: %s", name,
		      r == 0 ? "is missing" : "names nothing");
	return false;
}

void get_queues(struct request *rq)
{
	struct wire_queues_get get = {0};

	if (!read_word(rq, "namespace", false, get.space, sizeof(get.space)))
		return;
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_FLOW,
					      .type = WIRE_QUEUES_GET,
					      .record = &get,
					      .size = sizeof(get),
					      .rq = rq,
					      .done = on_queues});
}

/* ---- messages ---- */

/* The beginning of a body as text, with a dot for each byte that is no printable ASCII. */
static void write_body(struct json_out *o, const struct wire_letter_row *row)
{
	char text[LETTER_BODY_SHOWN + 1];
	uint32_t n = 0;

	for (; n < row->shown; n++)
		text[n] = row->body[n] >= ' ' && row->body[n] <= '~' ? row->body[n] : '.';
	text[n] = '\0';
	json_out_string(o, "body", text);
}

static void write_letter(struct json_out *o, const struct wire_letter_row *row)
{
	char id[24];

	(void)text_format(id, sizeof(id), "%llu", (unsigned long long)row->number);
	json_out_object(o, NULL);
	json_out_string(o, "id", id);
	json_out_string(o, "namespace", row->space);
	json_out_string(o, "topic", row->topic);
	json_out_string(o, "consumer", *row->consumer ? row->consumer : NULL);
	json_out_string(o, "state", wire_letter_state_name(row->state));
	json_out_u64(o, "attempts", row->attempts);
	json_out_u64(o, "failures", row->failures);
	write_time(o, "created_at", row->created_us);
	write_time(o, "due_at", row->due_us);
	write_time(o, "expires_at", row->expires_us);
	json_out_string(o, "content_type", row->type);
	json_out_u64(o, "bytes", row->size);
	write_body(o, row);
	json_out_string(o, "text", row->text);
	json_out_end_object(o);
}

static void on_letters(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_letter_row *rows = answer->records;
	struct json_out o;

	(void)api;
	(void)ctx;
	if (answer->err == ENOENT && rq) {
		problem_reply(rq, 404, "ebb queue ls shows what there is",
			      "there is no such topic or consumer");
		return;
	}
	if (answer->err || !rq) {
		problem_reply_answer(rq, "list the messages", answer);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "messages");
	for (size_t i = 0; i < answer->count; i++)
		write_letter(&o, &rows[i]);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static bool read_letters(struct request *rq, struct wire_letters_get *get)
{
	char id[24], dead[8];

	if (!read_word(rq, "namespace", true, get->space, sizeof(get->space)) ||
	    !read_word(rq, "topic", true, get->topic, sizeof(get->topic)) ||
	    !read_word(rq, "consumer", false, get->consumer, sizeof(get->consumer)) ||
	    !read_word(rq, "id", false, id, sizeof(id)) ||
	    !read_word(rq, "dead", false, dead, sizeof(dead)))
		return false;
	get->dead = strcmp(dead, "1") == 0;
	if (!*id || text_parse_u64(id, 1, INT64_MAX, &get->number) == 0)
		return true;
	problem_reply(rq, 400, "ebb queue peek shows what there is", "id: it is no message's");
	return false;
}

void get_queue_messages(struct request *rq)
{
	struct wire_letters_get get = {0};

	if (!read_letters(rq, &get))
		return;
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_FLOW,
					      .type = WIRE_LETTERS_GET,
					      .record = &get,
					      .size = sizeof(get),
					      .rq = rq,
					      .done = on_letters});
}

/* ---- moving them ---- */

static void on_moved(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	const struct wire_result *result = answer->records;
	struct json_out o;
	uint64_t count = 0;

	(void)api;
	(void)ctx;
	if (!rq)
		return;
	if (answer->err == ENOENT) {
		problem_reply(rq, 404, "ebb queue ls shows what there is",
			      "there is no such topic or consumer");
		return;
	}
	if (answer->err || answer->count != 1) {
		problem_reply_answer(rq, "change the messages", answer);
		return;
	}
	(void)text_parse_u64(result->text, 0, UINT64_MAX, &count);
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_u64(&o, "messages", count);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static void move(struct request *rq, bool purge)
{
	struct wire_letters_get get = {0};

	if (!read_letters(rq, &get))
		return;
	get.purge = purge;
	get.dead |= !purge;
	calls_ask(rq->api, &(struct call_ask){.peer = CALL_FLOW,
					      .type = WIRE_LETTERS_MOVE,
					      .record = &get,
					      .size = sizeof(get),
					      .rq = rq,
					      .done = on_moved});
}

void post_queue_retry(struct request *rq)
{
	move(rq, false);
}

void post_queue_purge(struct request *rq)
{
	move(rq, true);
}

// SPDX-License-Identifier: Apache-2.0
/* /v1/queues: topics with their consumers, messages, and dead letters once more. */
#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/flow_rows.h"
#include "runtime/api/handlers.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/base/text.h"

#define MEND "ebb queue ls shows what there is"

static void write_queue(struct json_out *o, const void *of)
{
	const struct wire_queue_row *row = of;

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
	flow_write_time(o, "next_due_at", row->oldest_us);
	json_out_end_object(o);
}

static void on_queues(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	static const struct flow_rows rows = {"list the queues", "queues",
					      sizeof(struct wire_queue_row), write_queue};

	(void)api;
	(void)ctx;
	flow_reply(rq, answer, &rows);
}

void get_queues(struct request *rq)
{
	struct wire_queues_get get = {0};

	if (!flow_read_word(rq, "namespace", false, MEND, get.space, sizeof(get.space)))
		return;
	flow_ask(rq, WIRE_QUEUES_GET, &get, sizeof(get), on_queues);
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

static void write_letter(struct json_out *o, const void *of)
{
	const struct wire_letter_row *row = of;
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
	flow_write_time(o, "created_at", row->created_us);
	flow_write_time(o, "due_at", row->due_us);
	flow_write_time(o, "expires_at", row->expires_us);
	json_out_string(o, "content_type", row->type);
	json_out_u64(o, "bytes", row->size);
	write_body(o, row);
	json_out_string(o, "text", row->text);
	json_out_end_object(o);
}

static void on_letters(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	static const struct flow_rows rows = {"list the messages",
					      "messages",
					      sizeof(struct wire_letter_row),
					      write_letter,
					      "there is no such topic or consumer",
					      MEND};

	(void)api;
	(void)ctx;
	flow_reply(rq, answer, &rows);
}

static bool read_letters(struct request *rq, struct wire_letters_get *get)
{
	char id[24], dead[8];

	if (!flow_read_word(rq, "namespace", true, MEND, get->space, sizeof(get->space)) ||
	    !flow_read_word(rq, "topic", true, MEND, get->topic, sizeof(get->topic)) ||
	    !flow_read_word(rq, "consumer", false, MEND, get->consumer, sizeof(get->consumer)) ||
	    !flow_read_word(rq, "id", false, MEND, id, sizeof(id)) ||
	    !flow_read_word(rq, "dead", false, MEND, dead, sizeof(dead)))
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
	flow_ask(rq, WIRE_LETTERS_GET, &get, sizeof(get), on_letters);
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
		problem_reply(rq, 404, MEND, "there is no such topic or consumer");
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
	flow_ask(rq, WIRE_LETTERS_MOVE, &get, sizeof(get), on_moved);
}

void post_queue_retry(struct request *rq)
{
	move(rq, false);
}

void post_queue_purge(struct request *rq)
{
	move(rq, true);
}

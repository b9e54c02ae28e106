// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/problem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/calls.h"
#include "runtime/api/meanings.h"
#include "runtime/api/request.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/http/status.h"

#define TYPE "application/problem+json"

void problem_add(struct problem_list *list, const char *path, const char *fmt, ...)
{
	struct problem_item *item;
	va_list ap;

	if (list->count++ >= PROBLEM_ITEMS_MAX)
		return;
	item = &list->items[list->count - 1];
	(void)text_format(item->path, sizeof(item->path), "%s", path);
	va_start(ap, fmt);
	vsnprintf(item->message, sizeof(item->message), fmt, ap);
	va_end(ap);
}

static void send_problem(struct request *rq, int status, const char *detail, const char *mend,
			 const struct problem_list *list)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "type", "about:blank");
	json_out_string(&o, "title", http_status_phrase(status));
	json_out_u64(&o, "status", (uint64_t)status);
	json_out_string(&o, "detail", detail);
	if (mend)
		json_out_string(&o, "mend", mend);
	if (list) {
		json_out_array(&o, "errors");
		for (size_t i = 0; i < list->count && i < PROBLEM_ITEMS_MAX; i++) {
			json_out_object(&o, NULL);
			json_out_string(&o, "path", list->items[i].path);
			json_out_string(&o, "message", list->items[i].message);
			json_out_end_object(&o);
		}
		json_out_end_array(&o);
	}
	json_out_end_object(&o);
	if (o.failed)
		reply_bytes(rq, 500, TYPE, NULL, PROBLEM_NO_MEMORY, sizeof(PROBLEM_NO_MEMORY) - 1);
	else
		reply_bytes(rq, status, TYPE, status == 503 ? "Retry-After: 1\r\n" : NULL, o.text,
			    o.length);
	json_out_fini(&o);
}

void problem_reply(struct request *rq, int status, const char *mend, const char *fmt, ...)
{
	char detail[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	send_problem(rq, status, detail, mend, NULL);
}

void problem_reply_failed(struct request *rq, int status, const char *mend,
			  const struct problem_list *list)
{
	char detail[512];

	must(list->count > 0);
	(void)text_format(detail, sizeof(detail), "%s: %s", list->items[0].path,
			  list->items[0].message);
	send_problem(rq, status, detail, mend, list);
}

void problem_reply_list(struct request *rq, const struct problem_list *list)
{
	problem_reply_failed(rq, 422, "correct it and deploy again", list);
}

/* Translates an errno of another process for the caller of the REST API. */
static const struct meaning {
	int err, status;
	const char *mend;
} meanings[] = {
#define X(err, status, mend, when) {err, status, mend},
	API_MEANINGS(X)
#undef X
};

void problem_reply_answer(struct request *rq, const char *what, const struct answer *answer)
{
	const char *text = answer->text && *answer->text ? answer->text : strerror(answer->err);

	if (!rq)
		return;
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		if (meanings[i].err != answer->err)
			continue;
		problem_reply(rq, meanings[i].status, meanings[i].mend, "cannot %s: %s", what,
			      text);
		return;
	}
	problem_reply(rq, 500, "see the log of ebbd", "cannot %s: %s", what, text);
}

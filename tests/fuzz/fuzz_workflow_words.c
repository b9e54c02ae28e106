// SPDX-License-Identifier: Apache-2.0
/*
 * Words of instances about runs of workflows: a whole head of a request, and its body. An
 * accepted one has the form that the store relies on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/flow/workflow_words.h"
#include "tests/fuzz/fuzz.h"

static bool is_plain(const char *text, size_t size)
{
	claim(memchr(text, '\0', size));
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static void check_target(struct http_slice path)
{
	struct workflow_target t;
	const char *why = NULL;
	int r = workflow_target_parse(path, &t, &why);

	claim(r == 0 || r == -ENOENT || (r == -EINVAL && why));
	if (r < 0)
		return;
	claim(t.what < WF_COUNT && is_plain(t.run, sizeof(t.run)) && is_plain(t.id, sizeof(t.id)));
	claim(!*t.run || workflow_id_valid(t.run));
}

static void check_query(struct http_slice query)
{
	struct workflow_query q;
	const char *why = NULL;
	uint64_t number;

	if (workflow_query_parse(query, &q, &why) < 0) {
		claim(why);
		return;
	}
	claim(q.limit == UINT64_MAX || q.limit <= WORKFLOW_LIMIT_MAX);
	claim(q.wait_s <= WORKFLOW_WAIT_MAX_S && q.state <= WORK_STATE_COUNT);
	claim(is_plain(q.cursor, sizeof(q.cursor)) && is_plain(q.run, sizeof(q.run)));
	claim(workflow_event_number(q.cursor, &number) < 0 || number <= INT64_MAX);
}

static void check_offer(const struct http_head *head, struct http_slice body)
{
	struct workflow_offer o;
	const char *why = NULL;

	if (workflow_offer_parse(head, body, &o, &why) < 0) {
		claim(why);
		return;
	}
	claim(o.type < WORKFLOW_TYPE_COUNT && o.type != EVENT_hook_conflict);
	claim(o.type < EVENT_step_created || *o.correlation);
	claim(is_plain(o.name, sizeof(o.name)) && is_plain(o.token, sizeof(o.token)));
	claim(is_plain(o.correlation, sizeof(o.correlation)) && is_plain(o.once, sizeof(o.once)));
	claim(o.meta.size <= WORKFLOW_META_MAX && o.meta.size + o.data.size == body.size);
	claim(o.due_ms <= INT64_MAX / 1000 && o.occurred_ms <= INT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head;
	const char *text = (const char *)data, *why;
	long end = http_head_end(text, size, 0, 16384);

	if (end <= 0 || http_request_parse(text, (size_t)end, &head, &why) != 0)
		return 0;
	check_target(head.path);
	check_query(head.query);
	check_offer(&head, (struct http_slice){text + end, size - (size_t)end});
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* The words of the protocol of workflow runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/flow/workflow_words.h"

static struct http_slice slice(const char *text)
{
	return (struct http_slice){text, strlen(text)};
}

static void test_targets(void **state)
{
	static const struct {
		const char *path; /* behind the base */
		int result;
		enum workflow_what what;
		const char *run, *id;
	} rows[] = {
		{"/runs", 0, WF_RUNS, "", ""},
		{"/runs/r_1", 0, WF_RUN, "r_1", ""},
		{"/runs/r_1/events", 0, WF_EVENTS, "r_1", ""},
		{"/runs/r_1/events/e", 0, WF_EVENT, "r_1", "e"},
		{"/runs/r_1/steps", 0, WF_STEPS, "r_1", ""},
		{"/runs/r_1/steps/s.1", 0, WF_STEP, "r_1", "s.1"},
		{"/runs/r_1/hooks", 0, WF_HOOKS_OF_RUN, "r_1", ""},
		{"/runs/r_1/waits", 0, WF_WAITS, "r_1", ""},
		{"/events", 0, WF_EVENTS_ABOUT, "", ""},
		{"/steps/s", 0, WF_ANY_STEP, "", "s"},
		{"/hooks", 0, WF_HOOKS, "", ""},
		{"/hooks/h", 0, WF_HOOK, "", "h"},
		{"/tokens", 0, WF_TOKEN, "", ""},
		{"/streams", 0, WF_STREAMS, "", ""},
		{"/streams/a%2Fb~=", 0, WF_STREAM, "", "a%2Fb~="},
		{"/runs/", -EINVAL, WF_RUN, "", ""},
		{"/runs/a.b", -EINVAL, WF_RUN, "", ""},
		{"/runs/a%2fb", -EINVAL, WF_RUN, "", ""},
		{"/runs/../x", -ENOENT, WF_RUN, "", ""},
		{"/runs/r/events/e/f", -ENOENT, WF_RUN, "", ""},
		{"/runs/r/steps/", -EINVAL, WF_RUN, "", ""},
		{"/streams/", -EINVAL, WF_RUN, "", ""},
		{"/streams/a/b", -ENOENT, WF_RUN, "", ""},
		{"/other", -ENOENT, WF_RUN, "", ""},
		{"", -ENOENT, WF_RUN, "", ""},
		{"/", -ENOENT, WF_RUN, "", ""},
		{"x", -ENOENT, WF_RUN, "", ""},
	};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		char path[256];
		struct workflow_target t;
		const char *why = NULL;

		(void)snprintf(path, sizeof(path), WORKFLOW_BASE "%s", rows[n].path);
		assert_int_equal(workflow_target_parse(slice(path), &t, &why), rows[n].result);
		if (rows[n].result == -EINVAL)
			assert_non_null(why);
		if (rows[n].result)
			continue;
		assert_int_equal(t.what, rows[n].what);
		assert_string_equal(t.run, rows[n].run);
		assert_string_equal(t.id, rows[n].id);
	}
}

static void test_queries(void **state)
{
	static const struct {
		const char *query;
		int result;
	} rows[] = {
		{"", 0},
		{"data=all&order=desc&status=failed&limit=1000&wait=30&from=-3&cursor=12&run=r", 0},
		{"unknown=1&&=", 0},
		{"data=some", -EINVAL},
		{"data", -EINVAL},
		{"order=up", -EINVAL},
		{"status=over", -EINVAL},
		{"limit=1001", -EINVAL},
		{"limit=-1", -EINVAL},
		{"wait=31", -EINVAL},
		{"from=-0", -EINVAL},
		{"from=--1", -EINVAL},
		{"from=99999999999", -EINVAL},
		{"cursor=a%20b", -EINVAL},
		{"run=", -EINVAL},
		{"run=a.b", -EINVAL},
	};
	struct workflow_query q;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		const char *why = NULL;

		assert_int_equal(workflow_query_parse(slice(rows[n].query), &q, &why),
				 rows[n].result);
		if (rows[n].result)
			assert_non_null(why);
	}
	assert_int_equal(workflow_query_parse(slice(rows[1].query), &q, &(const char *){NULL}), 0);
	assert_true(q.data && q.down && !q.up && q.from_end);
	assert_int_equal(q.state, WORK_FAILED);
	assert_int_equal(q.limit, 1000);
	assert_int_equal(q.wait_s, 30);
	assert_int_equal(q.from, 3);
	assert_string_equal(q.cursor, "12");
	assert_string_equal(q.run, "r");
}

static int offer(const char *fields, const char *body, struct workflow_offer *out)
{
	static struct http_head head;
	char text[2048];
	const char *why = "";
	int r;

	(void)snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nhost: q\r\n%s\r\n", fields);
	assert_int_equal(http_request_parse(text, strlen(text), &head, &why), 0);
	why = NULL;
	r = workflow_offer_parse(&head, slice(body), out, &why);
	if (r < 0)
		assert_non_null(why);
	return r;
}

static void test_offers(void **state)
{
	static const char *const bad[] = {
		"",
		"x-ebb-event: none\r\n",
		"x-ebb-event: hook_conflict\r\nx-ebb-correlation: h\r\n",
		"x-ebb-event: run_created\r\nx-ebb-name: n\r\n",
		"x-ebb-event: run_created\r\nx-ebb-deployment: d\r\n",
		"x-ebb-event: step_created\r\nx-ebb-name: n\r\n",
		"x-ebb-event: step_created\r\nx-ebb-correlation: s\r\n",
		"x-ebb-event: hook_created\r\nx-ebb-correlation: h\r\n",
		"x-ebb-event: run_failed\r\nx-ebb-meta-bytes: 4\r\n",
		"x-ebb-event: run_failed\r\nx-ebb-meta-bytes: 65537\r\n",
		"x-ebb-event: run_failed\r\nx-ebb-once: a b\r\n",
		"x-ebb-event: run_failed\r\nx-ebb-once: a.b\r\n",
		"x-ebb-event: run_failed\r\nx-ebb-correlation: a/b\r\n",
		"x-ebb-event: run_failed\r\nx-ebb-seen-at: -1\r\n",
		"x-ebb-event: run_failed\r\nx-ebb-spec: x\r\n",
		"x-ebb-event: run_failed\r\nx-ebb-resume-at: 999999999999999\r\n",
	};
	struct workflow_offer o;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(bad); n++)
		assert_int_equal(offer(bad[n], "abc", &o), -EINVAL);
	assert_int_equal(offer("x-ebb-event: run_created\r\nx-ebb-name: w//a\r\nx-ebb-deployment: "
			       "d\r\nx-ebb-spec: 3\r\nx-ebb-meta-bytes: 2\r\n",
			       "abc", &o),
			 0);
	assert_int_equal(o.type, EVENT_run_created);
	assert_int_equal(o.meta.size, 2);
	assert_int_equal(o.data.size, 1);
	assert_int_equal(o.spec, 3);
	assert_true(o.seen_ms == UINT64_MAX);
	assert_string_equal(o.name, "w//a");
}

static void test_ids_of_events_are_numbers_and_sort_as_they_do(void **state)
{
	char id[EVENT_ID_SIZE], before[EVENT_ID_SIZE] = "";
	uint64_t number;

	(void)state;
	for (uint64_t n = 1; n < 5000; n += 37) {
		workflow_event_id(id, UINT64_C(1764529200123456), n);
		assert_int_equal(strlen(id), 31);
		assert_true(strcmp(before, id) < 0);
		assert_int_equal(workflow_event_number(id, &number), 0);
		assert_int_equal(number, n);
		memcpy(before, id, sizeof(id));
	}
	workflow_event_id(id, UINT64_C(1764529200124000), 1);
	assert_true(strcmp(before, id) < 0);
	assert_string_equal(id, "evnt_01KBB25PZW0000000000000001");
	assert_int_equal(workflow_event_number("evnt_", &number), -EINVAL);
	assert_int_equal(workflow_event_number("evnt_01KBAR0PHW000000000000000U", &number),
			 -EINVAL);
	assert_int_equal(workflow_event_number("evnt_01KBAR0PHWZZZZZZZZZZZZZZZZ", &number),
			 -EINVAL);
}

static void test_base64(void **state)
{
	static const struct {
		const char *bytes, *text;
	} rows[] = {
		{"", "\"\""},        {"f", "\"Zg==\""},        {"fo", "\"Zm8=\""},
		{"foo", "\"Zm9v\""}, {"\xff\xfe", "\"//4=\""}, {"foobar", "\"Zm9vYmFy\""},
	};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		struct json_out o;

		json_out_init(&o);
		json_out_base64(&o, NULL, rows[n].bytes, strlen(rows[n].bytes));
		assert_false(o.failed);
		assert_string_equal(o.text, rows[n].text);
		json_out_fini(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_ids_of_events_are_numbers_and_sort_as_they_do),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

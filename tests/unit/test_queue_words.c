// SPDX-License-Identifier: Apache-2.0
/* The words of the queue protocol, and the key of a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/flow/queue_words.h"
#include "runtime/http/path_key.h"

static struct http_slice slice(const char *text)
{
	return (struct http_slice){text, strlen(text)};
}

static void test_targets(void **state)
{
	static const struct {
		const char *path;
		int result;
		enum queue_action action;
		uint64_t message, receipt;
	} rows[] = {
		{"/api/v3/topic/T", 0, QUEUE_SEND, 0, 0},
		{"/api/v3/topic/T/", 0, QUEUE_SEND, 0, 0},
		{"/api/v3/topic/T/batch", 0, QUEUE_BATCH, 0, 0},
		{"/api/v3/topic/T/batch/1", -ENOENT, QUEUE_BATCH, 0, 0},
		{"/api/v3/topic/T/consumer/C", 0, QUEUE_RECEIVE, 0, 0},
		{"/api/v3/topic/T/consumer/C/id/17", 0, QUEUE_BY_ID, 17, 0},
		{"/api/v3/topic/T/consumer/C/id/x", -EINVAL, QUEUE_BY_ID, 0, 0},
		{"/api/v3/topic/T/consumer/C/id/", -EINVAL, QUEUE_BY_ID, 0, 0},
		{"/api/v3/topic/T/consumer/C/id/99999999999999999999999", -EINVAL, QUEUE_BY_ID, 0,
		 0},
		{"/api/v3/topic/T/consumer/C/lease/1-2-3", 0, QUEUE_LEASE, 2, 3},
		{"/api/v3/topic/T/consumer/C/lease/1-2", -EINVAL, QUEUE_LEASE, 0, 0},
		{"/api/v3/topic/T/consumer/C/lease/1-2-3-4", -EINVAL, QUEUE_LEASE, 0, 0},
		{"/api/v3/topic/T/consumer/C/other/1", -ENOENT, QUEUE_LEASE, 0, 0},
		{"/api/v3/topic/T/consumer/", -EINVAL, QUEUE_RECEIVE, 0, 0},
		{"/api/v3/topic/T%20/consumer/C", -EINVAL, QUEUE_RECEIVE, 0, 0},
		{"/api/v3/topic/", -EINVAL, QUEUE_SEND, 0, 0},
		{"/api/v3/topic", -ENOENT, QUEUE_SEND, 0, 0},
		{"/", -ENOENT, QUEUE_SEND, 0, 0},
	};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		struct queue_target t;
		const char *why = NULL;

		assert_int_equal(queue_target_parse(slice(rows[n].path), &t, &why), rows[n].result);
		if (rows[n].result == -EINVAL)
			assert_non_null(why);
		if (rows[n].result)
			continue;
		assert_int_equal(t.action, rows[n].action);
		assert_string_equal(t.topic, "T");
		assert_int_equal(t.message, rows[n].message);
		assert_int_equal(t.receipt, rows[n].receipt);
	}
}

static void test_names_have_a_length(void **state)
{
	char path[400] = "/api/v3/topic/";
	struct queue_target t;
	const char *why;

	(void)state;
	memset(path + 14, 'a', 255);
	assert_int_equal(queue_target_parse(slice(path), &t, &why), 0);
	path[14 + 255] = 'a';
	assert_int_equal(queue_target_parse(slice(path), &t, &why), -EINVAL);
	assert_false(queue_name_valid(""));
	assert_false(queue_name_valid("a*"));
	assert_true(queue_name_valid("a_B-9"));
}

static void test_numbers(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(queue_number((struct http_slice){NULL, 0}, 1, 10, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(queue_number(slice("10"), 1, 10, &n), 0);
	assert_int_equal(n, 10);
	for (size_t i = 0; i < 5; i++) {
		static const char *const bad[] = {"", "0", "11", "1x",
						  "111111111111111111111111111"};

		assert_int_equal(queue_number(slice(bad[i]), 1, 10, &n), -EINVAL);
	}
	assert_int_equal(n, 10);
}

/* Their number, or what is wrong with them; all that is read is inside the text. */
static int count(const char *type, const char *text)
{
	SCOPED_MEM char *exact = malloc(strlen(text) + 1);
	struct queue_parts p;
	struct http_slice head, body;
	int r, parts = 0;

	memcpy(exact, text, strlen(text));
	r = queue_parts_init(&p, slice(type), exact, strlen(text));
	if (r < 0)
		return r;
	while ((r = queue_parts_next(&p, &head, &body)) == 1)
		parts++;
	return r < 0 ? r : parts;
}

static void test_parts(void **state)
{
	static const char type[] = "multipart/mixed; boundary=x";

	(void)state;
	assert_int_equal(count(type, "--x\r\na: b\r\n\r\none\r\n--x\r\n\r\n\r\n--x--\r\n"), 2);
	assert_int_equal(count("Multipart/Mixed; boundary=\"x\"", "--x\r\na: b\r\n\r\n\r\n--x--"),
			 1);
	assert_int_equal(count(type, "before\r\n--x\r\na: b\r\n\r\n--x--"), 1);
	assert_int_equal(count(type, "--x--"), 0);
	assert_int_equal(count(type, ""), -EINVAL);
	assert_int_equal(count("text/plain", "--x--"), -EINVAL);
	assert_int_equal(count("multipart/mixed", "--x--"), -EINVAL);
	assert_int_equal(count(type, "--x"), -EBADMSG);
	assert_int_equal(count(type, "--x\r\na: b\r\n\r\nnever ends"), -EBADMSG);
	assert_int_equal(count(type, "--x\r\na: b\r\n--x--"), -EBADMSG);
	assert_int_equal(count(type, "--xy\r\na: b\r\n\r\n\r\n--x--"), -EBADMSG);
}

static void test_fields_of_a_part(void **state)
{
	struct http_slice head = slice("Content-Type: text/plain \r\nvqs-delay-seconds:5\r\nx\r\n");

	(void)state;
	assert_true(http_slice_is(queue_part_field(head, "content-type"), "text/plain"));
	assert_true(http_slice_is(queue_part_field(head, "vqs-delay-seconds"), "5"));
	assert_null(queue_part_field(head, "vqs-delay").at);
	assert_null(queue_part_field(slice(""), "a").at);
}

static void test_paths_that_a_server_may_take_as_one_have_one_key(void **state)
{
	static const char *const same[] = {
		"/api/bill",     "/API/Bill",     "//api///bill/",
		"/%61pi/bil%6C", "/./api/./bill", "/x/../api/bill",
		"/../api/bill",  "/api\\bill",    "/api/x/%2e%2e/bill/."};
	static const char *const other[] = {"/api/bills",  "/apibill", "/",        "",
					    "/api/bill/x", "/bill",    "/api/bil%"};
	uint64_t key = http_path_key(slice("/api/bill"));

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(same); n++)
		assert_int_equal(http_path_key(slice(same[n])), key);
	for (size_t n = 0; n < ARRAY_LEN(other); n++)
		assert_int_not_equal(http_path_key(slice(other[n])), key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_names_have_a_length),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_fields_of_a_part),
		cmocka_unit_test(test_paths_that_a_server_may_take_as_one_have_one_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

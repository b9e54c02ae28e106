// SPDX-License-Identifier: Apache-2.0
/* Messages that a program inside an instance may send, and those that are refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/ipc/message.h"

#define ID      "0123456789abcdeffedcba9876543210"
#define CONTEXT "\"context\":{\"invocationId\":\"" ID "\"}"

static int parse(const char *text, struct message *m)
{
	char err[256];

	return message_parse(text, strlen(text), m, err, sizeof(err));
}

static void a_hold_has_an_id_and_perhaps_a_deadline(void **state)
{
	struct message m;

	assert_int_equal(parse("{\"type\":\"hold\",\"payload\":{" CONTEXT
			       ",\"deadline\":1795000000000}}",
			       &m),
			 0);
	assert_int_equal(m.type, MESSAGE_HOLD);
	assert_true(m.has_id);
	assert_true(m.id.high == 0x0123456789abcdef && m.id.low == 0xfedcba9876543210);
	assert_true(m.deadline_ms == 1795000000000);
	message_fini(&m);
	assert_int_equal(parse("{\"type\":\"hold\",\"payload\":{" CONTEXT "}}", &m), 0);
	assert_true(m.deadline_ms == 0);
	message_fini(&m);
}

static void reasons_are_found_where_runtimes_put_them(void **state)
{
	/* clang-format off */
	static const char *const texts[] = {
		"{\"type\":\"retire\",\"payload\":{\"reason\":\"suspect\"}}",
		"{\"type\":\"unrecoverable-error\",\"payload\":{\"message\":\"suspect\"}}",
		"{\"type\":\"unrecoverable-error\",\"payload\":{\"error\":{\"message\":\"suspect\"}}}",
	};
	/* clang-format on */
	struct message m;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(parse(texts[i], &m), 0);
		assert_string_equal(m.text, "suspect");
		message_fini(&m);
	}
	assert_int_equal(parse("{\"type\":\"retire\"}", &m), 0);
	assert_string_equal(m.text, "no reason given");
	message_fini(&m);
}

static void what_is_new_is_ignored_and_an_end_needs_no_id(void **state)
{
	struct message m;

	assert_int_equal(parse("{\"type\":\"later\",\"payload\":[1]}", &m), 0);
	assert_int_equal(m.type, MESSAGE_UNKNOWN);
	message_fini(&m);
	assert_int_equal(
		parse("{\"type\":\"end\",\"payload\":{\"context\":{\"invocationId\":7}}}", &m), 0);
	assert_int_equal(m.type, MESSAGE_END);
	assert_false(m.has_id);
	message_fini(&m);
}

static void malformed_messages_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"hello",
		"[]",
		"{}",
		"{\"type\":7}",
		"{\"type\":\"hold\"}",
		"{\"type\":\"hold\",\"payload\":{\"context\":{\"invocationId\":\"abc\"}}}",
		("{\"type\":\"hold\",\"payload\":{" CONTEXT ",\"deadline\":-1}}"),
		("{\"type\":\"hold\",\"payload\":{" CONTEXT ",\"deadline\":\"soon\"}}"),
		"{\"type\":\"log\",\"payload\":{\"message\":1}}",
		"{\"type\":\"end\"",
		"{\"type\":\"end\"}x",
	};
	char deep[200];
	struct message m;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_true(parse(texts[i], &m) < 0);
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_true(parse(deep, &m) < 0);
}

static void an_id_comes_back_as_it_was(void **state)
{
	struct request_id id;
	char text[REQUEST_ID_CHARS + 1];

	assert_int_equal(request_id_parse(ID, &id), 0);
	request_id_format(id, text);
	assert_string_equal(text, ID);
	assert_int_equal(request_id_parse(NULL, &id), -EINVAL);
	assert_int_equal(request_id_parse(ID "0", &id), -EINVAL);
	assert_int_equal(request_id_parse("0123456789ABCDEFfedcba9876543210", &id), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hold_has_an_id_and_perhaps_a_deadline),
		cmocka_unit_test(reasons_are_found_where_runtimes_put_them),
		cmocka_unit_test(what_is_new_is_ignored_and_an_end_needs_no_id),
		cmocka_unit_test(malformed_messages_are_refused),
		cmocka_unit_test(an_id_comes_back_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Claims about runtime/base/json.h: exact integers, one of each key, bounded depth, and a written
 * text that can be read again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/base/json.h"
#include "runtime/base/mem.h"

static int parse(const char *text, struct json **out, char *err, size_t err_size)
{
	return json_parse(text, strlen(text), 32, out, err, err_size);
}

static void integers_are_exact(void **state)
{
	struct json *v = NULL;
	int64_t n;
	char err[256];

	(void)state;
	assert_int_equal(parse("[9223372036854775807,-9223372036854775808,9007199254740993,0,1.5]",
			       &v, err, sizeof(err)),
			 0);
	assert_int_equal(json_int(json_at(v, 0), &n), 0);
	assert_true(n == INT64_MAX);
	assert_int_equal(json_int(json_at(v, 1), &n), 0);
	assert_true(n == INT64_MIN);
	assert_int_equal(json_int(json_at(v, 2), &n), 0);
	assert_true(n == INT64_C(9007199254740993));
	assert_int_equal(json_int(json_at(v, 4), &n), -EINVAL);
	assert_int_equal(json_kind(json_at(v, 4)), JSON_REAL);
	json_free(v);
}

static void lookups_chain_over_absent_values(void **state)
{
	struct json *v = NULL;
	char err[256];

	(void)state;
	assert_int_equal(parse("{\"a\":{\"b\":[true,null,\"x\"]}}", &v, err, sizeof(err)), 0);
	assert_string_equal(json_string(json_at(json_get(json_get(v, "a"), "b"), 2)), "x");
	assert_true(json_is_true(json_at(json_get(json_get(v, "a"), "b"), 0)));
	assert_null(json_string(json_at(json_get(json_get(v, "no"), "b"), 2)));
	assert_int_equal(json_count(json_get(json_get(v, "a"), "b")), 3);
	assert_string_equal(json_key_at(v, 0), "a");
	assert_null(json_key_at(v, 1));
	json_free(v);
}

static void bad_documents_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *says;
		int err;
	} cases[] = {
		{"", "premature EOF", -EINVAL},
		{"{\n\"a\":1,\n\"a\":2}", "line 3: this key occurs twice in one object: 'a'",
		 -EINVAL},
		{"[\n1,\n]", "line 3", -EINVAL},
		{"{} {}", "trailing garbage", -EINVAL},
		{"[9223372036854775808]", "does not fit in 64 bits", -EINVAL},
		{"[\"a\\u0000b\"]", "NUL", -EINVAL},
		{"[\"\xc0\xaf\"]", "UTF-8", -EINVAL},
		{"[\"\xed\xa0\x80\"]", "UTF-8", -EINVAL},
		{"{\"\\u0000\":1}", "NUL", -EINVAL},
		{"{\"a\":", "line 1", -EINVAL},
		{"[01]", "line 1", -EINVAL},
		{"nul", "line 1", -EINVAL},
		{"[1] // no", "line 1", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json *v = (struct json *)(uintptr_t)16; /* must stay untouched */
		char err[256] = "";

		assert_int_equal(parse(cases[i].text, &v, err, sizeof(err)), cases[i].err);
		if (!strstr(err, cases[i].says))
			fail_msg("%s: said '%s', not '%s'", cases[i].text, err, cases[i].says);
		assert_true(v == (struct json *)(uintptr_t)16);
	}
}

static void depth_and_size_are_bounded(void **state)
{
	struct json *v = NULL;
	char err[256];
	size_t size = 9u << 20;
	SCOPED_MEM char *many = malloc(size);

	(void)state;
	assert_int_equal(json_parse("[[[]]]", 6, 3, &v, err, sizeof(err)), 0);
	json_free(v);
	assert_int_equal(json_parse("[[[[]]]]", 8, 3, &v, err, sizeof(err)), -E2BIG);
	assert_non_null(strstr(err, "nested too deeply"));

	assert_non_null(many);
	memset(many, ' ', size);
	assert_int_equal(json_parse(many, size, 3, &v, err, sizeof(err)), -E2BIG);
	memset(many, '[', 1);
	for (size_t i = 1; i + 1 < 2000000; i += 2)
		memcpy(many + i, "1,", 2);
	assert_int_equal(json_parse(many, 2000000, 3, &v, err, sizeof(err)), -E2BIG);
	assert_non_null(strstr(err, "too many values"));
}

static void what_is_written_can_be_read_again(void **state)
{
	static const char text[] =
		"{\"s\":\"q\\\" b\\\\ \\n\\u0001 \xc3\xa9\",\"n\":-5,\"r\":1.50e3,"
		"\"t\":true,\"z\":null,\"a\":[1,[],{}]}";
	struct json_out o;
	struct json *v = NULL;
	char err[256];

	(void)state;
	assert_int_equal(parse(text, &v, err, sizeof(err)), 0);
	json_out_init(&o);
	json_out_value(&o, NULL, v);
	assert_false(o.failed);
	assert_string_equal(o.text, text);
	assert_int_equal(o.length, strlen(text));
	json_out_fini(&o);
	json_free(v);
}

static void foreign_bytes_still_make_valid_json(void **state)
{
	struct json_out o;
	struct json *v = NULL;
	char err[256];

	(void)state;
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "log", "a\xff\x1b[31m\x7f\xe2\x82");
	json_out_u64(&o, "max", UINT64_MAX);
	json_out_string(&o, "none", NULL);
	json_out_end_object(&o);
	assert_string_equal(o.text,
			    "{\"log\":\"a\xef\xbf\xbd\\u001b[31m\\u007f\xef\xbf\xbd\xef\xbf\xbd\","
			    "\"max\":18446744073709551615,\"none\":null}");
	assert_int_equal(parse("{\"log\":\"a\xef\xbf\xbd\"}", &v, err, sizeof(err)), 0);
	json_free(v);
	json_out_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_exact),
		cmocka_unit_test(lookups_chain_over_absent_values),
		cmocka_unit_test(bad_documents_are_refused_with_their_line),
		cmocka_unit_test(depth_and_size_are_bounded),
		cmocka_unit_test(what_is_written_can_be_read_again),
		cmocka_unit_test(foreign_bytes_still_make_valid_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

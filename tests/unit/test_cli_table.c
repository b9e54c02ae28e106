// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/cli/lines.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"
#include "runtime/cli/when.h"

static const struct column columns[] = {
	{.title = "ID", .key = "id"},
	{.title = "CPU", .key = "cpu_us", .show = SHOW_US, .right = true},
	{.title = "HOSTS", .key = "hosts"},
	{.title = "HOW", .key = "ebb.timers"},
};

static struct json *parse(const char *text)
{
	struct json *document;
	char err[128];

	assert_int_equal(json_parse(text, strlen(text), 32, &document, err, sizeof(err)), 0);
	return document;
}

static char *render(const struct json *rows, bool color)
{
	struct table *table = table_new(columns, ARRAY_LEN(columns));
	size_t size;
	char *text;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(table);
	assert_non_null(to);
	for (size_t i = 0; i < json_count(rows); i++)
		assert_int_equal(table_add_json(table, json_at(rows, i), 0), 0);
	table_print(table, to, color);
	fclose(to);
	table_free(table);
	return text;
}

static void test_columns_are_aligned_and_absent_is_a_dash(void **state)
{
	struct json *rows = parse("[{\"id\":\"api-1\",\"cpu_us\":999,\"hosts\":[\"a\",\"b\"]},"
				  "{\"id\":\"\xc3\xa4\",\"cpu_us\":\"18446744073709551615\","
				  "\"ebb\":{\"timers\":\"fire\"}}]");
	char *text = render(rows, false);

	assert_string_equal(text, "ID                         CPU  HOSTS  HOW\n"
				  "api-1                   999 us  a,b    -\n"
				  "\xc3\xa4      18446744073709.551615 s  -      fire\n");
	free(text);
	json_free(rows);
}

static void test_colour_only_changes_the_titles(void **state)
{
	struct json *rows = parse("[]");
	char *text = render(rows, true);

	assert_string_equal(text, "\033[1mID  CPU  HOSTS  HOW\033[0m\n");
	free(text);
	json_free(rows);
}

static void test_no_control_byte_of_a_server_gets_out(void **state)
{
	struct json *rows = parse("[{\"id\":\"a\\u001b[2J\\u0007\\u009b\\u007f\\nb\"}]");
	char *text = render(rows, false);

	assert_non_null(strstr(text, "a\\x1b[2J\\x07\\xc2\\x9b\\x7f\\x0ab"));
	for (const char *c = text; *c; c++)
		assert_true(*c == '\n' || (unsigned char)*c >= 0x20);
	free(text);
	json_free(rows);
}

static void test_units_are_exact(void **state)
{
	static const struct {
		const char *json;
		enum show show;
		const char *text;
	} cases[] = {
		{"0", SHOW_US, "0 us"},
		{"1000", SHOW_US, "1.000 ms"},
		{"4000001", SHOW_US, "4.000001 s"},
		{"999", SHOW_BYTES, "999 B"},
		{"1050", SHOW_BYTES, "1.0 kB"},
		{"2147483648", SHOW_BYTES, "2.1 GB"},
		{"40960000", SHOW_MB_MS, "40.000000 GB-s"},
		{"1", SHOW_MB_MS, "0.000000 GB-s"},
		{"-5", SHOW_BYTES, "-5"},
		{"null", SHOW_US, "-"},
		{"true", SHOW_TEXT, "yes"},
		{"\"sha256:0123456789abcdef\"", SHOW_DIGEST, "0123456789ab"},
		{"\"1970-01-01T00:00:10Z\"", SHOW_AGE, "1m30s"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json *value = parse(cases[i].json);
		char text[64];

		assert_string_equal(
			table_value(text, sizeof(text), value, cases[i].show, 100 * US_PER_SEC),
			cases[i].text);
		json_free(value);
	}
}

static void test_escaping_cuts_at_a_whole_escape(void **state)
{
	char buf[8];

	assert_string_equal(text_escape(buf, sizeof(buf), "ab\x1b\x1b"), "ab\\x1b");
}

static void collect(void *context, char *line)
{
	strcat(context, line);
	strcat(context, "|");
}

static void test_lines_come_whole_however_they_are_cut(void **state)
{
	static const char text[] = "one\n\ntwo\nthree";

	for (size_t cut = 1; cut < sizeof(text); cut++) {
		SCOPED_MEM struct lines *lines = calloc(1, sizeof(*lines));
		char got[64] = "";

		assert_non_null(lines);
		for (size_t at = 0; at < sizeof(text) - 1; at += cut) {
			size_t n = sizeof(text) - 1 - at < cut ? sizeof(text) - 1 - at : cut;

			lines_feed(lines, (struct http_slice){text + at, n}, collect, got);
		}
		lines_end(lines, collect, got);
		assert_string_equal(got, "one||two|three|");
	}
}

static void test_times(void **state)
{
	uint64_t now_us = 1000000 * US_PER_SEC, us = 0;

	assert_int_equal(when_parse("30m", now_us, &us), 0);
	assert_int_equal(us, now_us - 1800 * US_PER_SEC);
	assert_int_equal(when_parse("7d", now_us, &us), 0);
	assert_int_equal(us, now_us - 7 * 86400 * US_PER_SEC);
	assert_int_equal(when_parse("1970-01-02", now_us, &us), 0);
	assert_int_equal(us, 86400 * US_PER_SEC);
	assert_int_equal(when_parse("1970-01-01T00:00:01Z", now_us, &us), 0);
	assert_int_equal(us, US_PER_SEC);
	assert_true(when_parse("yesterday", now_us, &us) < 0);
	assert_true(when_parse("5", now_us, &us) < 0);
	assert_true(when_parse("5y", now_us, &us) < 0);
	assert_true(when_parse("", now_us, &us) < 0);
	assert_int_equal(us, US_PER_SEC); /* untouched */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_aligned_and_absent_is_a_dash),
		cmocka_unit_test(test_colour_only_changes_the_titles),
		cmocka_unit_test(test_no_control_byte_of_a_server_gets_out),
		cmocka_unit_test(test_units_are_exact),
		cmocka_unit_test(test_escaping_cuts_at_a_whole_escape),
		cmocka_unit_test(test_lines_come_whole_however_they_are_cut),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

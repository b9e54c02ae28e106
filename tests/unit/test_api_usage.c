// SPDX-License-Identifier: Apache-2.0
/* Claims about the formats of usage: integers survive, totals add up, ids are the same again. */
#include "tests/unit/api_support.h"

#include "runtime/api/usage_formats.h"

/* The last hour of a year. The first service has the check value of the design (4 GB, 4 s of CPU,
 * 10 s awake), the second one very little. */
#define HOUR_BEGIN UINT64_C(1798758000000000) /* 2026-12-31T23:00:00Z */
static const struct wire_usage_row rows[] = {
	{.from_us = HOUR_BEGIN,
	 .to_us = HOUR_BEGIN + UINT64_C(3600000000),
	 .invocations = 3,
	 .active_cpu_us = 4000000,
	 .awake_us = 10000000,
	 .provisioned_mb_us = UINT64_C(40960000000),
	 .instances = 1,
	 .service = "api"},
	{.from_us = HOUR_BEGIN,
	 .to_us = HOUR_BEGIN + UINT64_C(3600000000),
	 .invocations = 1,
	 .active_cpu_us = 7,
	 .awake_us = 999,
	 .provisioned_mb_us = 63936,
	 .instances = 2,
	 .service = "web"},
};
static const struct usage_report report = {
	.from_us = 0,
	.to_us = HOUR_BEGIN,
	.node = "n1",
	.prices = {.price = {221000000, 18300000, 600000000}, .currency = "USD"},
	.rows = rows,
	.count = 2,
};

static char *write_as(const char *name)
{
	const struct usage_format *format = usage_format_find(name);
	struct buffer out = {0};
	char *text;

	assert_non_null(format);
	assert_int_equal(format->write(&out, &report), 0);
	text = strndup(buffer_at(&out), out.size);
	buffer_fini(&out);
	return text;
}

static int64_t number(const struct json *v, const char *key)
{
	int64_t n = -1;

	assert_int_equal(json_int(json_get(v, key), &n), 0);
	return n;
}

static void json_has_the_keys_and_the_total(void **state)
{
	char *text = write_as("json");
	struct json *v = parse(text);
	const struct json *web = json_at(json_get(v, "services"), 1);

	(void)state;
	assert_string_equal(json_string(json_get(v, "from")), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(json_string(json_get(web, "service")), "web");
	assert_int_equal(number(web, "provisioned_mb_ms"), 63);
	assert_int_equal(number(web, "provisioned_mb_us"), 63936);
	assert_int_equal(number(json_get(v, "total"), "invocations"), 4);
	assert_int_equal(number(json_get(v, "total"), "active_cpu_us"), 4000007);
	assert_int_equal(number(json_get(v, "total"), "awake_us"), 10000999);
	assert_int_equal(number(json_get(v, "total"), "provisioned_mb_us"), 40960063936);
	json_free(v);
	free(text);
}

static void cloudevents_are_the_same_again(void **state)
{
	char *text = write_as("cloudevents"), *again = write_as("cloudevents");
	struct json *v = parse(text);
	const struct json *first = json_at(v, 0);

	(void)state;
	assert_string_equal(text, again);
	assert_int_equal(json_count(v), 2);
	assert_string_equal(json_string(json_get(first, "specversion")), "1.0");
	assert_string_equal(json_string(json_get(first, "id")),
			    "api/1798758000000000-1798761600000000");
	assert_string_equal(json_string(json_get(first, "source")), "/ebb/n1");
	assert_string_equal(json_string(json_get(first, "time")), "2027-01-01T00:00:00.000000Z");
	assert_int_equal(number(json_get(first, "data"), "active_cpu_us"), 4000000);
	assert_true(usage_format_find("cloudevents")->only_whole_buckets);
	json_free(v);
	free(text);
	free(again);
}

static void focus_has_five_charges_with_one_value_per_column(void **state)
{
	char *text = write_as("focus"), *rest = text, *line;
	size_t lines = 0, columns = 0;

	(void)state;
	while ((line = strsep(&rest, "\n")) != NULL && *line) {
		size_t commas = 0;

		for (const char *c = line; *c; c++)
			commas += *c == ',';
		if (lines++ == 0)
			columns = commas;
		assert_int_equal(commas, columns);
		if (lines == 2) {
			assert_non_null(strstr(line, "0.000245556,"));
			assert_non_null(strstr(line, "2027-01-01T00:00:00Z,2026-12-01T00:00:00Z"));
			assert_non_null(strstr(line, "Active CPU,2027-01-01T00:00:00Z,"
						     "2026-12-31T23:00:00Z,4000000,"));
		}
		if (lines == 3)
			assert_non_null(strstr(line, "0.000203333,"));
	}
	assert_int_equal(lines, 1 + 2 * 5); /* CPU, provisioned, invocations, bytes out and in */
	free(text);
}

static void prometheus_shows_every_microsecond(void **state)
{
	char *text = write_as("prometheus");

	(void)state;
	assert_non_null(strstr(text, "ebb_active_cpu_seconds_total{service=\"web\"} 0.000007\n"));
	assert_non_null(strstr(text, "ebb_invocations_total{service=\"api\"} 3\n"));
	assert_non_null(strstr(text, "ebb_provisioned_mb_seconds_total{service=\"api\"} "
				     "40960.000000\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_has_the_keys_and_the_total),
		cmocka_unit_test(cloudevents_are_the_same_again),
		cmocka_unit_test(focus_has_five_charges_with_one_value_per_column),
		cmocka_unit_test(prometheus_shows_every_microsecond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

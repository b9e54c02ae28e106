// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "runtime/http/trace.h"

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define ZERO16 "0000000000000000"

static bool valid(const char *text)
{
	return http_traceparent_valid((struct http_slice){text, strlen(text)});
}

static void a_traceparent_is_valid_or_not(void **state)
{
	static const char *const good[] = {
		"00-" TRACE "-" PARENT "-01",
		"00-" TRACE "-" PARENT "-ff",
		"01-" TRACE "-" PARENT "-01",
		"cc-" TRACE "-" PARENT "-01-what-comes-later",
	};
	static const char *const bad[] = {
		"",
		"00-1-2-01",
		"ff-" TRACE "-" PARENT "-01",
		"00-" TRACE "-" PARENT "-01-more",
		"01-" TRACE "-" PARENT "-01more",
		"00-" ZERO16 ZERO16 "-" PARENT "-01",
		"00-" TRACE "-" ZERO16 "-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
		"0g-" TRACE "-" PARENT "-01",
		"00-" TRACE "-" PARENT "-0x",
		"00_" TRACE "-" PARENT "-01",
		"00-" TRACE "_" PARENT "-01",
		"00-" TRACE "-" PARENT "_01",
		"00-" TRACE "-" PARENT "-1",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (valid(bad[i]))
			fail_msg("accepted: %s", bad[i]);
}

/* Every day for 400 years, beside the C library. */
static void dates_are_those_of_the_c_library(void **state)
{
	for (uint64_t day = 0; day < 146097; day++) {
		time_t t = (time_t)(day * 86400 + day * 7919 % 86400);
		char ours[HTTP_DATE_SIZE + 1] = "", theirs[64];
		struct tm tm;

		http_date((uint64_t)t, ours);
		gmtime_r(&t, &tm);
		strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		assert_string_equal(ours, theirs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_traceparent_is_valid_or_not),
		cmocka_unit_test(dates_are_those_of_the_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

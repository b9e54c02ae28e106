// SPDX-License-Identifier: Apache-2.0
/* Dates without libc's time zone: held against libc's own, and against what RFC 3339 forbids. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

static void same_as_libc(uint64_t seconds)
{
	char ours[CLOCK_DATE_SIZE], theirs[64];
	time_t t = (time_t)seconds;
	uint64_t back_us = 0;
	struct tm tm;
	size_t n;

	gmtime_r(&t, &tm);
	n = strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(theirs + n, sizeof(theirs) - n, ".%06" PRIu64 "Z", seconds % US_PER_SEC);
	assert_string_equal(clock_rfc3339(seconds * US_PER_SEC + seconds % US_PER_SEC, ours),
			    theirs);
	assert_int_equal(clock_parse_rfc3339(ours, &back_us), 0);
	assert_int_equal(back_us, seconds * US_PER_SEC + seconds % US_PER_SEC);
}

static void test_dates_are_those_of_libc(void **state)
{
	/* Every day until 2400 at a moment that moves, then each second around ends of February. */
	for (uint64_t day = 0; day < 157055; day++)
		same_as_libc(day * 86400 + day * 7919 % 86400);
	for (uint64_t s = 951782398; s < 951782402; s++)
		same_as_libc(s);
	same_as_libc(4107542399); /* 2100-02-28T23:59:59: 2100 has no 29th */
	same_as_libc(4107542400);
	same_as_libc(253402300799);
}

static void test_what_is_no_date_fits_its_place(void **state)
{
	char buf[CLOCK_DATE_SIZE];

	assert_string_equal(clock_rfc3339(UINT64_MAX, buf), "9999-12-31T23:59:59.999999Z");
	assert_string_equal(clock_rfc3339(0, buf), "1970-01-01T00:00:00.000000Z");
}

static void test_only_dates_are_read(void **state)
{
	static const char *const wrong[] = {
		"",
		"2026",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2026-02-28T24:00:00Z",
		"2026-02-28T00:60:00Z",
		"2026-02-28T00:00:61Z",
		"2026-02-28T00:00:00",
		"2026-02-28T00:00:00.Z",
		"2026-02-28T00:00:00Zz",
		"2026-02-28 00:00:00Z",
		"2026-2-28T00:00:00Z",
		" 2026-02-28T00:00:00Z",
		"+2026-02-28T00:00:00Z",
		"2026-02-28T00:00:00+24:00",
		"2026-02-28T00:00:00+0100",
		"2026-02-28T00:00:00+01:00x",
		"1969-12-31T23:59:59Z",
	};
	uint64_t us;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(clock_parse_rfc3339(wrong[i], &us), -EINVAL);
	assert_int_equal(clock_parse_rfc3339("2024-02-29T01:00:00.5+01:00", &us), 0);
	assert_int_equal(us, UINT64_C(1709164800500000));
	assert_int_equal(clock_parse_rfc3339("1969-12-31T23:00:00-01:00", &us), 0);
	assert_int_equal(us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates_are_those_of_libc),
		cmocka_unit_test(test_what_is_no_date_fits_its_place),
		cmocka_unit_test(test_only_dates_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

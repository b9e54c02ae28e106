// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/base/price.h"

static const struct price list = {
	.cpu_hour_nano = 221000000,
	.gb_hour_nano = 18300000,
	.million_invocations_nano = 600000000,
};

static int price_of(const struct price *p, uint64_t cpu_us, uint64_t mb_us, uint64_t invocations,
		    struct price_lines *out)
{
	const struct price_amounts amounts = {
		.active_cpu_us = cpu_us, .provisioned_mb_us = mb_us, .invocations = invocations};

	return price_usage(p, &amounts, out);
}

/* The architecture's check value: 4 GB, 4 s of CPU, 10 s awake. */
static void the_known_bill_comes_out(void **state)
{
	struct price_lines l;
	char text[PRICE_TEXT_SIZE];

	assert_int_equal(price_of(&list, 4000000, 4096 * UINT64_C(10000000), 0, &l), 0);
	assert_int_equal(l.cpu_nano, 245556);
	assert_int_equal(l.memory_nano, 203333);
	assert_int_equal(l.total_nano, 448889);
	assert_string_equal(price_text(l.total_nano, 7, text), "0.0004489");
}

static void lines_add_up_and_round_half_up(void **state)
{
	struct price half = {.million_invocations_nano = 500000};
	struct price_lines l;

	assert_int_equal(price_of(&half, 0, 0, 1, &l), 0);
	assert_int_equal(l.invocations_nano, 1); /* 0.5 */
	assert_int_equal(price_of(&list, 1, 1, 1, &l), 0);
	assert_int_equal(l.total_nano, l.cpu_nano + l.memory_nano + l.invocations_nano);
	half.million_invocations_nano = 499999;
	assert_int_equal(price_of(&half, 0, 0, 1, &l), 0);
	assert_int_equal(l.invocations_nano, 0);
}

static void bytes_have_a_price_for_each_direction(void **state)
{
	const struct price p = {.gb_out_nano = 90000000, .gb_in_nano = 10000000};
	const struct price_amounts amounts = {.net_out_bytes = 1500000000, .net_in_bytes = 50};
	struct price_lines l;

	assert_int_equal(price_usage(&p, &amounts, &l), 0);
	assert_int_equal(l.out_nano, 135000000);
	assert_int_equal(l.in_nano, 1); /* 0.5 */
	assert_int_equal(l.total_nano, 135000001);
	assert_int_equal(price_usage(&list, &amounts, &l), 0);
	assert_int_equal(l.total_nano, 0); /* no price was named */
}

static void what_does_not_fit_is_refused(void **state)
{
	struct price dear = {.cpu_hour_nano = UINT64_MAX};
	struct price_lines l;

	assert_int_equal(price_of(&list, INT64_MAX, INT64_MAX, INT64_MAX / 1000, &l), 0);
	assert_int_equal(price_of(&dear, UINT64_MAX, 0, 0, &l), -EOVERFLOW);
	assert_int_equal(price_of(&list, 0, 0, UINT64_MAX, &l), -EOVERFLOW);
}

static void amounts_are_written_and_read(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t nano;
	} cases[] = {
		{"0.221", 0, 221000000},
		{"0.0183", 0, 18300000},
		{"7", 0, 7 * PRICE_NANO},
		{"1.000000001", 0, PRICE_NANO + 1},
		{"", -EINVAL, 0},
		{".5", -EINVAL, 0},
		{"5.", -EINVAL, 0},
		{"1.0000000001", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"18446744073.709551615", 0, UINT64_MAX},
		{"18446744073.709551616", -ERANGE, 0},
	};
	char text[PRICE_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t nano = 0;

		assert_int_equal(price_parse(cases[i].text, &nano), cases[i].err);
		assert_int_equal(nano, cases[i].nano);
	}
	assert_string_equal(price_text(UINT64_MAX, 9, text), "18446744073.709551615");
	assert_string_equal(price_text(1999999999, 2, text), "2.00");
	assert_string_equal(price_text(499999999, 0, text), "0");
	assert_string_equal(price_text(500000000, 0, text), "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_known_bill_comes_out),
		cmocka_unit_test(lines_add_up_and_round_half_up),
		cmocka_unit_test(bytes_have_a_price_for_each_direction),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(amounts_are_written_and_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

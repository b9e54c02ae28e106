// SPDX-License-Identifier: Apache-2.0
/* A burst comes in turns, and beyond its allowance work waits for the share of a long time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "runtime/base/pace.h"

#define MS UINT64_C(1000000)

/* Works in pieces of 0.1 ms, and rests as it is told. Returns the ns that passed. */
static uint64_t work(struct pace *p, uint64_t *now_ns, uint64_t amount_ns)
{
	uint64_t begun_ns = *now_ns;

	for (uint64_t done_ns = 0; done_ns < amount_ns; done_ns += MS / 10) {
		*now_ns += MS / 10;
		*now_ns += pace_worked(p, MS / 10, *now_ns);
	}
	return *now_ns - begun_ns;
}

static void a_turn_is_free_and_a_burst_has_a_quarter_of_a_cpu(void **state)
{
	struct pace p = pace_of(100 * MS, 500 * MS);
	uint64_t now_ns = 1000 * MS;

	(void)state;
	assert_int_equal(work(&p, &now_ns, PACE_TURN_NS), PACE_TURN_NS);
	assert_in_range(work(&p, &now_ns, 100 * MS), 390 * MS, 410 * MS);
	assert_false(pace_is_overdrawn(&p));
}

static void beyond_the_burst_its_share_is_left(void **state)
{
	struct pace p = pace_of(100 * MS, 500 * MS);
	uint64_t now_ns = 1000 * MS;

	(void)state;
	(void)work(&p, &now_ns, 2000 * MS);
	assert_in_range(work(&p, &now_ns, 100 * MS), 900 * MS, 1100 * MS);
}

static void who_works_little_never_rests(void **state)
{
	struct pace p = pace_of(100 * MS, 500 * MS);
	uint64_t now_ns = 1000 * MS;

	(void)state;
	for (int i = 0; i < 1000; i++, now_ns += 10 * MS)
		assert_int_equal(pace_worked(&p, MS / 2, now_ns), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_is_free_and_a_burst_has_a_quarter_of_a_cpu),
		cmocka_unit_test(beyond_the_burst_its_share_is_left),
		cmocka_unit_test(who_works_little_never_rests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

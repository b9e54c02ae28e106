// SPDX-License-Identifier: Apache-2.0
/* Which instances go behind others, and when they are in front again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/supervisor/decide/precedence.h"

#define PART 1000u /* an equal part is one CPU */

static unsigned int steps(struct precedence *p, int n, uint32_t used)
{
	unsigned int changes = 0;

	while (n-- > 0)
		changes += precedence_step(p, used, PART);
	return changes;
}

static void more_than_a_quarter_goes_behind_at_once(void **state)
{
	struct precedence p = {0};

	assert_int_equal(steps(&p, 100, 250), 0);
	assert_false(p.behind);
	assert_int_equal(steps(&p, 1, 251), 1);
	assert_true(p.behind);
	assert_int_equal(steps(&p, 100, 251), 0);
}

static void ten_light_samples_in_a_row_bring_it_in_front(void **state)
{
	struct precedence p = {.behind = true};

	assert_int_equal(steps(&p, 9, 125), 0);
	assert_int_equal(steps(&p, 1, 126), 0); /* neither light nor heavy: from the beginning */
	assert_int_equal(steps(&p, 9, 125), 0);
	assert_true(p.behind);
	assert_int_equal(steps(&p, 1, 125), 1);
	assert_false(p.behind);
}

static void time_in_which_it_was_frozen_is_light(void **state)
{
	struct precedence p = {.behind = true};

	assert_false(precedence_rest(&p, 999));
	assert_true(p.behind);
	assert_int_equal(steps(&p, 1, 0), 1);
	p = (struct precedence){.behind = true};
	assert_true(precedence_rest(&p, UINT64_C(1) << 50));
	assert_false(p.behind);
	assert_false(precedence_rest(&p, 1000)); /* it was in front */
}

/* However much those in front use, three quarters of the host are left to those behind. */
static void those_in_front_have_a_quarter_of_the_host_at_most(void **state)
{
	for (uint32_t count = 1; count <= 64; count++) {
		uint32_t part = 8000 / count, in_front = 0;

		for (uint32_t i = 0; i < count; i++) {
			struct precedence p = {0};

			(void)precedence_step(&p, part / 4 + i % 2, part);
			in_front += p.behind ? 0 : part / 4;
		}
		assert_in_range(in_front, 0, 8000 / 4);
	}
}

static void an_equal_part_is_of_what_is_used(void **state)
{
	assert_int_equal(precedence_part(4000, 8000, 4), 1000);
	assert_int_equal(precedence_part(0, 8000, 4), 500);
	assert_int_equal(precedence_part(1999, 8000, 1), 2000);
	assert_int_equal(precedence_part(0, 8000, 0), 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_a_quarter_goes_behind_at_once),
		cmocka_unit_test(ten_light_samples_in_a_row_bring_it_in_front),
		cmocka_unit_test(time_in_which_it_was_frozen_is_light),
		cmocka_unit_test(an_equal_part_is_of_what_is_used),
		cmocka_unit_test(those_in_front_have_a_quarter_of_the_host_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

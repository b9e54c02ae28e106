// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "runtime/gateway/ring/timers.h"

enum { IDS = 200 };

static void they_come_in_order_and_once(void **state)
{
	struct timers t;
	uint64_t last = 0;
	int64_t id;
	int count = 0;

	assert_int_equal(timers_init(&t, IDS), 0);
	srand(1);
	for (uint32_t i = 0; i < IDS; i++)
		timers_set(&t, i, (uint64_t)(rand() % 1000) + 1);
	for (uint32_t i = 0; i < IDS; i += 3)
		timers_clear(&t, i);
	assert_int_equal(timers_next(&t, 0), -1);
	for (uint64_t now = 1; now <= 1000; now++)
		while ((id = timers_next(&t, now)) >= 0) {
			assert_true(id % 3 != 0);
			assert_true(now >= last);
			last = now;
			count++;
		}
	assert_int_equal(count, IDS - (IDS + 2) / 3);
	assert_int_equal(t.heap.count, 0);
	timers_fini(&t);
}

static void setting_again_only_makes_it_earlier(void **state)
{
	struct timers t;

	assert_int_equal(timers_init(&t, 2), 0);
	timers_set(&t, 1, 100);
	timers_set(&t, 1, 500);
	timers_set(&t, 1, 50);
	assert_int_equal(timers_next(&t, 49), -1);
	assert_int_equal(timers_next(&t, 50), 1);
	assert_int_equal(timers_next(&t, 1000), -1);
	timers_fini(&t);
}

/* The kernel's timeout follows an entry that was retracted, and no other. */
static void what_is_retracted_moves_the_timeout(void **state)
{
	struct timers t;

	assert_int_equal(timers_init(&t, 3), 0);
	timers_set(&t, 0, 50);
	timers_set(&t, 1, 500);
	t.armed_ns = 50; /* as timers_arm says */
	timers_retract(&t, 1);
	assert_false(t.moved);
	timers_retract(&t, 2); /* it has no entry */
	assert_false(t.moved);
	timers_retract(&t, 0);
	assert_true(t.moved);
	assert_int_equal(timers_next(&t, 1000), -1);
	timers_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_come_in_order_and_once),
		cmocka_unit_test(setting_again_only_makes_it_earlier),
		cmocka_unit_test(what_is_retracted_moves_the_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

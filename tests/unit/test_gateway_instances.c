// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/gateway/instances.h"

static uint32_t rank(enum board_state state, uint32_t tickets)
{
	return instance_rank(board_make(3, state, 0, tickets), 3, 4, true, false);
}

static void only_running_and_frozen_can_be_used(void **state)
{
	assert_int_equal(rank(BOARD_EMPTY, 0), 0);
	assert_int_equal(rank(BOARD_STARTING, 0), 0);
	assert_int_equal(rank(BOARD_DRAINING, 1), 0);
	assert_int_equal(rank(BOARD_DEAD, 0), 0);
	assert_true(rank(BOARD_RUNNING, 0) > 0);
	assert_true(rank(BOARD_FROZEN, 0) > 0);
}

static void the_fullest_with_room_wins_then_awake_then_frozen(void **state)
{
	assert_true(rank(BOARD_RUNNING, 3) > rank(BOARD_RUNNING, 2));
	assert_true(rank(BOARD_RUNNING, 0) > rank(BOARD_FROZEN, 0));
	assert_int_equal(rank(BOARD_RUNNING, 4), 0);
	assert_int_equal(rank(BOARD_RUNNING, 5), 0);
}

static void another_generation_is_another_instance(void **state)
{
	assert_int_equal(instance_rank(board_make(4, BOARD_RUNNING, 0, 0), 3, 4, true, false), 0);
}

static void the_present_revision_is_preferred(void **state)
{
	uint32_t old = instance_rank(board_make(1, BOARD_RUNNING, 0, 3), 1, 4, false, false);
	uint32_t fresh = instance_rank(board_make(1, BOARD_FROZEN, 0, 0), 1, 4, true, false);

	assert_true(old > 0);
	assert_true(fresh > old);
}

static void a_saturated_one_is_the_last_resort(void **state)
{
	board_word full = board_make(3, BOARD_RUNNING, 0, 3);
	uint32_t saturated = instance_rank(full, 3, 4, true, true);

	assert_true(saturated > 0);
	assert_true(rank(BOARD_RUNNING, 0) > saturated);
	assert_true(rank(BOARD_FROZEN, 0) > saturated);
	assert_int_equal(instance_rank(full, 3, 3, true, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_running_and_frozen_can_be_used),
		cmocka_unit_test(the_fullest_with_room_wins_then_awake_then_frozen),
		cmocka_unit_test(another_generation_is_another_instance),
		cmocka_unit_test(the_present_revision_is_preferred),
		cmocka_unit_test(a_saturated_one_is_the_last_resort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Readings that wait for the ledger: which of them give way when there is no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/supervisor/peers/readings.h"

#define ROOM  64u
#define FIRST 1000u

static int new_readings(void **state)
{
	return readings_new(ROOM, FIRST, (struct readings **)state);
}

static int free_readings(void **state)
{
	readings_free(*state);
	return 0;
}

static bool add(struct readings *r, unsigned int instance, uint64_t cpu_us)
{
	struct wire_meter m = {.cpu_us = cpu_us};

	(void)snprintf(m.instance, sizeof(m.instance), "api-%u", instance);
	return readings_add(r, &m);
}

/* The CPU time that the ledger would have of this instance at last; 0: nothing. */
static uint64_t known(const struct readings *r, unsigned int instance)
{
	char name[INSTANCE_ID_SIZE];
	uint64_t cpu_us = 0, before = 0;

	(void)snprintf(name, sizeof(name), "api-%u", instance);
	for (uint64_t seq = readings_acked(r) + 1; seq <= readings_last(r); seq++) {
		const struct wire_meter *m = readings_at(r, seq);

		assert_int_equal(m->seq, seq);
		if (strcmp(m->instance, name) != 0)
			continue;
		assert_true(m->cpu_us > before); /* meters only grow */
		before = cpu_us = m->cpu_us;
	}
	return cpu_us;
}

static void numbers_rise_and_what_is_safe_is_gone(void **state)
{
	struct readings *r = *state;

	for (unsigned int n = 1; n <= 10; n++)
		assert_true(add(r, 1, n));
	assert_int_equal(readings_last(r), FIRST + 10);
	readings_safe(r, FIRST + 9);
	assert_int_equal(readings_acked(r), FIRST + 9);
	readings_safe(r, FIRST + 3); /* an old answer */
	assert_int_equal(readings_acked(r), FIRST + 9);
	assert_int_equal(known(r, 1), 10);
}

static void the_last_reading_of_an_instance_that_ended_stays(void **state)
{
	struct readings *r = *state;

	for (unsigned int n = 1; n <= 20; n++)
		assert_true(add(r, n, 7 * n)); /* each ends at once */
	for (unsigned int n = 1; n <= 50 * ROOM; n++)
		assert_true(add(r, 100 + n % 7, n));
	for (unsigned int n = 1; n <= 20; n++)
		assert_int_equal(known(r, n), 7 * n);
	for (unsigned int n = 0; n < 7; n++)
		assert_true(known(r, 100 + n) > 50 * ROOM - 7);
}

static void one_is_lost_only_when_all_are_last_ones_and_it_is_told(void **state)
{
	struct readings *r = *state;

	for (unsigned int n = 1; n < ROOM; n++)
		assert_true(add(r, n, 1));
	assert_false(add(r, ROOM, 1));
	assert_int_equal(readings_last(r) - readings_acked(r), ROOM - 1);
	assert_int_equal(known(r, 1), 0);
	assert_int_equal(known(r, 2), 1);
	assert_true(add(r, 2, 2)); /* its earlier one gives way */
	assert_int_equal(known(r, 2), 2);
	for (unsigned int n = 3; n <= ROOM; n++)
		assert_int_equal(known(r, n), 1);
}

static void room_that_the_ledger_made_is_used(void **state)
{
	struct readings *r = *state;

	for (unsigned int n = 1; n < ROOM; n++)
		assert_true(add(r, n, 1));
	readings_safe(r, readings_last(r));
	for (unsigned int n = 1; n < ROOM; n++)
		assert_true(add(r, 1000 + n, 1));
	assert_int_equal(known(r, 1001), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_rise_and_what_is_safe_is_gone, new_readings,
						free_readings),
		cmocka_unit_test_setup_teardown(the_last_reading_of_an_instance_that_ended_stays,
						new_readings, free_readings),
		cmocka_unit_test_setup_teardown(
			one_is_lost_only_when_all_are_last_ones_and_it_is_told, new_readings,
			free_readings),
		cmocka_unit_test_setup_teardown(room_that_the_ledger_made_is_used, new_readings,
						free_readings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Claims about how long a client of the API may keep its connection without taking anything. */
#include "tests/unit/api_support.h"

#include "runtime/api/conn.h"
#include "runtime/base/clock.h"

static bool expires(struct conn *c, uint64_t after_s)
{
	return conn_expired(c, c->progress_ns + after_s * NS_PER_SEC);
}

static void a_running_command_may_be_silent_for_ever(void **state)
{
	struct conn c = {.state = CONN_UPGRADED, .progress_ns = 1};

	(void)state;
	assert_false(expires(&c, 1000000));
	c.out.size = 1;
	assert_false(expires(&c, 1000000));
}

static void the_rest_of_a_command_that_ended_waits_ten_minutes(void **state)
{
	struct conn c = {.state = CONN_UPGRADED, .progress_ns = 1, .ending = true, .out.size = 1};

	(void)state;
	assert_false(expires(&c, 599));
	assert_true(expires(&c, 601));
}

static void a_stream_waits_a_minute_for_its_client_and_for_ever_for_its_source(void **state)
{
	struct conn c = {.state = CONN_STREAM, .progress_ns = 1};

	(void)state;
	assert_false(expires(&c, 1000000));
	c.out.size = 1;
	assert_false(expires(&c, 59));
	assert_true(expires(&c, 61));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_running_command_may_be_silent_for_ever),
		cmocka_unit_test(the_rest_of_a_command_that_ended_waits_ten_minutes),
		cmocka_unit_test(
			a_stream_waits_a_minute_for_its_client_and_for_ever_for_its_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

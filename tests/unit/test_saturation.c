// SPDX-License-Identifier: Apache-2.0
/* When an instance counts as saturated, and what happens to its automatic limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/supervisor/decide/saturation.h"

static const struct load_bounds automatic = {.limit_max = 100, .automatic = true};
static const struct load_bounds fixed = {.limit_max = 10};

static void steps(struct load_state *s, const struct load_bounds *b, int n,
		  struct load_sample sample)
{
	while (n-- > 0)
		(void)load_step(s, b, &sample);
}

static void full_cpu_saturates_and_calm_relieves(void **state)
{
	struct load_state s = {.limit = 10};

	steps(&s, &fixed, LOAD_BELIEVED - 1,
	      (struct load_sample){.cpu_permille = 980, .tickets = 3});
	assert_int_equal(s.cause, LOAD_NONE);
	steps(&s, &fixed, 1, (struct load_sample){.cpu_permille = 980, .tickets = 3});
	assert_int_equal(s.cause, LOAD_CPU);
	steps(&s, &fixed, 10, (struct load_sample){.cpu_permille = 800, .tickets = 3});
	assert_int_equal(s.cause, LOAD_CPU);
	steps(&s, &fixed, LOAD_BELIEVED, (struct load_sample){.cpu_permille = 500, .tickets = 3});
	assert_int_equal(s.cause, LOAD_NONE);
	assert_int_equal(s.limit, 10);
}

static void one_burst_is_no_saturation(void **state)
{
	struct load_state s = {.limit = 100};

	for (int i = 0; i < 50; i++) {
		steps(&s, &automatic, 1,
		      (struct load_sample){.cpu_permille = 2000, .tickets = 100});
		steps(&s, &automatic, 3, (struct load_sample){.cpu_permille = 100, .tickets = 100});
	}
	assert_int_equal(s.cause, LOAD_NONE);
	assert_int_equal(s.limit, 100);
}

static void waiting_for_a_cpu_counts_with_half_of_it_in_use(void **state)
{
	struct load_state s = {.limit = 10};
	struct load_sample sample = {.cpu_permille = 600, .stall_permille = 700, .tickets = 4};

	steps(&s, &fixed, LOAD_BELIEVED, sample);
	assert_int_equal(s.cause, LOAD_STALL);
	s = (struct load_state){.limit = 10};
	sample.cpu_permille = 100;
	steps(&s, &fixed, 20, sample);
	assert_int_equal(s.cause, LOAD_NONE);
}

static void slower_than_its_own_baseline_with_more_open_is_saturated(void **state)
{
	struct load_state s = {.limit = 100};

	steps(&s, &automatic, 20,
	      (struct load_sample){.answers = 10, .first_byte_us = 10000, .tickets = 3});
	steps(&s, &automatic, 2,
	      (struct load_sample){.answers = 10, .first_byte_us = 90000, .tickets = 60});
	assert_int_equal(s.cause, LOAD_NONE);
	steps(&s, &automatic, 1,
	      (struct load_sample){.answers = 10, .first_byte_us = 90000, .tickets = 60});
	assert_int_equal(s.cause, LOAD_LATENCY);
	assert_true(s.limit < 60);
}

static void slower_requests_alone_are_a_new_baseline(void **state)
{
	struct load_state s = {.limit = 100};

	steps(&s, &automatic, 20,
	      (struct load_sample){.answers = 10, .first_byte_us = 1000, .tickets = 10});
	steps(&s, &automatic, 50,
	      (struct load_sample){.answers = 10, .first_byte_us = 500000, .tickets = 11});
	assert_int_equal(s.cause, LOAD_NONE);
	assert_int_equal(s.limit, 100);
}

static void an_idle_instance_has_no_opinion(void **state)
{
	struct load_state s = {.limit = 100};

	steps(&s, &automatic, 1000, (struct load_sample){0});
	assert_int_equal(s.cause, LOAD_NONE);
	assert_int_equal(s.limit, 100);
}

static void a_nack_saturates_at_once(void **state)
{
	struct load_state s = {.limit = 100};

	steps(&s, &automatic, 1, (struct load_sample){.nacks = 1, .tickets = 20});
	assert_int_equal(s.cause, LOAD_NACK);
	assert_int_equal(s.limit, 17);
	steps(&s, &automatic, 2, (struct load_sample){.tickets = 10});
	assert_int_equal(s.cause, LOAD_NONE);
}

/* The CPU that an instance uses of its quarter of a CPU, in thousandths, with so many open requests
 * of 5 ms of CPU and 1 s of waiting each: 45 requests use 90 % of it. */
static uint32_t cpu_of(uint32_t open)
{
	uint32_t permille = open * 5 * 4;

	return permille > 1000 ? 1000 : permille;
}

static void the_automatic_limit_finds_what_the_cpu_allows_and_stays(void **state)
{
	struct load_state s = {.limit = 100};
	uint32_t changes = 0, least = 100;

	for (int i = 0; i < 200; i++)
		(void)load_step(
			&s, &automatic,
			&(struct load_sample){.cpu_permille = cpu_of(s.limit), .tickets = s.limit});
	assert_in_range(s.limit, 30, 45);
	for (int i = 0; i < 3600 * 10; i++) {
		changes += load_step(
			&s, &automatic,
			&(struct load_sample){.cpu_permille = cpu_of(s.limit), .tickets = s.limit});
		least = s.limit < least ? s.limit : least;
	}
	assert_true(least >= 30);
	assert_true(changes <= 4 * 3600 * 10 / 640 + 40); /* one excursion a minute at most */
}

static void a_limit_that_was_set_is_never_touched(void **state)
{
	struct load_state s = {.limit = 10};

	steps(&s, &fixed, 1000, (struct load_sample){.cpu_permille = 1000, .tickets = 10});
	assert_int_equal(s.limit, 10);
}

static void an_automatic_limit_has_a_floor_and_comes_back(void **state)
{
	struct load_state s = {.limit = 100};

	for (int i = 0; i < 1000; i++)
		(void)load_step(&s, &automatic,
				&(struct load_sample){.cpu_permille = 1000, .tickets = s.limit});
	assert_int_equal(s.limit, LOAD_LIMIT_MIN);
	for (int i = 0; i < 2000; i++)
		(void)load_step(&s, &automatic,
				&(struct load_sample){.cpu_permille = 100, .tickets = s.limit});
	assert_int_equal(s.limit, 100);
}

static void requests_in_the_accept_queue_saturate_and_an_empty_one_relieves(void **state)
{
	struct load_state s = {.limit = 10};
	struct load_sample queued = {.cpu_permille = 10, .tickets = 8, .queued = 4};

	assert_false(load_step(&s, &fixed, &queued)); /* once: a crowd on its way in */
	assert_true(load_step(&s, &fixed, &queued));
	assert_int_equal(s.cause, LOAD_QUEUE);
	queued.queued = 0;
	steps(&s, &fixed, 2, queued);
	assert_int_equal(s.cause, LOAD_QUEUE);
	steps(&s, &fixed, 1, queued);
	assert_int_equal(s.cause, LOAD_NONE);
	queued = (struct load_sample){.tickets = 1, .queued = 1}; /* alone: nobody is in its way */
	steps(&s, &fixed, 10, queued);
	assert_int_equal(s.cause, LOAD_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_cpu_saturates_and_calm_relieves),
		cmocka_unit_test(one_burst_is_no_saturation),
		cmocka_unit_test(waiting_for_a_cpu_counts_with_half_of_it_in_use),
		cmocka_unit_test(slower_than_its_own_baseline_with_more_open_is_saturated),
		cmocka_unit_test(slower_requests_alone_are_a_new_baseline),
		cmocka_unit_test(an_idle_instance_has_no_opinion),
		cmocka_unit_test(a_nack_saturates_at_once),
		cmocka_unit_test(requests_in_the_accept_queue_saturate_and_an_empty_one_relieves),
		cmocka_unit_test(the_automatic_limit_finds_what_the_cpu_allows_and_stays),
		cmocka_unit_test(a_limit_that_was_set_is_never_touched),
		cmocka_unit_test(an_automatic_limit_has_a_floor_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Claims about the scaling policy over time, under any traffic: see tests/sim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "tests/sim/sim.h"

#define MINUTE (60 * SIM_SECOND)

static const struct sim_config usual = {SIM_USUAL, .max = 10, .wait_us = 1000000};

static const struct sim_trace traces[] = {
	{"steady", 10 * MINUTE, sim_steady, 30, 30, 1},
	{"bursty", 10 * MINUTE, sim_bursty, 5, 200, 2},
	{"diurnal", 24 * SIM_HOUR, sim_diurnal, 0.05, 4, 3},
	{"on/off", 10 * MINUTE, sim_on_off, 0, 50, 4},
};

static struct sim_result run(const struct sim_config *config, const struct sim_trace *trace)
{
	struct sim_result r;

	assert_int_equal(sim_run(config, trace, &r), 0);
	assert_int_equal(r.served + r.refused, r.requests);
	return r;
}

static void within_its_bounds_and_all_frozen_afterwards(void **state)
{
	for (size_t n = 0; n < ARRAY_LEN(traces); n++) {
		struct sim_result r = run(&usual, &traces[n]);

		assert_true(r.most_instances <= usual.max);
		assert_int_equal(r.awake_at_end, 0);
		assert_int_equal(r.refused, 0);
	}
}

static void a_singleton_stays_alone_and_its_queue_is_bounded(void **state)
{
	const struct sim_trace flood = {"flood", MINUTE, sim_steady, 300, 300, 5};
	struct sim_config config = usual;
	struct sim_result r;

	config.max = 1;
	config.queue_max = 200;
	config.queue_age_us = 2 * SIM_SECOND;
	r = run(&config, &flood);
	assert_int_equal(r.starts, 1);
	assert_true(r.most_queued <= 200);
	assert_true(r.refused > 0);
	printf("flood: %lu served, %lu refused, p99 %.0f ms\n", (unsigned long)r.served,
	       (unsigned long)r.refused, r.p99_ms);
	/* By its CPU 50 a second; a crowd that came together computes, then waits, together. */
	assert_true(r.served > 30 * 60);
	assert_true(r.p99_ms < 2000 + 4000);
}

static void min_instances_are_there_before_the_first_request(void **state)
{
	const struct sim_trace quiet = {"quiet", MINUTE, sim_steady, 0, 0, 6};
	struct sim_config config = usual;
	struct sim_result r;

	config.min = 3;
	r = run(&config, &quiet);
	assert_int_equal(r.starts, 3);
	assert_int_equal(r.most_instances, 3);
	assert_int_equal(r.awake_us, 0);
}

static void a_steady_load_does_not_turn_to_and_fro(void **state)
{
	const struct sim_trace steady = {"steady", 30 * MINUTE, sim_steady, 30, 30, 7};
	struct sim_result r = run(&usual, &steady);

	printf("steady: %u instances, %u turns in the second half\n", r.most_instances,
	       r.turns_late);
	assert_true(r.most_instances <= 2); /* 60 % of one CPU share: one, and one by chance */
	assert_int_equal(r.starts_late, 0);
	assert_true(r.turns_late <= 180); /* twelve a minute: which of the two is full */
}

static void fluid_needs_a_fraction_of_what_one_per_instance_needs(void **state)
{
	struct sim_config single = usual;
	struct sim_result together = run(&usual, &traces[0]), alone;

	single.concurrency = 1;
	single.automatic = false;
	single.max = 64;
	alone = run(&single, &traces[0]);
	assert_true(alone.most_instances >= 10 * together.most_instances);
	assert_true(alone.awake_us >= 10 * together.awake_us);
	assert_true(sim_bill(&single, &alone) > 2 * sim_bill(&usual, &together));
	assert_true(together.p99_ms <= alone.p99_ms * 2);
}

static void almost_no_request_of_a_day_waits_for_a_start(void **state)
{
	struct sim_result r;

	assert_int_equal(sim_day(&r), 0);
	printf("day: %lu requests, %u starts, %.3f %% without a cold start (anchor 99.37 %%)\n",
	       (unsigned long)r.requests, r.starts,
	       100.0 * (double)(r.requests - r.cold) / (double)r.requests);
	assert_true(r.cold * 10000 <= r.requests * 63);
	assert_int_equal(r.refused, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within_its_bounds_and_all_frozen_afterwards),
		cmocka_unit_test(a_singleton_stays_alone_and_its_queue_is_bounded),
		cmocka_unit_test(min_instances_are_there_before_the_first_request),
		cmocka_unit_test(a_steady_load_does_not_turn_to_and_fro),
		cmocka_unit_test(fluid_needs_a_fraction_of_what_one_per_instance_needs),
		cmocka_unit_test(almost_no_request_of_a_day_waits_for_a_start),
	};

	if (getenv("EBB_VM")) {
		printf("SKIP: the same on every kernel, and half a minute under emulation\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

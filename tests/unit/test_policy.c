// SPDX-License-Identifier: Apache-2.0
/* How many instances to start, and how long to wait before freezing: pure functions, tabulated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/supervisor/decide/policy.h"

static const struct policy_view quiet = {
	.min = 0, .max = 10, .concurrency = 100, .host_room = 1000, .now_ns = 1000};

static struct policy_decision decide(struct policy_view change)
{
	return policy_decide(&change);
}

static void nothing_is_started_without_a_need(void **state)
{
	assert_int_equal(decide(quiet).start, 0);
	assert_int_equal(decide(quiet).reason, POLICY_NOTHING_NEEDED);
}

static void a_hundred_waiting_requests_need_one_instance(void **state)
{
	struct policy_view v = quiet;

	v.queued = 100;
	assert_int_equal(decide(v).start, 1);
	v.queued = 101;
	assert_int_equal(decide(v).start, 2);
	v.starting = 1;
	assert_int_equal(decide(v).start, 1);
	v.starting = 2;
	assert_int_equal(decide(v).start, 0);
}

static void a_singleton_is_never_doubled(void **state)
{
	struct policy_view v = quiet;

	v.max = 1;
	v.queued = 500;
	assert_int_equal(decide(v).start, 1);
	v.live = 1;
	assert_int_equal(decide(v).start, 0);
	assert_int_equal(decide(v).reason, POLICY_AT_MAX);
}

static void min_instances_are_kept(void **state)
{
	struct policy_view v = quiet;

	v.min = 3;
	v.live = 1;
	assert_int_equal(decide(v).start, 2);
	assert_int_equal(decide(v).reason, POLICY_MIN_INSTANCES);
	v.proving = true; /* and nobody set minInstances */
	assert_int_equal(decide(v).reason, POLICY_PROVING);
	v.draining = true;
	assert_int_equal(decide(v).reason, POLICY_DRAINING);
	assert_int_equal(decide(v).start, 0);
	v.proving = v.draining = false;
}

static void a_full_host_starts_nothing(void **state)
{
	struct policy_view v = quiet;

	v.queued = 1;
	v.host_room = 0;
	assert_int_equal(decide(v).start, 0);
	assert_int_equal(decide(v).reason, POLICY_HOST_FULL);
	v.unbilled = true; /* no room that is made would help */
	assert_int_equal(decide(v).reason, POLICY_UNBILLED);
	assert_int_equal(decide(v).start, 0);
}

static void saturation_of_all_asks_for_one_more_and_waits_for_it(void **state)
{
	struct policy_view v = quiet;

	v.live = 2;
	v.saturated = 2;
	assert_int_equal(decide(v).start, 0); /* nobody is sent there */
	v.crowded = 500;
	assert_int_equal(decide(v).start, 1);
	assert_int_equal(decide(v).reason, POLICY_SATURATED);
	v.starting = 1;
	assert_int_equal(decide(v).start, 0);
	v.starting = 0;
	v.saturated = 1;
	assert_int_equal(decide(v).start, 0);
	v.saturated = 2;
	v.max = 2;
	assert_int_equal(decide(v).reason, POLICY_AT_MAX);
}

static void who_is_refused_hears_when_to_come_back(void **state)
{
	struct policy_view v = quiet;

	v.not_before_ns = v.now_ns + UINT64_C(3500000000);
	assert_int_equal(policy_retry_after_s(&v, POLICY_BACKING_OFF), 4);
	assert_true(policy_retry_after_s(&v, POLICY_HOST_FULL) >= 1);
	assert_int_equal(policy_retry_after_s(&v, POLICY_AT_MAX), 1);
}

static void failures_back_off(void **state)
{
	struct policy_view v = quiet;

	v.queued = 1;
	v.not_before_ns = v.now_ns + 1;
	assert_int_equal(decide(v).reason, POLICY_BACKING_OFF);
	assert_int_equal(policy_backoff_ns(1), 0);
	assert_true(policy_backoff_ns(3) > policy_backoff_ns(2));
	assert_int_equal(policy_backoff_ns(1000), policy_backoff_ns(9));
}

static void the_grace_learns_within_its_bounds(void **state)
{
	uint64_t grace_ns = GRACE_FIRST_NS;

	for (int i = 0; i < 20; i++)
		grace_ns = policy_grace_ns(grace_ns, 1000);
	assert_int_equal(grace_ns, GRACE_MOST_NS);
	for (int i = 0; i < 20; i++)
		grace_ns = policy_grace_ns(grace_ns, UINT64_C(60000000000));
	assert_int_equal(grace_ns, GRACE_LEAST_NS);
	assert_int_equal(policy_grace_ns(GRACE_FIRST_NS, UINT64_C(100000000)), GRACE_FIRST_NS);
}

static void cpu_follows_memory_unless_set(void **state)
{
	assert_int_equal(policy_cpu_milli(0, 2048), 1000);
	assert_int_equal(policy_cpu_milli(0, 512), 250);
	assert_int_equal(policy_cpu_milli(0, 64), 50);
	assert_int_equal(policy_cpu_milli(1500, 64), 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_started_without_a_need),
		cmocka_unit_test(a_hundred_waiting_requests_need_one_instance),
		cmocka_unit_test(a_singleton_is_never_doubled),
		cmocka_unit_test(min_instances_are_kept),
		cmocka_unit_test(a_full_host_starts_nothing),
		cmocka_unit_test(saturation_of_all_asks_for_one_more_and_waits_for_it),
		cmocka_unit_test(who_is_refused_hears_when_to_come_back),
		cmocka_unit_test(failures_back_off),
		cmocka_unit_test(the_grace_learns_within_its_bounds),
		cmocka_unit_test(cpu_follows_memory_unless_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* When an instance without work may be frozen: a pure function, tabulated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/supervisor/decide/idle.h"

#define NOW   (1000 * NS_PER_SEC)
#define MS(n) ((n)*NS_PER_MS)

static struct look_due due(uint64_t from_ms, uint64_t to_ms)
{
	return (struct look_due){
		.from_ns = NOW + MS(from_ms), .to_ns = NOW + MS(to_ms), .what = "x"};
}

static struct look calm(void)
{
	const struct look_due never = {.from_ns = LOOK_NEVER, .to_ns = LOOK_NEVER, .what = ""};

	return (struct look){.threads = 1,
			     .first = never,
			     .soon = never,
			     .stretched = never,
			     .kept = never,
			     .tick = never};
}

static struct idle_view view(const struct look *l)
{
	return (struct idle_view){.now_ns = NOW,
				  .idle_since_ns = NOW - MS(60),
				  .limit_ns = MS(300000),
				  .fire = true,
				  .window_ns = MS(50),
				  .patience_ns = MS(5),
				  .look = l};
}

static void a_quiet_one_is_frozen(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	v.used_us = 1000; /* of 50 ms */
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	l.first = l.soon = due(5000, 5010);
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	assert_false(idle_decide(&v).late);
}

static void a_busy_one_is_not_until_its_time_is_over(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	v.used_us = 5000;
	assert_int_equal(idle_decide(&v).reason, IDLE_CPU);
	assert_int_equal(idle_decide(&v).again_ns, NOW + MS(5));
	v.used_us = 0;
	l.running_tid = 7;
	assert_int_equal(idle_decide(&v).reason, IDLE_THREAD);
	v.idle_since_ns = NOW - v.limit_ns;
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	assert_true(idle_decide(&v).late); /* each thaw for a timer would let it go on */
}

static void one_that_waits_for_the_network_is_not_and_its_timers_are_served_later(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	v.talks = true;
	v.patience_ns = MS(800);
	assert_int_equal(idle_decide(&v).reason, IDLE_TALKS);
	assert_true(idle_decide(&v).busy); /* that time is provisioned */
	assert_int_equal(idle_decide(&v).again_ns, NOW + TALKS_AGAIN_NS);
	l.soon = due(50, 50);
	assert_int_equal(idle_decide(&v).reason, IDLE_SOON);
	l = calm();
	v.idle_since_ns = NOW - v.limit_ns;
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	assert_false(idle_decide(&v).late);
}

static void what_a_timer_began_has_as_long_as_a_request(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	v.used_us = 5000;
	v.idle_since_ns = MS(1);
	v.thawed_ns = NOW - MS(20);
	assert_int_equal(idle_decide(&v).reason, IDLE_CPU);
	v.thawed_ns = NOW - v.limit_ns;
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	assert_true(idle_decide(&v).late);
}

static void a_lock_counts_for_ever(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	v.locked = true;
	v.idle_since_ns = 0;
	assert_int_equal(idle_decide(&v).reason, IDLE_LOCKED);
}

static void what_cannot_be_looked_at_keeps_it_awake_as_long_as_a_request(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	l.crowded = true;
	v.fire = false; /* it may hold a lock all the same */
	assert_int_equal(idle_decide(&v).reason, IDLE_CROWDED);
	assert_int_equal(idle_decide(&v).again_ns, NOW + CROWDED_AGAIN_NS);
	v.limit_ns = MS(1000);
	assert_int_equal(idle_decide(&v).again_ns, NOW + MS(940));
	v.limit_ns = MS(60);
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	assert_true(idle_decide(&v).late);
}

static void busy_is_what_is_billed(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	assert_false(idle_decide(&v).busy);
	v.used_us = 5000;
	assert_true(idle_decide(&v).busy);
	v.idle_since_ns = NOW - v.limit_ns; /* and until it is frozen all the same */
	assert_true(idle_decide(&v).busy);
	v.used_us = 0;
	assert_false(idle_decide(&v).busy);
}

static void a_timer_that_is_due_soon_keeps_it_awake(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	l.first = l.soon = due(90, 100);
	assert_int_equal(idle_decide(&v).reason, IDLE_SOON);
	assert_int_equal(idle_decide(&v).again_ns, NOW + MS(101));
	v.fire = false;
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	v.fire = true;
	v.idle_since_ns = NOW - v.limit_ns;
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	assert_true(idle_decide(&v).late);
}

static void sleeps_that_a_freeze_would_hurt_keep_it_awake(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	l.stretched = due(700, 800);
	assert_int_equal(idle_decide(&v).reason, IDLE_STRETCHED);
	l.stretched = calm().stretched;
	l.first = l.kept = due(0, 3000); /* a thaw would not tell when */
	l.soon = due(3000, 3000);
	assert_int_equal(idle_decide(&v).reason, IDLE_UNSURE);
	l.kept = calm().kept; /* a thaw tells: freeze, and thaw at once */
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
}

/* A thread sleeps again and again for length_ms. Each decision says when to look next; for every
 * phase, one of the first 12 looks sees a sleep so soon after its begin that freezing pays. */
static void a_sleep_that_repeats_is_caught_young(uint64_t length_ms, uint64_t phase_ms)
{
	uint64_t length = MS(length_ms), looked = NOW - MS(60), at = NOW, cycle;
	struct look l = calm();
	struct idle_view v = view(&l);

	for (int looks = 0; looks < 12; looks++) {
		cycle = (at + MS(phase_ms)) / length;
		if (cycle != (looked + MS(phase_ms)) / length) { /* it began since the last look */
			l.kept = due(0, 0);
			l.kept.from_ns = looked + length > at ? looked + length : at;
			l.kept.to_ns = at + length;
		} else if (looks == 0) { /* nobody knows when */
			l.kept.from_ns = at;
			l.kept.to_ns = at + length;
		}
		l.kept.length_ns = length;
		l.first = l.soon = l.kept;
		looked = v.now_ns = at;
		v.patience_ns = v.patience_ns * 2 > MS(1000) ? MS(1000) : v.patience_ns * 2;
		if (idle_decide(&v).reason == IDLE_QUIET)
			return;
		at = idle_decide(&v).again_ns;
	}
	fail_msg("not caught: %u ms, phase %u", (unsigned)length_ms, (unsigned)phase_ms);
}

static void sleeps_that_repeat_are_caught_young(void **state)
{
	static const uint64_t lengths_ms[] = {300, 499, 500, 501, 1000, 1001, 2000, 5000};

	for (size_t i = 0; i < sizeof(lengths_ms) / sizeof(lengths_ms[0]); i++)
		for (uint64_t phase_ms = 0; phase_ms < lengths_ms[i]; phase_ms += 7)
			a_sleep_that_repeats_is_caught_young(lengths_ms[i], phase_ms);
}

static void the_end_of_a_sleep_that_is_known_is_waited_for(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	l.first = l.kept = due(3, 700);
	l.soon = due(700, 700);
	l.kept.length_ns = MS(1000);
	v.patience_ns = MS(640);
	assert_int_equal(idle_decide(&v).reason, IDLE_UNSURE);
	assert_int_equal(idle_decide(&v).again_ns, NOW + MS(600));
	l.kept.to_ns = NOW + MS(230);
	assert_int_equal(idle_decide(&v).again_ns, NOW + MS(231));
	l.kept.to_ns = NOW + MS(2);
	assert_int_equal(idle_decide(&v).again_ns, NOW + MS(5));
}

static void a_timer_of_unknown_time_keeps_it_awake_until_its_time_is_over(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	l.unknown_pid = 7;
	v.patience_ns = MS(640);
	assert_int_equal(idle_decide(&v).reason, IDLE_UNKNOWN);
	assert_int_equal(idle_decide(&v).again_ns, NOW + MS(640));
	v.fire = false;
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	v.fire = true;
	v.idle_since_ns = NOW - v.limit_ns;
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET);
	assert_true(idle_decide(&v).late);
}

static void beyond_the_budget_it_stays_awake(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	v.budget_ns = NOW + MS(400);
	assert_int_equal(idle_decide(&v).reason, IDLE_QUIET); /* no timer, no need */
	l.first = l.soon = due(5000, 5000);
	assert_int_equal(idle_decide(&v).reason, IDLE_BUDGET);
}

static void patience_and_the_wake_grid(void **state)
{
	struct look l = calm();
	struct idle_view v = view(&l);

	l.running_tid = 1;
	v.patience_ns = MS(640);
	assert_int_equal(idle_decide(&v).again_ns, NOW + MS(640));
	assert_int_equal(idle_wake_ns(LOOK_NEVER), LOOK_NEVER);
	for (uint64_t t = NOW; t < NOW + MS(50); t += MS(1)) {
		assert_true(idle_wake_ns(t) <= t - TIMER_LEAD_NS);
		assert_true(idle_wake_ns(t) > t - TIMER_LEAD_NS - TIMER_GRID_NS);
	}
	assert_int_equal(idle_wake_ns(NOW + MS(3)), idle_wake_ns(NOW + MS(9)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quiet_one_is_frozen),
		cmocka_unit_test(a_busy_one_is_not_until_its_time_is_over),
		cmocka_unit_test(
			one_that_waits_for_the_network_is_not_and_its_timers_are_served_later),
		cmocka_unit_test(what_a_timer_began_has_as_long_as_a_request),
		cmocka_unit_test(a_lock_counts_for_ever),
		cmocka_unit_test(what_cannot_be_looked_at_keeps_it_awake_as_long_as_a_request),
		cmocka_unit_test(busy_is_what_is_billed),
		cmocka_unit_test(a_timer_that_is_due_soon_keeps_it_awake),
		cmocka_unit_test(sleeps_that_a_freeze_would_hurt_keep_it_awake),
		cmocka_unit_test(sleeps_that_repeat_are_caught_young),
		cmocka_unit_test(the_end_of_a_sleep_that_is_known_is_waited_for),
		cmocka_unit_test(a_timer_of_unknown_time_keeps_it_awake_until_its_time_is_over),
		cmocka_unit_test(beyond_the_budget_it_stays_awake),
		cmocka_unit_test(patience_and_the_wake_grid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Freezing and metering one leaf against the real kernel. */
#include "tests/unit/cgroup_rig.h"

#include <time.h>

static uint64_t cpu_clock_us(clockid_t clock)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(clock, &ts), 0);
	return (uint64_t)ts.tv_sec * US_PER_SEC + (uint64_t)ts.tv_nsec / NS_PER_US;
}

static void run_300_ms(int go_fd, int result_fd)
{
	char byte;

	while (cpu_clock_us(CLOCK_PROCESS_CPUTIME_ID) < 300000)
		;
	report(result_fd, 0);
	(void)!read(go_fd, &byte, 1);
}

/* --- freezer and meters -------------------------------------------------------------------- */

static void a_frozen_busy_child_uses_no_cpu(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "freeze", &roomy);
	struct child c = start_in(t, &g, run_busy);
	struct cgroup_cpu before, after;
	uint64_t deadline_ns = clock_mono_ns() + DEADLINE_MS * NS_PER_MS;

	child_result(&c);
	assert_int_equal(cgroup_frozen(&g), 0);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(cgroup_freeze(&g), 0);
		wait_for(cgroup_frozen, &g, 1);
		poll(NULL, 0, 50); /* "frozen" is said just before the last task leaves its CPU */
		assert_int_equal(cgroup_cpu(&g, &before), 0);
		poll(NULL, 0, 100);
		assert_int_equal(cgroup_cpu(&g, &after), 0);
		assert_int_equal(after.usage_us, before.usage_us);
		assert_int_equal(cgroup_thaw(&g), 0);
		do { /* it really runs again */
			assert_int_equal(cgroup_cpu(&g, &after), 0);
			assert_true(clock_mono_ns() < deadline_ns);
		} while (after.usage_us == before.usage_us);
		assert_int_equal(cgroup_frozen(&g), 0);
	}
	kill_and_remove(t, &g, &c);
}

static void frozen_time_is_told_where_the_kernel_counts_it(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "frozen-time", &roomy);
	uint64_t us = 0;

	if (cgroup_abilities(t).frozen_time) {
		assert_int_equal(cgroup_freeze(&g), 0);
		poll(NULL, 0, 20);
		assert_int_equal(cgroup_thaw(&g), 0);
		assert_int_equal(cgroup_frozen_us(&g, &us), 0);
		assert_true(us >= 15000);
	} else {
		assert_int_equal(cgroup_frozen_us(&g, &us), -ENODATA);
	}
	remove_dead(t, &g);
}

/* Reads both meters of a child while it is frozen, when they must agree. The pause: the kernel says
 * "frozen" just before the last task leaves its CPU. */
static void read_both(struct cgroup *g, clockid_t clock, uint64_t *stat_us, uint64_t *clock_us)
{
	struct cgroup_cpu cpu;

	assert_int_equal(cgroup_freeze(g), 0);
	wait_for(cgroup_frozen, g, 1);
	poll(NULL, 0, 50);
	assert_int_equal(cgroup_cpu(g, &cpu), 0);
	*stat_us = cpu.usage_us;
	*clock_us = cpu_clock_us(clock);
	assert_int_equal(cgroup_thaw(g), 0);
}

static void cpu_stat_agrees_with_the_cpu_clock(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "meter", &roomy);
	struct child c = child_start(run_300_ms);
	uint64_t stat_us[2], clock_us[2];
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(c.pid, &clock), 0);
	assert_int_equal(cgroup_attach(t, &g, c.pid), 0);
	read_both(&g, clock, &stat_us[0], &clock_us[0]);
	child_go(&c);
	child_result(&c);
	read_both(&g, clock, &stat_us[1], &clock_us[1]);
	stat_us[1] -= stat_us[0];
	clock_us[1] -= clock_us[0];
	print_message("cpu.stat %" PRIu64 " us, clock %" PRIu64 " us\n", stat_us[1], clock_us[1]);
	assert_true(clock_us[1] >= 250000);
	assert_in_range(stat_us[1], clock_us[1] - clock_us[1] / 100,
			clock_us[1] + clock_us[1] / 100);
	kill_and_remove(t, &g, &c);
}

static void a_frozen_child_can_be_killed(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "frozen-kill", &roomy);
	struct child c = start_in(t, &g, run_busy);

	child_result(&c);
	assert_int_equal(cgroup_freeze(&g), 0);
	wait_for(cgroup_frozen, &g, 1);
	kill_and_remove(t, &g, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frozen_busy_child_uses_no_cpu),
		cmocka_unit_test(frozen_time_is_told_where_the_kernel_counts_it),
		cmocka_unit_test(cpu_stat_agrees_with_the_cpu_clock),
		cmocka_unit_test(a_frozen_child_can_be_killed),
	};

	return cmocka_run_group_tests_name("cgroup_freezer", tests, setup, teardown);
}

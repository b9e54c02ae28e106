// SPDX-License-Identifier: Apache-2.0
/* Heavy instances beside light ones, as an observer hears of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cgroups/tree.h"
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/standing.h"

static struct fleet fleet;
static struct cgroup_tree tree;
static struct instance light, heavy;
static struct spec spec;
static bool mixed;
static unsigned int told;

static void on_mixed(void *self, bool on)
{
	mixed = on;
	told++;
}

static int begin(void **state)
{
	memset(&fleet, 0, sizeof(fleet));
	memset(&tree, 0, sizeof(tree));
	memset(&light, 0, sizeof(light));
	memset(&heavy, 0, sizeof(heavy));
	light.cgroup.path[0] = heavy.cgroup.path[0] = 'x';
	tree.at[0].tree_fd = -1; /* no cpu.idle here */
	fleet.host_cpu_milli = 2000;
	fleet.ground.tree = &tree;
	fleet.ground.observers[0] = (struct observer){.mixed = on_mixed};
	fleet.ground.observer_count = 1;
	light.spec = heavy.spec = &spec;
	light.ground = heavy.ground = &fleet.ground;
	told = 0;
	mixed = false;
	standing_begin(&light);
	standing_step(&light, 20);
	standing_begin(&heavy);
	return 0;
}

static void ticks_begin_at_the_first_glance_at_a_busy_one(void **state)
{
	standing_glance(&heavy, 499);
	assert_false(mixed);
	standing_glance(&heavy, 500);
	assert_true(mixed);
	assert_false(heavy.load.precedence.behind); /* it was not judged */
}

static void a_sample_decides_whether_they_go_on(void **state)
{
	standing_glance(&heavy, 1000);
	standing_step(&heavy, 900);
	assert_true(heavy.load.precedence.behind);
	assert_true(mixed);
	assert_int_equal(told, 1);

	begin(state);
	standing_glance(&heavy, 1000);
	standing_step(&heavy, 10);
	assert_false(heavy.load.precedence.behind);
	assert_false(mixed);
	assert_int_equal(told, 2);
}

static void they_end_with_either(void **state)
{
	standing_glance(&heavy, 1000);
	standing_end(&heavy);
	assert_false(mixed);
	assert_false(heavy.load.busy);

	standing_begin(&heavy);
	standing_glance(&heavy, 1000);
	assert_true(mixed);
	standing_end(&light);
	assert_true(mixed); /* light ones come and go */
	standing_step(&heavy, 1000);
	assert_false(mixed);
}

static void one_that_was_judged_makes_them_with_its_thaw(void **state)
{
	standing_step(&heavy, 1000);
	standing_end(&heavy);
	assert_false(mixed);
	standing_begin(&heavy);
	assert_true(mixed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ticks_begin_at_the_first_glance_at_a_busy_one, begin),
		cmocka_unit_test_setup(a_sample_decides_whether_they_go_on, begin),
		cmocka_unit_test_setup(they_end_with_either, begin),
		cmocka_unit_test_setup(one_that_was_judged_makes_them_with_its_thaw, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

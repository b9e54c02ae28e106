// SPDX-License-Identifier: Apache-2.0
/* Which kinds of requests are refused after deaths, and which are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/supervisor/decide/blame.h"

#define KILLER UINT64_C(666)
#define SECOND UINT64_C(1000000000)

static struct blame_verdict verdicts[BLAME_KINDS_MAX];

struct rig {
	struct blame *blame;
	uint32_t generation;
	uint64_t now_ns;
};

static int set_up(void **state)
{
	static struct rig rig;

	rig = (struct rig){.now_ns = SECOND};
	*state = &rig;
	return blame_new(&rig.blame);
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	blame_free(rig->blame);
	return 0;
}

/* One death, told by one gateway; until when `kind` is refused then (0: not). */
static uint64_t death(struct rig *rig, uint64_t kind, uint32_t count, const uint64_t *kinds)
{
	struct wire_blame blame = {.service = 1, .generation = ++rig->generation, .count = count};
	uint32_t n;

	for (n = 0; n < count; n++)
		blame.kinds[n] = kinds[n];
	blame_died(rig->blame, 1, 0, rig->generation, 1, rig->now_ns);
	n = blame_report(rig->blame, &blame, 0, rig->now_ns, verdicts);
	assert_int_equal(n, count);
	while (n-- > 0)
		if (verdicts[n].kind == kind)
			return verdicts[n].until_ns;
	return 0;
}

static uint64_t alone(struct rig *rig)
{
	return death(rig, KILLER, 1, (uint64_t[]){KILLER});
}

static void the_third_death_alone_is_refused_and_the_next_time_for_longer(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(alone(rig), 0);
	assert_int_equal(alone(rig), 0);
	assert_int_equal(alone(rig), rig->now_ns + BLAME_BAN_NS);
	rig->now_ns += BLAME_BAN_NS + SECOND;
	assert_int_equal(alone(rig), rig->now_ns + 2 * BLAME_BAN_NS);
}

static void an_answer_clears(void **state)
{
	struct rig *rig = *state;

	(void)alone(rig);
	(void)alone(rig);
	blame_clear(rig->blame, 1, KILLER);
	assert_int_equal(alone(rig), 0);
}

static void long_ago_is_forgotten(void **state)
{
	struct rig *rig = *state;

	(void)alone(rig);
	(void)alone(rig);
	rig->now_ns += BLAME_WINDOW_NS + SECOND;
	assert_int_equal(alone(rig), 0);
}

static void who_was_there_by_chance_is_not_blamed(void **state)
{
	struct rig *rig = *state;

	for (uint64_t n = 1; n <= 3; n++) {
		uint64_t until = death(rig, KILLER, 3, (uint64_t[]){n, KILLER, n + 10});

		assert_true((until > 0) == (n == 3));
		assert_int_equal(verdicts[0].until_ns, 0);
		assert_int_equal(verdicts[2].until_ns, 0);
	}
}

static void two_that_cannot_be_told_apart_have_twice_the_chances(void **state)
{
	struct rig *rig = *state;
	const uint64_t both[] = {1, KILLER};

	for (int n = 1; n <= 5; n++)
		assert_int_equal(death(rig, KILLER, 2, both), 0);
	assert_true(death(rig, KILLER, 2, both) > 0);
	blame_clear(rig->blame, 1, 1); /* the innocent one comes through after the cool-down */
	assert_true(death(rig, KILLER, 2, both) > 0);
	assert_int_equal(verdicts[0].until_ns, 0);
}

static void what_several_gateways_say_is_one_death(void **state)
{
	struct rig *rig = *state;
	struct wire_blame one = {.service = 1, .generation = 9, .count = 1, .kinds = {KILLER}};
	struct wire_blame other = {.service = 1, .generation = 9, .count = 1, .kinds = {7}};

	blame_died(rig->blame, 1, 0, 9, 3, SECOND);
	assert_int_equal(blame_report(rig->blame, &one, 0, SECOND, verdicts), 0);
	assert_int_equal(blame_report(rig->blame, &other, 1, SECOND, verdicts), 2);
}

static void no_gateway_speaks_for_another(void **state)
{
	struct rig *rig = *state;
	struct wire_blame lie = {.service = 1, .generation = 9, .count = 1, .kinds = {KILLER}};
	struct wire_blame other_service = {.service = 2, .generation = 9, .count = 1};

	/* Reports of a death that ebbd did not announce, many reports of one gateway for
	 * both, and reports of gateways that do not exist. */
	for (int n = 0; n < 100; n++)
		assert_int_equal(blame_report(rig->blame, &lie, 0, SECOND, verdicts), 0);
	blame_died(rig->blame, 1, 0, 9, 3, SECOND);
	for (int n = 0; n < 100; n++)
		assert_int_equal(blame_report(rig->blame, &lie, 0, SECOND, verdicts), 0);
	assert_int_equal(blame_report(rig->blame, &lie, 2, SECOND, verdicts), 0);
	assert_int_equal(blame_report(rig->blame, &lie, UINT32_MAX, SECOND, verdicts), 0);
	/* The service of the death is what ebbd says it was. */
	assert_int_equal(blame_report(rig->blame, &other_service, 1, SECOND, verdicts), 0);
	assert_int_equal(blame_report(rig->blame, &lie, 1, SECOND, verdicts), 1);
	assert_int_equal(verdicts[0].deaths, 1);
	/* The gateway that has not told yet is gone: the others' reports prove nothing. */
	blame_died(rig->blame, 1, 0, 10, 3, SECOND);
	lie.generation = 10;
	assert_int_equal(blame_report(rig->blame, &lie, 0, SECOND, verdicts), 0);
	blame_gateway_gone(rig->blame, 1);
	assert_int_equal(blame_report(rig->blame, &lie, 0, SECOND, verdicts), 0);
	assert_int_equal(blame_report(rig->blame, &lie, 1, SECOND, verdicts), 0);
}

static void a_table_filled_at_one_moment_loses_none_of_the_death_in_hand(void **state)
{
	struct rig *rig = *state;

	for (uint64_t n = 1; n < 4000; n += BLAME_KINDS_MAX) {
		uint64_t kinds[BLAME_KINDS_MAX];

		for (uint32_t k = 0; k < BLAME_KINDS_MAX; k++)
			kinds[k] = n + k;
		(void)death(rig, 0, BLAME_KINDS_MAX, kinds);
		for (uint32_t k = 0; k < BLAME_KINDS_MAX; k++)
			assert_int_equal(verdicts[k].kind, n + k);
	}
}

static void counts_beyond_what_a_record_holds_are_cut(void **state)
{
	struct rig *rig = *state;
	struct wire_blame most = {
		.service = 1, .generation = 1, .count = UINT32_MAX, .more = UINT32_MAX};

	blame_died(rig->blame, 1, 0, 1, UINT64_MAX, SECOND);
	for (uint32_t n = 0; n < GATEWAYS_MAX; n++)
		(void)blame_report(rig->blame, &most, n, SECOND, verdicts);
	assert_int_equal(verdicts[0].deaths, 1);
	assert_int_equal(verdicts[0].until_ns, 0);
}

static void the_table_is_bounded_and_too_many_to_list_blames_nobody_alone(void **state)
{
	struct rig *rig = *state;
	struct wire_blame many = {.service = 1, .count = 1, .more = 5, .kinds = {KILLER}};

	for (uint64_t n = 1000; n < 3000; n++)
		(void)death(rig, n, 1, &n);
	for (uint32_t n = 0; n < 5; n++) {
		many.generation = 5000 + n;
		blame_died(rig->blame, 1, 0, many.generation, 1, SECOND);
		assert_int_equal(blame_report(rig->blame, &many, 0, SECOND, verdicts), 1);
		assert_int_equal(verdicts[0].until_ns, 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_third_death_alone_is_refused_and_the_next_time_for_longer),
		TEST(an_answer_clears),
		TEST(long_ago_is_forgotten),
		TEST(who_was_there_by_chance_is_not_blamed),
		TEST(two_that_cannot_be_told_apart_have_twice_the_chances),
		TEST(what_several_gateways_say_is_one_death),
		TEST(no_gateway_speaks_for_another),
		TEST(a_table_filled_at_one_moment_loses_none_of_the_death_in_hand),
		TEST(counts_beyond_what_a_record_holds_are_cut),
		TEST(the_table_is_bounded_and_too_many_to_list_blames_nobody_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

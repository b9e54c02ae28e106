// SPDX-License-Identifier: Apache-2.0
/* A walk over thousands of instances meets each once, and in parts: other handlers get their turn
 * between two parts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/scale/fleet.h"
#include "runtime/supervisor/peers/walk.h"

#define HOLE    7 /* no instance in every seventh slot */
#define COST_NS (30 * NS_PER_US)

struct rig {
	struct loop *loop;
	struct walks walks;
	struct timer other;
	uint32_t met[3], ended, turns, last_slot;
	uint32_t room; /* so many more may be met */
};

static char instances[INSTANCES_MAX];

struct instance *fleet_at(struct fleet *f, uint32_t slot)
{
	return slot % HOLE == 0 ? NULL : (struct instance *)(void *)&instances[slot];
}

static bool is_full(void *self)
{
	return ((struct rig *)self)->room == 0;
}

static void meet(void *self, uint64_t cookie, struct instance *i)
{
	struct rig *rig = self;
	uint32_t slot = (uint32_t)((char *)i - instances);
	uint64_t begun_ns = clock_thread_ns();

	assert_true(rig->met[cookie] == 0 || slot > rig->last_slot);
	assert_true(rig->room-- > 0);
	rig->last_slot = slot;
	rig->met[cookie]++;
	while (clock_thread_ns() - begun_ns < COST_NS)
		;
}

static void end(void *self, uint64_t cookie)
{
	struct rig *rig = self;

	assert_int_equal(rig->ended++, cookie);
	if (cookie == 2)
		loop_stop(rig->loop, 0);
}

static const struct walk_kind meeting = {.each = meet, .end = end};

/* Every millisecond; and it makes room. */
static void on_other(struct timer *t)
{
	struct rig *rig = container_of(t, struct rig, other);

	rig->turns++;
	rig->room = 100000;
	must(loop_timer_at(rig->loop, t, clock_mono_ns() + NS_PER_MS) == 0);
}

static void begin(struct rig *rig)
{
	*rig = (struct rig){.room = 500, .other = {.on_due = on_other, .name = "other"}};
	assert_int_equal(loop_new(&rig->loop), 0);
	walks_init(&rig->walks, rig->loop, NULL, rig, is_full);
	assert_int_equal(loop_timer_at(rig->loop, &rig->other, clock_mono_ns() + NS_PER_MS), 0);
}

static void each_is_met_once_and_others_get_their_turn(void **state)
{
	const uint32_t all = INSTANCES_MAX - (INSTANCES_MAX + HOLE - 1) / HOLE;
	struct rig rig;

	begin(&rig);
	for (uint64_t cookie = 0; cookie < 3; cookie++)
		assert_int_equal(walks_add(&rig.walks, &meeting, cookie), 0);
	assert_true(rig.met[0] > 0 && rig.met[0] <= 500); /* at once, as far as there was room */
	assert_int_equal(loop_run(rig.loop), 0);
	for (int n = 0; n < 3; n++)
		assert_int_equal(rig.met[n], all);
	/* 3 x 3,500 x 30 us are some 60 parts of 5 ms, one after the other. */
	assert_true(rig.turns >= 10);
	assert_int_equal(loop_health(rig.loop)->stalls, 0);
	loop_free(rig.loop);
}

static void what_was_asked_can_be_dropped_and_has_an_end(void **state)
{
	struct rig rig;

	begin(&rig);
	rig.room = 0;
	for (uint32_t n = 0; n < WALKS_MAX; n++)
		assert_int_equal(walks_add(&rig.walks, &meeting, 0), 0);
	assert_int_equal(walks_add(&rig.walks, &meeting, 0), -ENOBUFS);
	walks_drop(&rig.walks);
	rig.room = 100000;
	rig.ended = 2;
	assert_int_equal(walks_add(&rig.walks, &meeting, 2), 0);
	assert_int_equal(loop_run(rig.loop), 0);
	assert_int_equal(rig.met[0], 0);
	assert_true(rig.met[2] > 3000);
	loop_free(rig.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_met_once_and_others_get_their_turn),
		cmocka_unit_test(what_was_asked_can_be_dropped_and_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

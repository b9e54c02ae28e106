// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/gateway/route/choice.h"

static uint32_t rank(enum board_state state, uint32_t tickets)
{
	return choice_rank(board_make(3, state, 0, tickets), 3, 4, true, false);
}

static void only_running_and_frozen_can_be_used(void **state)
{
	assert_int_equal(rank(BOARD_EMPTY, 0), 0);
	assert_int_equal(rank(BOARD_STARTING, 0), 0);
	assert_int_equal(rank(BOARD_DRAINING, 1), 0);
	assert_int_equal(rank(BOARD_DEAD, 0), 0);
	assert_true(rank(BOARD_RUNNING, 0) > 0);
	assert_true(rank(BOARD_FROZEN, 0) > 0);
}

static void the_fullest_with_room_wins_then_awake_then_frozen(void **state)
{
	assert_true(rank(BOARD_RUNNING, 3) > rank(BOARD_RUNNING, 2));
	assert_true(rank(BOARD_RUNNING, 0) > rank(BOARD_FROZEN, 0));
	assert_int_equal(rank(BOARD_RUNNING, 4), 0);
	assert_int_equal(rank(BOARD_RUNNING, 5), 0);
}

static void another_generation_is_another_instance(void **state)
{
	assert_int_equal(choice_rank(board_make(4, BOARD_RUNNING, 0, 0), 3, 4, true, false), 0);
}

static void the_present_revision_is_preferred(void **state)
{
	uint32_t old = choice_rank(board_make(1, BOARD_RUNNING, 0, 3), 1, 4, false, false);
	uint32_t fresh = choice_rank(board_make(1, BOARD_FROZEN, 0, 0), 1, 4, true, false);

	assert_true(old > 0);
	assert_true(fresh > old);
}

static void a_saturated_one_is_the_last_resort(void **state)
{
	board_word full = board_make(3, BOARD_RUNNING, 0, 3);
	uint32_t saturated = choice_rank(full, 3, 4, true, true);

	assert_true(saturated > 0);
	assert_true(rank(BOARD_RUNNING, 0) > saturated);
	assert_true(rank(BOARD_FROZEN, 0) > saturated);
	assert_int_equal(choice_rank(full, 3, 3, true, true), 0);
}

static void the_reason_is_what_the_rank_says(void **state)
{
	board_word awake = board_make(3, BOARD_RUNNING, 0, 1);
	board_word frozen = board_make(3, BOARD_FROZEN, 0, 0);
	const struct {
		uint32_t rank;
		bool alone;
		enum wire_choice_reason reason;
	} rows[] = {
		{choice_rank(awake, 3, 4, true, false), true, WIRE_CHOICE_ONLY},
		{choice_rank(frozen, 3, 4, false, true), true, WIRE_CHOICE_ONLY},
		{choice_rank(awake, 3, 4, true, false), false, WIRE_CHOICE_FULLEST},
		{choice_rank(frozen, 3, 4, true, false), false, WIRE_CHOICE_WOKEN},
		{choice_rank(frozen, 3, 4, true, true), false, WIRE_CHOICE_WOKEN},
		{choice_rank(awake, 3, 4, true, true), false, WIRE_CHOICE_SATURATED},
		{choice_rank(awake, 3, 4, false, false), false, WIRE_CHOICE_OLDER},
		{choice_rank(frozen, 3, 4, false, false), false, WIRE_CHOICE_OLDER},
	};

	for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
		assert_int_equal(choice_reason(rows[n].rank, rows[n].alone), rows[n].reason);
}

static void put(struct instances *all, struct board *board, struct service *s, uint32_t slot,
		enum board_state state, uint32_t tickets)
{
	struct instance *i = &all->slots[slot];

	*i = (struct instance){.up = true,
			       .slot = slot,
			       .revision = 1,
			       .generation = board_open_slot(board, slot, 4, 0)};
	chain_init(&i->of_service);
	chain_add_first(&s->instances, &i->of_service);
	board_move(board, slot, 1u << BOARD_STARTING, BOARD_RUNNING);
	for (uint32_t n = 0; n < tickets; n++)
		assert_int_equal(board_take(board, 0, slot, i->generation), BOARD_TAKEN);
	if (state != BOARD_RUNNING)
		board_move(board, slot, 1u << BOARD_RUNNING, state);
}

static void what_else_there_was_is_counted(void **state)
{
	struct instances all = {0};
	struct service s = {.record = {.revision = 1}};
	struct board *board;
	struct choice made;
	char dir[] = "/tmp/ebb-choice-XXXXXX";
	int dir_fd, board_fd;

	chain_init(&s.instances);
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(board_create(dir_fd, 1, &board, &board_fd), 0);
	unlinkat(dir_fd, "board", 0);
	rmdir(dir);
	assert_int_equal(instances_init(&all), 0);
	put(&all, board, &s, 0, BOARD_RUNNING, 4);
	put(&all, board, &s, 1, BOARD_RUNNING, 1);
	put(&all, board, &s, 2, BOARD_RUNNING, 3);
	put(&all, board, &s, 3, BOARD_FROZEN, 0);
	put(&all, board, &s, 4, BOARD_RUNNING, 2);
	put(&all, board, &s, 5, BOARD_RUNNING, 2);
	put(&all, board, &s, 6, BOARD_DRAINING, 0);
	board_slot(board, 4)->saturated = 1;
	all.slots[5].doubt_until_ns = 100;
	made = choice_make(board, &s, 50);
	assert_ptr_equal(made.best, &all.slots[2]);
	assert_int_equal(choice_reason(made.rank, false), WIRE_CHOICE_FULLEST);
	assert_int_equal(made.classes[CLASS_PRESENT | CLASS_ROOM | CLASS_AWAKE], 2);
	assert_int_equal(made.classes[CLASS_PRESENT | CLASS_ROOM], 1);
	assert_int_equal(made.classes[CLASS_PRESENT | CLASS_AWAKE], 1);
	assert_int_equal(made.classes[0], 3);
	chain_init(&s.instances);
	assert_null(choice_make(board, &s, 50).best);
	free(all.slots);
	board_close(board);
	close(board_fd);
	close(dir_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_running_and_frozen_can_be_used),
		cmocka_unit_test(the_fullest_with_room_wins_then_awake_then_frozen),
		cmocka_unit_test(another_generation_is_another_instance),
		cmocka_unit_test(the_present_revision_is_preferred),
		cmocka_unit_test(a_saturated_one_is_the_last_resort),
		cmocka_unit_test(the_reason_is_what_the_rank_says),
		cmocka_unit_test(what_else_there_was_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

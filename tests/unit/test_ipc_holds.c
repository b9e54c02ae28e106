// SPDX-License-Identifier: Apache-2.0
/* The table of holds: all of them are on the board, and each ends when its time has come. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/ipc/holds.h"

#define SLOT 3
#define MS   UINT64_C(1000000)

struct fixture {
	struct board *board;
	struct holds *holds;
	uint32_t generation;
};

static int setup(void **state)
{
	char dir[] = "/tmp/ebb-holds-XXXXXX";
	struct fixture *f = calloc(1, sizeof(*f));
	int dir_fd, board_fd;

	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(board_create(dir_fd, 1, &f->board, &board_fd), 0);
	unlinkat(dir_fd, "board", 0);
	close(dir_fd);
	close(board_fd);
	rmdir(dir);
	f->generation = board_open_slot(f->board, SLOT, 3, 0);
	assert_true(board_move(f->board, SLOT, 1u << BOARD_STARTING, BOARD_RUNNING));
	assert_int_equal(holds_new(f->board, &f->holds), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	holds_free(f->holds);
	board_close(f->board);
	free(f);
	return 0;
}

static enum board_take take(struct fixture *f, uint64_t low, uint64_t due_ms)
{
	struct hold_terms terms = {.due_ns = due_ms * MS, .cap_ns = 1000 * MS, .until_ms = due_ms};

	return holds_take(f->holds, SLOT, f->generation, (struct request_id){1, low}, &terms);
}

static uint32_t on_board(const struct fixture *f)
{
	return board_holds(board_load(f->board, SLOT));
}

static void one_request_has_one_hold(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(take(f, 1, 100), BOARD_TAKEN);
	assert_int_equal(take(f, 1, 200), BOARD_TAKEN);
	assert_int_equal(take(f, 2, 100), BOARD_TAKEN);
	assert_int_equal(on_board(f), 2);
	assert_true(holds_end(f->holds, SLOT, (struct request_id){1, 1}));
	assert_false(holds_end(f->holds, SLOT, (struct request_id){1, 1}));
	assert_int_equal(on_board(f), 1);
	holds_end_all(f->holds, SLOT);
	assert_int_equal(on_board(f), 0);
}

static void a_hold_that_comes_too_late_says_that_it_thawed(void **state)
{
	struct fixture *f = *state;

	assert_true(board_try_freeze(f->board, SLOT));
	assert_int_equal(take(f, 1, 100), BOARD_TAKEN_THAW);
	assert_int_equal(take(f, 2, 100), BOARD_TAKEN);
}

static void holds_are_cut_in_the_order_of_their_deadlines(void **state)
{
	enum { COUNT = 500 };
	struct fixture *f = *state;
	struct hold_cut cut;
	uint64_t last_ms = 0;

	for (uint64_t i = 0; i < COUNT; i++)
		assert_int_equal(take(f, i, 1 + i * 7919 % COUNT), BOARD_TAKEN);
	for (uint64_t i = 0; i < COUNT; i += 2)
		assert_true(holds_end(f->holds, SLOT, (struct request_id){1, i}));
	assert_false(holds_cut_due(f->holds, 0, &cut));
	for (int i = 0; i < COUNT / 2; i++) {
		assert_true(holds_cut_due(f->holds, COUNT * MS, &cut));
		assert_true(cut.until_ms > last_ms && cut.id.low % 2 == 1);
		last_ms = cut.until_ms;
	}
	assert_false(holds_cut_due(f->holds, UINT64_MAX - 1, &cut));
	assert_int_equal(on_board(f), 0);
	assert_true(holds_next_due_ns(f->holds) == UINT64_MAX);
}

static void a_later_word_moves_a_deadline_but_not_beyond_the_cap(void **state)
{
	struct fixture *f = *state;
	struct hold_terms later = {.due_ns = 1500 * MS, .cap_ns = 3000 * MS, .until_ms = 1500};

	assert_int_equal(take(f, 1, 100), BOARD_TAKEN);
	assert_int_equal(take(f, 1, 50), BOARD_TAKEN);
	assert_true(holds_next_due_ns(f->holds) == 50 * MS);
	assert_int_equal(
		holds_take(f->holds, SLOT, f->generation, (struct request_id){1, 1}, &later),
		BOARD_TAKEN);
	assert_true(holds_next_due_ns(f->holds) == 1000 * MS);
	assert_int_equal(atomic_load(&board_notes(f->board, SLOT)[0].until_ms), 1000);
}

static void an_instance_cannot_have_more_than_its_share(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < HOLDS_PER_INSTANCE; i++)
		assert_int_equal(take(f, i, 100), BOARD_TAKEN);
	assert_int_equal(take(f, HOLDS_PER_INSTANCE, 100), BOARD_FULL);
	assert_int_equal(on_board(f), HOLDS_PER_INSTANCE);
	assert_true(holds_end(f->holds, SLOT, (struct request_id){1, 7}));
	assert_int_equal(take(f, HOLDS_PER_INSTANCE, 100), BOARD_TAKEN);
	board_move(f->board, SLOT, ~0u, BOARD_DEAD);
	assert_true(holds_end(f->holds, SLOT, (struct request_id){1, 8}));
	assert_int_equal(take(f, 8, 100), BOARD_GONE);
}

static uint32_t open_slot(struct fixture *f, uint32_t slot, uint32_t service)
{
	uint32_t generation = board_open_slot(f->board, slot, 3, service);

	assert_true(board_move(f->board, slot, 1u << BOARD_STARTING, BOARD_RUNNING));
	holds_of_service(f->holds, slot, service);
	return generation;
}

/* Sixteen instances of one service take all holds; another service gets its own all the same. */
static void a_service_that_has_all_holds_gives_way(void **state)
{
	struct fixture *f = *state;
	struct hold_terms terms = {.due_ns = 100 * MS, .cap_ns = 1000 * MS, .until_ms = 100};
	uint32_t generation, first = 10, greedy = 7;

	for (uint32_t slot = first; slot < first + HOLDS_MAX / HOLDS_PER_INSTANCE; slot++) {
		generation = open_slot(f, slot, greedy);
		for (uint64_t i = 0; i < HOLDS_PER_INSTANCE; i++)
			assert_int_equal(holds_take(f->holds, slot, generation,
						    (struct request_id){2, i}, &terms),
					 BOARD_TAKEN);
	}
	generation = open_slot(f, 5, greedy);
	assert_int_equal(holds_take(f->holds, 5, generation, (struct request_id){3, 1}, &terms),
			 BOARD_FULL);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(take(f, i, 100), BOARD_TAKEN);
	assert_int_equal(on_board(f), 100);
	assert_int_equal(atomic_load(&board_tally(f->board, first)->cut), 7);
}

static void the_board_names_the_first_few(void **state)
{
	struct fixture *f = *state;
	struct board_note *notes = board_notes(f->board, SLOT);

	for (uint64_t i = 0; i < BOARD_NOTES_MAX + 2; i++)
		assert_int_equal(take(f, 10 + i, 100 + i), BOARD_TAKEN);
	for (uint64_t i = 0; i < BOARD_NOTES_MAX; i++) {
		assert_int_equal(atomic_load(&notes[i].id_low), 10 + i);
		assert_int_equal(atomic_load(&notes[i].until_ms), 100 + i);
	}
	assert_true(holds_end(f->holds, SLOT, (struct request_id){1, 11}));
	assert_int_equal(atomic_load(&notes[1].until_ms), 0);
	assert_int_equal(take(f, 99, 200), BOARD_TAKEN);
	assert_int_equal(atomic_load(&notes[1].id_low), 99);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_request_has_one_hold),
		T(a_hold_that_comes_too_late_says_that_it_thawed),
		T(holds_are_cut_in_the_order_of_their_deadlines),
		T(a_later_word_moves_a_deadline_but_not_beyond_the_cap),
		T(an_instance_cannot_have_more_than_its_share),
		T(a_service_that_has_all_holds_gives_way),
		T(the_board_names_the_first_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

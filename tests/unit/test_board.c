// SPDX-License-Identifier: Apache-2.0
/*
 * The board: tickets, states, provisioned time, and the proof of the freeze protocol. The model
 * below walks through every interleaving of two gateways, ebb-ipc and ebbd. The board's own
 * functions make each atomic step, and a variable has the last word that was written to
 * cgroup.freeze.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/wire/board.h"

#define SLOT 7

struct fixture {
	struct board *board;
	int board_fd;
	uint32_t generation;
};

static int setup(void **state)
{
	char dir[] = "/tmp/ebb-board-XXXXXX";
	struct fixture *f = calloc(1, sizeof(*f));
	int dir_fd;

	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(board_create(dir_fd, 2, &f->board, &f->board_fd), 0);
	unlinkat(dir_fd, "board", 0);
	close(dir_fd);
	rmdir(dir);
	f->generation = board_open_slot(f->board, SLOT, 3, 0);
	assert_true(board_move(f->board, SLOT, 1u << BOARD_STARTING, BOARD_RUNNING));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	board_close(f->board);
	close(f->board_fd);
	free(f);
	return 0;
}

static void a_ticket_is_refused_beyond_the_limit(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(board_take(f->board, (uint32_t)i % 2, SLOT, f->generation),
				 BOARD_TAKEN);
	assert_int_equal(board_take(f->board, 0, SLOT, f->generation), BOARD_FULL);
	assert_int_equal(board_give(f->board, 1, SLOT, f->generation), 2);
	assert_int_equal(board_take(f->board, 0, SLOT, f->generation), BOARD_TAKEN);
}

static void a_ticket_of_another_generation_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(board_take(f->board, 0, SLOT, f->generation + 1), BOARD_GONE);
}

static void draining_and_dead_instances_take_no_tickets(void **state)
{
	struct fixture *f = *state;

	board_move(f->board, SLOT, ~0u, BOARD_DRAINING);
	assert_int_equal(board_take(f->board, 0, SLOT, f->generation), BOARD_GONE);
	board_move(f->board, SLOT, ~0u, BOARD_DEAD);
	assert_int_equal(board_take(f->board, 0, SLOT, f->generation), BOARD_GONE);
}

static void the_first_ticket_of_a_frozen_instance_thaws_it(void **state)
{
	struct fixture *f = *state;

	assert_true(board_try_freeze(f->board, SLOT));
	assert_int_equal(board_take(f->board, 0, SLOT, f->generation), BOARD_TAKEN_THAW);
	assert_int_equal(board_take(f->board, 1, SLOT, f->generation), BOARD_TAKEN);
	assert_int_equal(board_state_of(board_load(f->board, SLOT)), BOARD_RUNNING);
}

static void open_work_forbids_freezing(void **state)
{
	struct fixture *f = *state;

	board_take(f->board, 0, SLOT, f->generation);
	assert_false(board_try_freeze(f->board, SLOT));
	assert_int_equal(board_hold(f->board, SLOT, f->generation), BOARD_TAKEN);
	board_give(f->board, 0, SLOT, f->generation);
	assert_false(board_try_freeze(f->board, SLOT));
	board_release(f->board, SLOT, f->generation);
	assert_true(board_try_freeze(f->board, SLOT));
}

static void a_hold_of_a_frozen_instance_thaws_it(void **state)
{
	struct fixture *f = *state;

	assert_true(board_try_freeze(f->board, SLOT));
	assert_int_equal(board_hold(f->board, SLOT, f->generation), BOARD_TAKEN_THAW);
	assert_int_equal(board_hold(f->board, SLOT, f->generation), BOARD_TAKEN);
	assert_int_equal(board_state_of(board_load(f->board, SLOT)), BOARD_RUNNING);
	assert_int_equal(board_hold(f->board, SLOT, f->generation + 1), BOARD_GONE);
}

static void a_draining_instance_takes_holds_of_open_work_only(void **state)
{
	struct fixture *f = *state;

	board_take(f->board, 0, SLOT, f->generation);
	board_move(f->board, SLOT, ~0u, BOARD_DRAINING);
	assert_int_equal(board_hold(f->board, SLOT, f->generation), BOARD_TAKEN);
	board_give(f->board, 0, SLOT, f->generation);
	assert_int_equal(board_state_of(board_load(f->board, SLOT)), BOARD_DRAINING);
	assert_false(board_settled(f->board, SLOT));
	board_release(f->board, SLOT, f->generation);
	assert_true(board_settled(f->board, SLOT));
	assert_int_equal(board_hold(f->board, SLOT, f->generation), BOARD_GONE);
}

static void holds_of_a_dead_ebb_ipc_come_back_and_time_stops(void **state)
{
	struct fixture *f = *state;
	uint64_t awake_ns, again_ns;

	board_take(f->board, 0, SLOT, f->generation);
	for (int i = 0; i < 3; i++)
		assert_int_equal(board_hold(f->board, SLOT, f->generation), BOARD_TAKEN);
	board_return_holds(f->board);
	assert_int_equal(board_holds(board_load(f->board, SLOT)), 0);
	assert_int_equal(board_tickets(board_load(f->board, SLOT)), 1);
	assert_int_equal(board_hold(f->board, SLOT, f->generation), BOARD_TAKEN);
	board_give(f->board, 0, SLOT, f->generation);
	board_return_holds(f->board);
	assert_true(board_awake_ns(f->board, SLOT, &awake_ns));
	assert_true(board_awake_ns(f->board, SLOT, &again_ns));
	assert_int_equal(awake_ns, again_ns);
	assert_true(board_try_freeze(f->board, SLOT));
}

static void provisioned_time_counts_once_however_many_overlap(void **state)
{
	struct fixture *f = *state;
	uint64_t before_ns = clock_mono_ns(), open_ns, awake_ns, again_ns, lived_ns;

	assert_true(board_awake_ns(f->board, SLOT, &awake_ns));
	assert_int_equal(awake_ns, 0);
	board_take(f->board, 0, SLOT, f->generation);
	board_take(f->board, 1, SLOT, f->generation);
	open_ns = clock_mono_ns();
	while (clock_mono_ns() - open_ns < 2 * NS_PER_MS)
		;
	board_give(f->board, 0, SLOT, f->generation);
	board_give(f->board, 1, SLOT, f->generation);
	lived_ns = clock_mono_ns() - before_ns;
	assert_true(board_awake_ns(f->board, SLOT, &awake_ns));
	assert_true(awake_ns > NS_PER_MS && awake_ns <= lived_ns);
	assert_true(board_awake_ns(f->board, SLOT, &again_ns));
	assert_int_equal(awake_ns, again_ns);
}

static void note_slot(void *ctx, uint32_t slot)
{
	*(uint32_t *)ctx = slot;
}

static void a_dead_gateways_tickets_come_back(void **state)
{
	struct fixture *f = *state;
	uint32_t seen = 0;

	board_take(f->board, 0, SLOT, f->generation);
	board_take(f->board, 0, SLOT, f->generation);
	board_take(f->board, 1, SLOT, f->generation);
	board_return_tickets(f->board, 0, note_slot, &seen);
	assert_int_equal(seen, SLOT);
	assert_int_equal(board_tickets(board_load(f->board, SLOT)), 1);
	assert_int_equal(board_give(f->board, 1, SLOT, f->generation), 0);
}

static void a_gateway_that_died_between_two_steps_is_made_good(void **state)
{
	struct fixture *f = *state;
	uint8_t *page;
	uint32_t seen = 0;
	uint64_t awake_ns;
	struct board *second;

	/* Gateway 0 died after its compare-and-swap, before it set its own count of tickets and the
	 * clock; gateway 1 holds a ticket. */
	board_take(f->board, 1, SLOT, f->generation);
	board_take(f->board, 0, SLOT, f->generation);
	assert_int_equal(board_open(f->board_fd, &second), 0);
	page = (uint8_t *)board_slot(second, 0) + INSTANCES_MAX * sizeof(struct board_slot) +
	       sizeof(struct board_holder);
	atomic_store(&((struct board_gateway *)page)->pending, SLOT + 1);
	atomic_store(&((struct board_gateway *)page)->tickets[SLOT], 0);
	board_return_tickets(f->board, 0, note_slot, &seen);
	assert_int_equal(seen, SLOT);
	assert_int_equal(board_tickets(board_load(f->board, SLOT)), 1);
	board_give(f->board, 1, SLOT, f->generation);
	atomic_fetch_add(&board_slot(f->board, SLOT)->awake_ns, INT64_C(1) << 50);
	board_awake_clamp(f->board, SLOT, 5, 1000);
	assert_true(board_awake_ns(f->board, SLOT, &awake_ns));
	assert_int_equal(awake_ns, 1000);
	board_close(second);
}

/* ---- the model ---- */

enum gateway_step { GW_IDLE, GW_MUST_THAW, GW_WORKING, GW_DONE };
enum holder_step { HOLD_IDLE, HOLD_MUST_THAW, HOLD_WORKING, HOLD_DONE };
enum supervisor_step { SUP_IDLE, SUP_WRITE_1, SUP_LOOK, SUP_WRITE_0, SUP_DONE };

struct model {
	board_word word;
	uint8_t file; /* the last word to cgroup.freeze */
	uint8_t gateway[2], rounds[2], holder, holds, supervisor, freezes;
};

#define VISITED_BITS 20
struct walk {
	struct fixture *f;
	struct model visited[1 << VISITED_BITS];
	bool used[1 << VISITED_BITS];
	uint64_t states, quiet;
};

static bool visit(struct walk *w, const struct model *m)
{
	uint64_t hash = UINT64_C(1469598103934665603);
	const uint8_t *bytes = (const uint8_t *)m;
	uint32_t at;

	for (size_t i = 0; i < sizeof(*m); i++)
		hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
	for (at = (uint32_t)(hash >> (64 - VISITED_BITS)); w->used[at];
	     at = (at + 1) & ((1u << VISITED_BITS) - 1))
		if (memcmp(&w->visited[at], m, sizeof(*m)) == 0)
			return false;
	w->used[at] = true;
	w->visited[at] = *m;
	w->states++;
	return true;
}

/* While nobody is between two steps: no work is frozen, and cgroup.freeze agrees with the state. */
static void check(struct walk *w, const struct model *m)
{
	bool quiet = m->gateway[0] != GW_MUST_THAW && m->gateway[1] != GW_MUST_THAW &&
		     m->holder != HOLD_MUST_THAW &&
		     (m->supervisor == SUP_IDLE || m->supervisor == SUP_DONE);

	if (!quiet)
		return;
	w->quiet++;
	if (board_tickets(m->word) + board_holds(m->word) > 0 ||
	    board_state_of(m->word) == BOARD_RUNNING)
		assert_int_equal(m->file, 0);
	if (board_state_of(m->word) == BOARD_FROZEN)
		assert_int_equal(m->file, 1);
}

static bool step_gateway(struct walk *w, struct model *m, uint32_t g)
{
	struct fixture *f = w->f;

	switch (m->gateway[g]) {
	case GW_IDLE:
		if (m->rounds[g] == 0) {
			m->gateway[g] = GW_DONE;
			return true;
		}
		m->rounds[g]--;
		m->gateway[g] = board_take(f->board, g, SLOT, f->generation) == BOARD_TAKEN_THAW
					? GW_MUST_THAW
					: GW_WORKING;
		return true;
	case GW_MUST_THAW:
		m->file = 0;
		m->gateway[g] = GW_WORKING;
		return true;
	case GW_WORKING:
		board_give(f->board, g, SLOT, f->generation);
		m->gateway[g] = GW_IDLE;
		return true;
	default:
		return false;
	}
}

/* Holds as late as can be: also when the instance is frozen already. */
static bool step_holder(struct walk *w, struct model *m)
{
	struct fixture *f = w->f;

	switch (m->holder) {
	case HOLD_IDLE:
		if (m->holds == 0) {
			m->holder = HOLD_DONE;
			return true;
		}
		m->holds--;
		m->holder = board_hold(f->board, SLOT, f->generation) == BOARD_TAKEN_THAW
				    ? HOLD_MUST_THAW
				    : HOLD_WORKING;
		return true;
	case HOLD_MUST_THAW:
		m->file = 0;
		m->holder = HOLD_WORKING;
		return true;
	case HOLD_WORKING:
		board_release(f->board, SLOT, f->generation);
		m->holder = HOLD_IDLE;
		return true;
	default:
		return false;
	}
}

static bool step_supervisor(struct walk *w, struct model *m)
{
	struct fixture *f = w->f;

	switch (m->supervisor) {
	case SUP_IDLE:
		if (m->freezes == 0) {
			m->supervisor = SUP_DONE;
			return true;
		}
		m->freezes--;
		if (board_try_freeze(f->board, SLOT))
			m->supervisor = SUP_WRITE_1;
		return true;
	case SUP_WRITE_1:
		m->file = 1;
		m->supervisor = SUP_LOOK;
		return true;
	case SUP_LOOK:
		m->supervisor = board_state_of(board_load(f->board, SLOT)) == BOARD_FROZEN
					? SUP_IDLE
					: SUP_WRITE_0;
		return true;
	case SUP_WRITE_0:
		m->file = 0;
		m->supervisor = SUP_IDLE;
		return true;
	default:
		return false;
	}
}

static void explore(struct walk *w, const struct model *from)
{
	check(w, from);
	for (uint32_t who = 0; who < 4; who++) {
		struct model m = *from;
		bool moved;

		atomic_store(&board_slot(w->f->board, SLOT)->word, m.word);
		moved = who < 2    ? step_gateway(w, &m, who)
			: who == 2 ? step_holder(w, &m)
				   : step_supervisor(w, &m);
		m.word = board_load(w->f->board, SLOT);
		if (moved && visit(w, &m))
			explore(w, &m);
	}
}

static void no_interleaving_leaves_work_frozen(void **state)
{
	struct fixture *f = *state;
	struct walk *w = calloc(1, sizeof(*w));
	struct model m;

	assert_non_null(w);
	memset(&m, 0, sizeof(m));
	w->f = f;
	m.word = board_load(f->board, SLOT);
	m.rounds[0] = m.rounds[1] = m.holds = 3;
	m.freezes = 4;
	visit(w, &m);
	explore(w, &m);
	assert_true(w->states > 1000);
	assert_true(w->quiet > 100);
	print_message("%llu states, %llu of them between steps\n", (unsigned long long)w->states,
		      (unsigned long long)w->quiet);
	free(w);
}

struct asker {
	struct fixture *f;
	_Atomic bool over;
};

static void *ask_again_and_again(void *arg)
{
	struct asker *a = arg;

	while (!atomic_load(&a->over)) {
		(void)board_take(a->f->board, 0, SLOT, a->f->generation);
		board_give(a->f->board, 0, SLOT, a->f->generation);
	}
	return NULL;
}

/* A request may come between the supervisor's look at the word and its swap. */
static void only_what_became_frozen_is_counted(void **state)
{
	struct asker a = {.f = *state};
	uint32_t frozen = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, ask_again_and_again, &a), 0);
	for (uint64_t n = 0; frozen < 20000 && n < 50000000; n++)
		frozen += board_try_freeze(a.f->board, SLOT);
	atomic_store(&a.over, true);
	pthread_join(thread, NULL);
	assert_true(frozen > 0);
	assert_int_equal(atomic_load(&board_slot(a.f->board, SLOT)->freezes), frozen);
}

static void wanting_passes_by_itself_and_the_latest_silence_counts(void **state)
{
	struct fixture *f = *state;
	const uint64_t now_ns = clock_mono_ns();

	assert_false(board_wanted(f->board, SLOT, now_ns));
	board_want(f->board, SLOT, now_ns);
	assert_true(board_wanted(f->board, SLOT, now_ns - 1)); /* another's clock was read before */
	assert_true(board_wanted(f->board, SLOT, now_ns + 2 * BOARD_WANT_NS));
	assert_false(board_wanted(f->board, SLOT, now_ns + 3 * BOARD_WANT_NS));
	board_keep_awake(f->board, SLOT, now_ns);
	board_keep_awake(f->board, SLOT, now_ns - 1);
	assert_int_equal(atomic_load(&board_slot(f->board, SLOT)->awake_until_ns), now_ns);
	board_open_slot(f->board, SLOT, 1, 0);
	assert_int_equal(atomic_load(&board_slot(f->board, SLOT)->awake_until_ns), 0);
	assert_false(board_wanted(f->board, SLOT, now_ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_ticket_is_refused_beyond_the_limit, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_ticket_of_another_generation_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(draining_and_dead_instances_take_no_tickets, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_first_ticket_of_a_frozen_instance_thaws_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(open_work_forbids_freezing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hold_of_a_frozen_instance_thaws_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_draining_instance_takes_holds_of_open_work_only,
						setup, teardown),
		cmocka_unit_test_setup_teardown(holds_of_a_dead_ebb_ipc_come_back_and_time_stops,
						setup, teardown),
		cmocka_unit_test_setup_teardown(provisioned_time_counts_once_however_many_overlap,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_gateways_tickets_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_gateway_that_died_between_two_steps_is_made_good,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			wanting_passes_by_itself_and_the_latest_silence_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(only_what_became_frozen_is_counted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_interleaving_leaves_work_frozen, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

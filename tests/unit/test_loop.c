// SPDX-License-Identifier: Apache-2.0
/*
 * The loop: descriptors and timers, also those that a handler takes away while others are due, and
 * the watchdog, which counts and names a handler that takes too long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/loop.h"
#include "runtime/base/mem.h"

#define LINES 4

struct line {
	struct rig *rig;
	struct watch watch;
	int heard;
	struct line *takes_away;
};

struct rig {
	struct loop *loop;
	struct line lines[LINES];
	struct timer timers[3];
	char order[64]; /* the handled events, a letter each */
	uint64_t burn_ns;
	int behind;
	struct loop_stall stall;
	int stalls;
};

static void note(struct rig *rig, char what)
{
	size_t used = strlen(rig->order);

	assert_true(used + 1 < sizeof(rig->order));
	rig->order[used] = what;
}

static void on_line(struct watch *w, uint32_t events)
{
	struct line *line = container_of(w, struct line, watch);
	uint64_t count;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(w->fd, &count, sizeof(count)), sizeof(count));
	line->heard++;
	note(line->rig, (char)('a' + (line - line->rig->lines)));
	if (line->takes_away)
		loop_unwatch(line->rig->loop, &line->takes_away->watch);
	line->takes_away = NULL;
}

static void on_stop(struct timer *t)
{
	struct rig *rig = container_of(t, struct rig, timers[0]);

	note(rig, 'T');
	loop_stop(rig->loop, 7);
}

static void on_other(struct timer *t)
{
	struct rig *rig = container_of(t, struct rig, timers[1]);

	note(rig, 'U');
}

static void on_burn(struct timer *t)
{
	struct rig *rig = container_of(t, struct rig, timers[2]);
	uint64_t until_ns = clock_thread_ns() + rig->burn_ns;

	loop_note(rig->loop, "NEED_SOCKETS");
	while (clock_thread_ns() < until_ns)
		;
	loop_stop(rig->loop, 0);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_int_equal(loop_new(&rig->loop), 0);
	rig->timers[0] = (struct timer){.on_due = on_stop, .name = "test on_stop"};
	rig->timers[1] = (struct timer){.on_due = on_other, .name = "test on_other"};
	rig->timers[2] = (struct timer){.on_due = on_burn, .name = "test on_burn"};
	for (int i = 0; i < LINES; i++) {
		struct line *line = &rig->lines[i];

		line->rig = rig;
		line->watch = (struct watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
					     .on_ready = on_line,
					     .name = "test on_line"};
		assert_int_equal(loop_watch(rig->loop, &line->watch, EPOLLIN), 0);
	}
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < LINES; i++) {
		loop_unwatch(rig->loop, &rig->lines[i].watch);
		fd_close(&rig->lines[i].watch.fd);
	}
	loop_free(rig->loop);
	free(rig);
	return 0;
}

static void ring(struct rig *rig, int line)
{
	uint64_t one = 1;

	assert_int_equal(write(rig->lines[line].watch.fd, &one, sizeof(one)), sizeof(one));
}

static bool is_ready(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

static void what_is_ready_is_handled_once(void **state)
{
	struct rig *rig = *state;

	ring(rig, 1);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_string_equal(rig->order, "b");
}

static void those_that_come_first_do(void **state)
{
	struct rig *rig = *state;

	rig->lines[2].watch.first = true;
	for (int i = 0; i < LINES; i++)
		ring(rig, i);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(strlen(rig->order), LINES);
	assert_int_equal(rig->order[0], 'c');
}

static void a_handler_may_take_another_away(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < LINES; i++)
		rig->lines[i].takes_away = &rig->lines[(i + 1) % LINES];
	for (int i = 0; i < LINES; i++)
		ring(rig, i);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_true(strlen(rig->order) < LINES);
	memset(rig->order, 0, sizeof(rig->order));
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_string_equal(rig->order, ""); /* and nobody is heard later */
}

static void timers_fire_in_their_order_and_the_loop_ends_with_its_word(void **state)
{
	struct rig *rig = *state;
	uint64_t now_ns = clock_mono_ns();

	assert_int_equal(loop_timer_at(rig->loop, &rig->timers[0], now_ns + 4 * NS_PER_MS), 0);
	assert_int_equal(loop_timer_at(rig->loop, &rig->timers[1], now_ns + 2 * NS_PER_MS), 0);
	assert_int_equal(loop_run(rig->loop), 7);
	assert_string_equal(rig->order, "UT");
	assert_true(clock_mono_ns() >= now_ns + 4 * NS_PER_MS);
	assert_false(timer_is_armed(&rig->timers[0]));
}

static void a_timer_is_moved_and_turned_off(void **state)
{
	struct rig *rig = *state;
	uint64_t now_ns = clock_mono_ns();

	assert_int_equal(loop_timer_at(rig->loop, &rig->timers[1], now_ns + 60 * NS_PER_SEC), 0);
	assert_int_equal(loop_timer_by(rig->loop, &rig->timers[1], now_ns + 90 * NS_PER_SEC), 0);
	assert_true(rig->timers[1].due_ns == now_ns + 60 * NS_PER_SEC);
	assert_int_equal(loop_timer_by(rig->loop, &rig->timers[1], 1), 0);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_string_equal(rig->order, "U");
	assert_int_equal(loop_timer_at(rig->loop, &rig->timers[1], 1), 0);
	loop_timer_off(rig->loop, &rig->timers[1]);
	loop_timer_off(rig->loop, &rig->timers[1]);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_string_equal(rig->order, "U");
	/* Those of the beginning and the end of time too. */
	assert_int_equal(loop_timer_at(rig->loop, &rig->timers[1], UINT64_MAX), 0);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(loop_timer_at(rig->loop, &rig->timers[1], 0), 0);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_string_equal(rig->order, "UU");
}

/* The timerfd is never read: that it was due once must not show again. */
static void a_loop_is_quiet_behind_its_timers(void **state)
{
	struct rig *rig = *state;

	for (int n = 0; n < 3; n++) {
		assert_int_equal(
			loop_timer_at(rig->loop, &rig->timers[1], clock_mono_ns() + NS_PER_MS), 0);
		while (timer_is_armed(&rig->timers[1])) {
			assert_true(is_ready(loop_fd(rig->loop), 10000));
			assert_int_equal(loop_turn(rig->loop), 0);
		}
		assert_false(is_ready(loop_fd(rig->loop), 0));
	}
	assert_string_equal(rig->order, "UUU");
	ring(rig, 0);
	assert_true(is_ready(loop_fd(rig->loop), 10000));
}

static void count(void *self)
{
	struct rig *rig = self;

	rig->behind++;
}

static void behind_every_handler_there_is_a_call(void **state)
{
	struct rig *rig = *state;

	loop_behind(rig->loop, count, rig);
	ring(rig, 0);
	ring(rig, 3);
	assert_int_equal(loop_timer_at(rig->loop, &rig->timers[1], 1), 0);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(rig->behind, 3);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(rig->behind, 3);
}

static void keep(void *self, const struct loop_stall *stall)
{
	struct rig *rig = self;

	rig->stall = *stall;
	rig->stalls++;
}

static void burn(struct rig *rig, uint64_t ns)
{
	loop_on_stall(rig->loop, keep, rig);
	rig->burn_ns = ns;
	assert_int_equal(loop_timer_at(rig->loop, &rig->timers[2], 1), 0);
	assert_int_equal(loop_run(rig->loop), 0);
}

static void a_handler_that_uses_too_much_is_counted_and_named(void **state)
{
	struct rig *rig = *state;

	burn(rig, LOOP_STALL_NS + 10 * NS_PER_MS);
	assert_int_equal(loop_health(rig->loop)->stalls, 1);
	assert_int_equal(loop_health(rig->loop)->delays, 1);
	assert_true(loop_health(rig->loop)->longest_cpu_ns > LOOP_STALL_NS);
	assert_int_equal(rig->stalls, 1);
	assert_string_equal(rig->stall.name, "test on_burn");
	assert_string_equal(rig->stall.note, "NEED_SOCKETS");
	assert_true(rig->stall.used_ns > LOOP_STALL_NS);
	assert_true(rig->stall.took_ns >= rig->stall.used_ns);
}

static void a_short_one_is_not(void **state)
{
	struct rig *rig = *state;

	burn(rig, 3 * NS_PER_MS);
	assert_int_equal(loop_health(rig->loop)->stalls, 0);
	assert_true(loop_health(rig->loop)->longest_cpu_ns >= 2 * NS_PER_MS);
}

static void without_descriptors_there_is_no_loop(void **state)
{
	struct rlimit kept, none;
	struct loop *loop = NULL;
	int next_fd = dup(0);

	assert_true(next_fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &kept), 0);
	for (int more = 0; more < 2; more++) { /* none for the epoll, then none for the timer */
		none = (struct rlimit){.rlim_cur = (rlim_t)next_fd + (rlim_t)more,
				       .rlim_max = kept.rlim_max};
		if (more == 0)
			close(next_fd);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		assert_true(loop_new(&loop) < 0);
		assert_null(loop);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &kept), 0);
	assert_int_equal(dup(0), next_fd); /* nothing leaked */
	close(next_fd);
}

#define CROWD 40 /* timers, all due at the same moment */

/* One of many, and what they share. */
struct crowd {
	struct loop *loop;
	struct watch watch;
	int ready_fd;
	uint32_t fired, fired_before;
};

struct member {
	struct timer timer;
	struct crowd *crowd;
};

static void on_crowd_ready(struct watch *w, uint32_t events)
{
	struct crowd *c = container_of(w, struct crowd, watch);

	c->fired_before = c->fired;
	loop_unwatch(c->loop, w);
}

/* The first one makes the descriptor ready; each takes a millisecond. */
static void on_member_due(struct timer *t)
{
	struct crowd *c = container_of(t, struct member, timer)->crowd;
	uint64_t until_ns = clock_mono_ns() + NS_PER_MS;

	if (c->fired++ == 0)
		assert_int_equal(write(c->ready_fd, "", 1), 1);
	while (clock_mono_ns() < until_ns)
		;
	if (c->fired == CROWD)
		loop_stop(c->loop, 0);
}

static void a_crowd_of_timers_lets_descriptors_have_their_turn(void **state)
{
	struct member members[CROWD];
	struct crowd crowd = {.watch = {.on_ready = on_crowd_ready, .name = "test on_crowd_ready"}};
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	crowd.watch.fd = fds[0];
	crowd.ready_fd = fds[1];
	assert_int_equal(loop_new(&crowd.loop), 0);
	assert_int_equal(loop_watch(crowd.loop, &crowd.watch, EPOLLIN), 0);
	for (uint32_t n = 0; n < CROWD; n++) {
		members[n] = (struct member){.timer = {.on_due = on_member_due}, .crowd = &crowd};
		assert_int_equal(loop_timer_at(crowd.loop, &members[n].timer, 1), 0);
	}
	assert_int_equal(loop_run(crowd.loop), 0);
	assert_int_equal(crowd.fired, CROWD);
	assert_in_range(crowd.fired_before, 1, CROWD - 1);
	loop_free(crowd.loop);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_ready_is_handled_once, setup, teardown),
		cmocka_unit_test_setup_teardown(those_that_come_first_do, setup, teardown),
		cmocka_unit_test_setup_teardown(a_handler_may_take_another_away, setup, teardown),
		cmocka_unit_test_setup_teardown(
			timers_fire_in_their_order_and_the_loop_ends_with_its_word, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_timer_is_moved_and_turned_off, setup, teardown),
		cmocka_unit_test_setup_teardown(a_loop_is_quiet_behind_its_timers, setup, teardown),
		cmocka_unit_test_setup_teardown(behind_every_handler_there_is_a_call, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_handler_that_uses_too_much_is_counted_and_named,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_one_is_not, setup, teardown),
		cmocka_unit_test(a_crowd_of_timers_lets_descriptors_have_their_turn),
		cmocka_unit_test_setup_teardown(without_descriptors_there_is_no_loop, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A link: the order and the limit of records that wait, the rules, the end of the peer. The other
 * end is a plain socket, so that the test can leave it full, break the rules on it, and close it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/wire/link.h"
#include "runtime/wire/records.h"

#define PHASE_NEW     1
#define PHASE_SERVING 2

struct rig {
	struct loop *loop;
	struct wire_link link;
	int peer_fd;
	struct wire_message message;
	uint64_t heard, last;
	int lost, lost_err, drained, said;
	bool closes, deafens;
	uint64_t takes_ns; /* the time that a handler takes */
};

static int on_flush(void *self, struct wire_message *m)
{
	struct rig *rig = self;
	const struct wire_meter_flush *flush = (const void *)m->record;
	uint64_t until_ns = clock_mono_ns() + rig->takes_ns;

	rig->heard++;
	rig->last = flush->cookie;
	while (clock_mono_ns() < until_ns)
		;
	if (rig->closes)
		wire_link_close(&rig->link);
	if (rig->deafens)
		wire_link_hear(&rig->link, false);
	return rig->said;
}

static const struct wire_rule rules[] = {
	{WIRE_METER_FLUSH, sizeof(struct wire_meter_flush), PHASE_SERVING, 0, 1, on_flush},
};

static void on_lost(struct wire_link *link, int err)
{
	struct rig *rig = link->self;

	assert_false(wire_link_is_open(link));
	rig->lost++;
	rig->lost_err = err;
}

static void on_drained(struct wire_link *link)
{
	struct rig *rig = link->self;

	rig->drained++;
}

static void open_link(struct rig *rig)
{
	int ours_fd;

	assert_int_equal(wire_pair(&ours_fd, &rig->peer_fd), 0);
	assert_int_equal(wire_link_open(&rig->link, rig->loop, ours_fd), 0);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_int_equal(loop_new(&rig->loop), 0);
	rig->link = (struct wire_link){.name = "test",
				       .rules = rules,
				       .rule_count = 1,
				       .phase = PHASE_SERVING,
				       .self = rig,
				       .lost = on_lost,
				       .drained = on_drained,
				       .ends_on_failure = true};
	open_link(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	wire_link_close(&rig->link);
	wire_link_close(&rig->link); /* twice is fine */
	fd_close(&rig->peer_fd);
	loop_free(rig->loop);
	free(rig);
	return 0;
}

static int send_number(struct rig *rig, uint64_t number, const int *fds, unsigned int fd_count)
{
	return wire_link_send(&rig->link, WIRE_METER_FLUSH, &number, sizeof(number), fds, fd_count);
}

static void say_number(struct rig *rig, uint64_t number)
{
	assert_int_equal(
		wire_send(rig->peer_fd, WIRE_METER_FLUSH, &number, sizeof(number), NULL, 0), 0);
}

/* Until something waits; returns how many were sent. */
static uint64_t fill(struct rig *rig)
{
	uint64_t sent = 0;

	while (wire_link_queued(&rig->link) == 0)
		assert_int_equal(send_number(rig, sent++, NULL, 0), 0);
	return sent;
}

/* Reads one at the other end. */
static uint64_t next_number(struct rig *rig)
{
	uint64_t number;

	assert_int_equal(wire_recv(rig->peer_fd, &rig->message), 1);
	assert_int_equal(rig->message.head.size, sizeof(number));
	memcpy(&number, rig->message.record, sizeof(number));
	return number;
}

static void turn(struct rig *rig)
{
	assert_int_equal(loop_turn(rig->loop), 0);
}

static void records_arrive_and_are_judged_by_the_rules(void **state)
{
	struct rig *rig = *state;

	say_number(rig, 41);
	say_number(rig, 42);
	turn(rig);
	assert_int_equal(rig->heard, 2);
	assert_int_equal(rig->last, 42);
	assert_int_equal(rig->link.last_type, WIRE_METER_FLUSH);
	rig->link.phase = PHASE_NEW;
	say_number(rig, 43);
	turn(rig);
	assert_int_equal(rig->heard, 2);
	assert_int_equal(rig->lost, 1);
	assert_int_equal(rig->lost_err, -EPROTO);
}

static void a_rule_that_refuses_ends_the_link(void **state)
{
	struct rig *rig = *state;

	rig->said = -EPERM;
	say_number(rig, 1);
	say_number(rig, 2);
	turn(rig);
	assert_int_equal(rig->heard, 1);
	assert_int_equal(rig->lost_err, -EPERM);
	assert_int_equal(send_number(rig, 1, NULL, 0), -ENOTCONN);
}

static void what_is_no_record_ends_the_link(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(send(rig->peer_fd, "rude", 4, 0), 4);
	turn(rig);
	assert_int_equal(rig->lost, 1);
	assert_int_equal(rig->lost_err, -EBADMSG);
}

static void what_does_not_fit_waits_in_order(void **state)
{
	struct rig *rig = *state;
	uint64_t sent = fill(rig);

	for (; sent % 1000 != 0; sent++)
		assert_int_equal(send_number(rig, sent, NULL, 0), 0);
	assert_int_equal(rig->drained, 0);
	for (uint64_t n = 0; n < sent; n++) {
		assert_int_equal(next_number(rig), n);
		turn(rig);
	}
	assert_int_equal(wire_link_queued(&rig->link), 0);
	assert_int_equal(rig->drained, 1);
	assert_int_equal(recv(rig->peer_fd, &sent, sizeof(sent), MSG_DONTWAIT), -1);
	assert_int_equal(send_number(rig, 7, NULL, 0), 0); /* and the next goes out at once */
	assert_int_equal(next_number(rig), 7);
	turn(rig);
	assert_int_equal(rig->lost, 0);
}

static void waiting_descriptors_are_copies(void **state)
{
	struct rig *rig = *state;
	uint64_t sent = fill(rig);
	int pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(send_number(rig, sent, &pipe_fds[0], 1), 0);
	assert_int_equal(write(pipe_fds[1], "!", 1), 1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	for (uint64_t n = 0; n <= sent; n++) {
		assert_int_equal(next_number(rig), n);
		assert_int_equal(rig->message.fd_count, n == sent);
		turn(rig);
	}
	assert_int_equal(read(rig->message.fds[0], &sent, 8), 1);
	wire_message_fini(&rig->message);
}

static void one_that_does_not_read_is_bounded_and_lost(void **state)
{
	struct rig *rig = *state;
	uint64_t sent, waiting = 0;
	int r;

	rig->link.queue_max = 100;
	sent = fill(rig);
	while ((r = send_number(rig, sent + waiting, NULL, 0)) == 0)
		waiting++;
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(wire_link_queued(&rig->link), 100);
	assert_int_equal(rig->lost, 0); /* never from within a send */
	turn(rig);
	turn(rig);
	assert_int_equal(rig->lost, 1);
	assert_int_equal(rig->lost_err, 0);
	assert_false(wire_link_is_open(&rig->link));
}

static void descriptors_that_wait_are_bounded(void **state)
{
	struct rig *rig = *state;
	const int fds[2] = {rig->peer_fd, rig->peer_fd};

	rig->link.queue_fds_max = 3;
	(void)fill(rig);
	assert_int_equal(send_number(rig, 1, fds, 2), 0);
	assert_int_equal(send_number(rig, 1, fds, 2), -ENOBUFS);
}

static void one_whose_sends_may_fail_goes_on(void **state)
{
	struct rig *rig = *state;

	rig->link.ends_on_failure = false;
	rig->link.queue_max = 1;
	(void)fill(rig);
	assert_int_equal(send_number(rig, 1, NULL, 0), -ENOBUFS);
	turn(rig);
	assert_int_equal(rig->lost, 0);
	while (rig->drained == 0) { /* a quarter of the buffer must be free (unix(7)) */
		(void)next_number(rig);
		turn(rig);
	}
	assert_int_equal(send_number(rig, 1, NULL, 0), 0);
}

static void the_last_words_of_a_dead_peer_are_heard(void **state)
{
	struct rig *rig = *state;

	(void)fill(rig);
	say_number(rig, 5);
	fd_close(&rig->peer_fd);
	turn(rig);
	turn(rig);
	assert_int_equal(rig->heard, 1);
	assert_int_equal(rig->lost, 1);
	assert_int_equal(rig->lost_err, 0);
}

static void a_send_to_a_dead_peer_is_told_from_the_loop(void **state)
{
	struct rig *rig = *state;

	fd_close(&rig->peer_fd);
	assert_int_equal(send_number(rig, 1, NULL, 0), -EPIPE);
	assert_int_equal(rig->lost, 0);
	turn(rig);
	assert_int_equal(rig->lost, 1);
}

static void a_deaf_one_leaves_records_in_the_socket(void **state)
{
	struct rig *rig = *state;

	rig->deafens = true;
	for (uint64_t n = 0; n < 3; n++)
		say_number(rig, n);
	turn(rig);
	turn(rig);
	assert_int_equal(rig->heard, 1);
	fd_close(&rig->peer_fd);
	turn(rig); /* its end waits too, and nothing spins for it */
	turn(rig);
	assert_int_equal(rig->lost, 0);
	rig->deafens = false;
	wire_link_hear(&rig->link, true);
	turn(rig);
	turn(rig);
	assert_int_equal(rig->heard, 3);
	assert_int_equal(rig->lost, 1);
}

static void a_rule_gets_its_record_again_before_the_next_one(void **state)
{
	struct rig *rig = *state;
	int pipe_fds[2];
	uint64_t number = 1;
	char c;

	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(
		wire_send(rig->peer_fd, WIRE_METER_FLUSH, &number, sizeof(number), &pipe_fds[1], 1),
		0);
	fd_close(&pipe_fds[1]);
	say_number(rig, 2);
	rig->said = WIRE_LATER;
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(rig->heard, 1);
	wire_link_again(&rig->link); /* again later */
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(rig->heard, 2);
	assert_int_equal(rig->last, 1);
	rig->said = 0;
	wire_link_again(&rig->link);
	assert_int_equal(read(pipe_fds[0], &c, 1), 0); /* the rule took no descriptor */
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(rig->heard, 4);
	assert_int_equal(rig->last, 2);
	wire_link_again(&rig->link); /* none is kept */
	assert_int_equal(rig->heard, 4);
	fd_close(&pipe_fds[0]);
}

static void a_record_that_is_kept_goes_with_its_link(void **state)
{
	struct rig *rig = *state;
	int pipe_fds[2];
	uint64_t number = 1;
	char c;

	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(
		wire_send(rig->peer_fd, WIRE_METER_FLUSH, &number, sizeof(number), &pipe_fds[1], 1),
		0);
	fd_close(&pipe_fds[1]);
	rig->said = WIRE_LATER;
	assert_int_equal(loop_turn(rig->loop), 0);
	assert_int_equal(rig->heard, 1);
	wire_link_close(&rig->link);
	assert_int_equal(read(pipe_fds[0], &c, 1), 0);
	wire_link_again(&rig->link);
	assert_int_equal(rig->heard, 1);
	fd_close(&pipe_fds[0]);
}

static void a_rule_may_close_its_own_link(void **state)
{
	struct rig *rig = *state;

	rig->closes = true;
	say_number(rig, 1);
	say_number(rig, 2);
	turn(rig);
	turn(rig);
	assert_int_equal(rig->heard, 1);
	assert_int_equal(rig->lost, 0);
	fd_close(&rig->peer_fd);
	rig->closes = false;
	open_link(rig); /* and it may be opened again */
	say_number(rig, 3);
	turn(rig);
	assert_int_equal(rig->last, 3);
}

static void a_talker_gives_others_their_turn(void **state)
{
	struct rig *rig = *state;

	rig->link.burst = 2;
	for (uint64_t n = 0; n < 5; n++)
		say_number(rig, n);
	turn(rig);
	assert_int_equal(rig->heard, 2);
	turn(rig);
	turn(rig);
	assert_int_equal(rig->heard, 5);
}

static void one_whose_records_take_long_gives_others_their_turn(void **state)
{
	struct rig *rig = *state;

	rig->takes_ns = 3 * NS_PER_MS;
	for (uint64_t n = 0; n < 20; n++)
		say_number(rig, n);
	turn(rig);
	assert_in_range(rig->heard, 1, 4);
	for (int n = 0; n < 20; n++)
		turn(rig);
	assert_int_equal(rig->heard, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_arrive_and_are_judged_by_the_rules, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_rule_that_refuses_ends_the_link, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_record_ends_the_link, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_waits_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(waiting_descriptors_are_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_does_not_read_is_bounded_and_lost, setup,
						teardown),
		cmocka_unit_test_setup_teardown(descriptors_that_wait_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(one_whose_sends_may_fail_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_words_of_a_dead_peer_are_heard, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_send_to_a_dead_peer_is_told_from_the_loop, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_deaf_one_leaves_records_in_the_socket, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_rule_gets_its_record_again_before_the_next_one,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_that_is_kept_goes_with_its_link, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_rule_may_close_its_own_link, setup, teardown),
		cmocka_unit_test_setup_teardown(a_talker_gives_others_their_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(one_whose_records_take_long_gives_others_their_turn,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

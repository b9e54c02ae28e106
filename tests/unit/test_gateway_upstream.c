// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/upstream/room.h"
#include "tests/unit/gateway_rig.h"

static const struct ask safe = {.idempotent = true, .whole = true};
static const struct ask unsafe = {.whole = true};

static struct upstream *idle_one(struct rig *r, struct instance *i, enum before before)
{
	struct upstream *u = upstream_slot(&r->g.up, i);

	u->before = (uint8_t)before;
	pool_push(&r->g.up, u, i);
	return u;
}

static void test_the_newest_idle_connection_is_first(void **state)
{
	struct rig *r = rig_new();
	struct instance *i = rig_instance(r);
	struct upstream *old = idle_one(r, i, BEFORE_SAFE), *new = idle_one(r, i, BEFORE_SAFE);

	assert_ptr_equal(pool_find(&r->g.up, &safe, i), new);
	pool_remove(&r->g.up, new);
	assert_ptr_equal(pool_find(&r->g.up, &safe, i), old);
	pool_remove(&r->g.up, old);
	assert_null(pool_find(&r->g.up, &safe, i));
	assert_int_equal(i->pool_count, 0);
	rig_free(r);
}

static void test_a_fresh_one_is_asked_for_and_none_is_taken_from_the_pool(void **state)
{
	struct rig *r = rig_new();
	struct instance *i = rig_instance(r);
	const struct ask fresh = {.idempotent = true, .whole = true, .fresh_only = true};

	(void)idle_one(r, i, BEFORE_SAFE);
	assert_null(pool_find(&r->g.up, &fresh, i));
	rig_free(r);
}

/* Many servers close a connection right behind an answer: a request that may not be sent twice gets
 * an idle connection only when that has proven to stay open. */
static void test_a_request_that_may_not_run_twice_gets_a_connection_that_was_proven(void **state)
{
	struct rig *r = rig_new();
	struct instance *i = rig_instance(r);
	struct upstream *u = idle_one(r, i, BEFORE_UNSAFE);

	assert_null(pool_find(&r->g.up, &unsafe, i));
	r->ring.now_ns += 5 * NS_PER_MS;
	assert_ptr_equal(pool_find(&r->g.up, &unsafe, i), u); /* it stayed open for a moment */
	r->ring.now_ns -= 5 * NS_PER_MS;
	pool_note_kept(&r->g.up, u);
	assert_ptr_equal(pool_find(&r->g.up, &unsafe, i), u); /* this instance keeps them open */
	pool_note_idle_end(&r->g.up, u);
	assert_null(pool_find(&r->g.up, &unsafe, i)); /* the instance closed one */
	rig_free(r);
}

static void test_a_connection_that_idled_through_a_freeze_is_stale(void **state)
{
	struct rig *r = rig_new();
	struct instance *i = rig_instance(r);
	struct upstream *u = idle_one(r, i, BEFORE_SAFE);

	atomic_fetch_add(&board_slot(r->g.board, 0)->freezes, 1);
	assert_false(pool_is_stale(&r->g.up, u)); /* frozen for less than any server's keep-alive */
	r->ring.now_ns += 2 * NS_PER_SEC;
	assert_true(pool_is_stale(&r->g.up, u));
	assert_null(pool_find(&r->g.up, &safe, i));
	rig_free(r);
}

static void test_a_draining_instance_keeps_no_idle_connection(void **state)
{
	struct rig *r = rig_new();
	struct instance *i = rig_instance(r);

	assert_true(pool_may_keep(&r->g.up, i));
	i->draining = true;
	assert_false(pool_may_keep(&r->g.up, i));
	rig_free(r);
}

/* Each connect takes a place in the accept queue until a byte came back. */
static void test_no_more_connects_than_the_accept_queue_has_room_for(void **state)
{
	struct rig *r = rig_new();
	struct instance *i = rig_instance(r);
	struct upstream *u[4];

	for (int n = 0; n < 4; n++) {
		assert_true(room_take(&r->g.up, i));
		u[n] = upstream_slot(&r->g.up, i);
		room_connecting(&r->g.up, i, u[n]);
	}
	assert_false(room_take(&r->g.up, i));
	assert_true(i->asked_room); /* ebbd is to look */
	room_connected(&r->g.up, u[0], false);
	room_accepted(&r->g.up, u[0]);
	rig_free(r);
}

static void test_what_is_left_by_its_owner_keeps_the_ticket_until_it_ends(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);
	struct instance *i = rig_instance(r);
	struct upstream *u = rig_join(r, c, i);

	leave_begin(&r->g.up, u, 0);
	c->x.upstream = 0;
	c->x.ticket = TICKET_NONE;
	assert_int_equal(rig_tickets(r), 1);
	upstream_deliver(&r->g.up, u, STREAM_END, 0);
	assert_int_equal(rig_tickets(r), 0);
	assert_int_equal(r->g.up.free_count, r->g.up.slot_count);
	rig_free(r);
}

static void test_who_ignores_that_its_time_is_over_is_suspected(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);
	struct upstream *u = rig_join(r, c, rig_instance(r));

	leave_begin(&r->g.up, u, 0);
	c->x.upstream = 0;
	c->x.ticket = TICKET_NONE;
	leave_on_timer(&r->g.up, u);
	assert_int_equal(r->g.count.cancels_ignored, 0); /* too early */
	r->ring.now_ns += 3 * NS_PER_SEC;
	leave_on_timer(&r->g.up, u);
	assert_int_equal(r->g.count.cancels_ignored, 1);
	assert_int_equal(rig_tickets(r), 0);
	rig_free(r);
}

/* Each slot is used again by another instance: the thing it was in line for is not. */
static void test_an_instance_that_ends_takes_nobody_out_of_the_line_for_room(void **state)
{
	struct rig *r = rig_new();
	struct instance *first = rig_instance(r), *second = &r->g.instances.slots[1];
	struct wire_instance_up up = {
		.slot = 1, .generation = 1, .revision = 1, .backlog = 1, .port = 1, .id = "api-2"};
	int fds[1] = {-1};

	assert_int_equal(instances_up(&r->g.instances, &r->g.routes, &up, fds, 0), 0);
	first->room = second->room = 0;
	first->empty_answers = second->empty_answers = 1;
	assert_false(room_take(&r->g.up, second));
	assert_false(room_take(&r->g.up, first));
	instances_down(first);
	(void)rig_instance(r);
	assert_ptr_equal(chain_first(&r->g.up.room_due), &second->in_room);
	room_ask_due(&r->g.up);
	assert_true(chain_is_empty(&r->g.up.room_due));
	instances_down(second);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_newest_idle_connection_is_first),
		cmocka_unit_test(test_a_fresh_one_is_asked_for_and_none_is_taken_from_the_pool),
		cmocka_unit_test(
			test_a_request_that_may_not_run_twice_gets_a_connection_that_was_proven),
		cmocka_unit_test(test_a_connection_that_idled_through_a_freeze_is_stale),
		cmocka_unit_test(test_a_draining_instance_keeps_no_idle_connection),
		cmocka_unit_test(test_no_more_connects_than_the_accept_queue_has_room_for),
		cmocka_unit_test(test_an_instance_that_ends_takes_nobody_out_of_the_line_for_room),
		cmocka_unit_test(test_what_is_left_by_its_owner_keeps_the_ticket_until_it_ends),
		cmocka_unit_test(test_who_ignores_that_its_time_is_over_is_suspected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

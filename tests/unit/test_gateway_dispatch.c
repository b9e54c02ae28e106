// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "runtime/gateway/exchange/dispatch.h"
#include "runtime/gateway/exchange/held.h"
#include "runtime/gateway/exchange/load.h"
#include "runtime/gateway/exchange/ticket.h"
#include "tests/unit/gateway_rig.h"

static void test_a_request_gets_a_ticket_and_waits_for_a_socket(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);

	(void)rig_instance(r);
	assert_int_equal(dispatch_request(&r->g, c), VERDICT_STAY);
	assert_int_equal(c->state, CLIENT_WAITS_SOCKET);
	assert_int_equal(rig_tickets(r), 1);
	exchange_check(&r->g, c);
	rig_free(r);
}

static void test_a_request_without_an_instance_is_queued_and_the_queue_has_an_end(void **state)
{
	struct rig *r = rig_new();
	enum verdict v = VERDICT_STAY;
	uint32_t n = 0;

	for (; v == VERDICT_STAY && n < 8; n++) {
		struct client *c = rig_client(r, n);

		v = dispatch_request(&r->g, c);
		assert_int_equal(c->state, v == VERDICT_STAY ? CLIENT_QUEUED : CLIENT_READY);
	}
	assert_int_equal(v, VERDICT_FAILED);
	assert_int_equal(r->g.failure.error, EDGE_OVERLOADED);
	assert_true(r->g.failure.retry_after_s > 0);
	assert_int_equal(r->g.queued, n - 1);
	rig_free(r);
}

static void test_who_waits_is_served_in_order_while_there_are_tickets(void **state)
{
	struct rig *r = rig_new();

	for (uint32_t n = 0; n < 2; n++)
		assert_int_equal(dispatch_request(&r->g, rig_client(r, n)), VERDICT_STAY);
	(void)rig_instance(r);
	assert_int_equal(dispatch_request(&r->g, rig_client(r, 2)), VERDICT_STAY);
	assert_int_equal(r->g.clients[2].state, CLIENT_QUEUED); /* behind them */
	exchange_serve_queue(&r->g, 0);
	assert_int_equal(r->g.clients[0].state, CLIENT_WAITS_SOCKET);
	assert_int_equal(r->g.clients[1].state, CLIENT_WAITS_SOCKET);
	assert_int_equal(r->g.clients[2].state, CLIENT_QUEUED);
	assert_int_equal(rig_tickets(r), RIG_LIMIT);
	rig_free(r);
}

static void test_a_removed_service_is_no_service(void **state)
{
	struct rig *r = rig_new();

	assert_int_equal(routes_del(&r->g.routes, 0), 0);
	assert_int_equal(dispatch_request(&r->g, rig_client(r, 0)), VERDICT_FAILED);
	assert_int_equal(r->g.failure.error, EDGE_NO_SERVICE);
	rig_free(r);
}

/* The fate of a request whose upstream failed before it answered. */
static void test_a_failed_request_goes_where_its_row_says(void **state)
{
	static const struct {
		bool idempotent, refused, outgrown, before;
		enum verdict verdict;
		enum client_state then;
	} rows[] = {
		/* Nobody read it: any method may run elsewhere, at once. */
		{true, true, false, false, VERDICT_AGAIN, CLIENT_READY},
		{false, true, false, false, VERDICT_AGAIN, CLIENT_READY},
		/* Refused twice by the same one: it may have died. */
		{true, true, false, true, VERDICT_STAY, CLIENT_DOUBT},
		/* Perhaps read: only what may run twice runs again, when the cause is known. */
		{true, false, false, false, VERDICT_STAY, CLIENT_DOUBT},
		{false, false, false, false, VERDICT_STAY, CLIENT_LOST},
		/* Not held whole: never again. */
		{true, true, true, false, VERDICT_STAY, CLIENT_LOST},
	};

	for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
		struct rig *r = rig_new();
		struct client *c = rig_client(r, 0);
		struct instance *i = rig_instance(r);

		(void)rig_join(r, c, i);
		c->x.is.idempotent = rows[n].idempotent;
		if (rows[n].outgrown)
			held_outgrown(&r->g, c);
		if (rows[n].before) {
			c->x.failed_slot = i->slot;
			c->x.failed_generation = i->generation;
		}
		assert_int_equal(dispatch_failed(&r->g, c, rows[n].refused, -EPIPE),
				 rows[n].verdict);
		assert_int_equal(c->state, rows[n].then);
		assert_int_equal(c->x.upstream, 0);
		rig_free(r);
	}
}

static void test_two_instances_died_under_it_and_it_gets_no_third(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);

	(void)rig_join(r, c, rig_instance(r));
	assert_int_equal(dispatch_failed(&r->g, c, false, -EPIPE), VERDICT_STAY);
	assert_int_equal(c->state, CLIENT_DOUBT);
	c->x.deaths = 2;
	assert_int_equal(dispatch_doubt_over(&r->g, c), VERDICT_FAILED);
	assert_int_equal(r->g.failure.error, EDGE_INSTANCE_CRASHED);
	rig_free(r);
}

static void test_a_pooled_connection_that_was_over_is_tried_anew_with_the_same_ticket(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);

	(void)rig_join(r, c, rig_instance(r));
	c->x.sent.reused = true;
	assert_int_equal(dispatch_failed(&r->g, c, true, 0), VERDICT_STAY);
	assert_int_equal(c->state, CLIENT_WAITS_SOCKET); /* there is no socket left */
	assert_true(c->x.sent.fresh);
	assert_int_equal(rig_tickets(r), 1);
	exchange_check(&r->g, c);
	rig_free(r);
}

/* The knowledge of a broken upstream is not held against the next: the rest of a body goes up. */
static void test_an_attempt_that_broke_is_forgotten_with_it(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);

	(void)rig_join(r, c, rig_instance(r));
	flow_init(&c->x.up, HTTP_LENGTH, HTTP_LENGTH, 3);
	exchange_run(&r->g, c, EVENT_UP_BROKEN, -EPIPE);
	assert_true(c->x.sent.broken);
	r->g.instances.slots[0].doubt_until_ns = 0;
	assert_int_equal(dispatch_failed(&r->g, c, true, -EPIPE), VERDICT_AGAIN);
	assert_false(c->x.sent.broken);
	rig_free(r);
}

/* The instance gave the request back before it had read it, and no buffer is left for a copy of the
 * text that is still being sent. */
static void test_a_request_that_cannot_be_kept_is_not_sent_again(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);
	struct upstream *u = rig_join(r, c, rig_instance(r));

	u->s.sending = true;
	u->s.out = c->x.request;
	u->s.out.buffer = BUFFER_NONE; /* the text stays the owner's */
	while (buffers_get(&r->buffers, BUFFER_UNIT) != BUFFER_NONE)
		;
	assert_int_equal(load_gave_back(&r->g, c), VERDICT_FAILED);
	assert_int_equal(r->g.failure.error, EDGE_OVERLOADED);
	assert_int_equal(c->x.request.size, 0);
	rig_free(r);
}

static void test_the_death_of_an_instance_returns_its_tickets(void **state)
{
	struct rig *r = rig_new();
	struct client *waits = rig_client(r, 0), *asked = rig_client(r, 1);
	struct instance *i = rig_instance(r);
	struct wire_instance_down down = {.generation = i->generation, .cause = WIRE_DOWN_OOM};

	assert_int_equal(dispatch_request(&r->g, waits), VERDICT_STAY);
	(void)rig_join(r, asked, i);
	assert_int_equal(rig_tickets(r), 2);
	exchange_instance_down(&r->g, &down);
	assert_int_equal(rig_tickets(r), 0);
	assert_int_equal(waits->state, CLIENT_QUEUED); /* for another one */
	assert_int_equal(asked->state, CLIENT_ASKED);  /* its connection ends by itself */
	exchange_check(&r->g, asked);
	/* And then the cause is known. */
	asked->x.is.idempotent = false;
	exchange_run(&r->g, asked, EVENT_UP_END, -ECONNRESET);
	assert_int_equal(asked->state, CLIENT_FINISHING);
	assert_int_equal(asked->x.answer.error, EDGE_INSTANCE_CRASHED);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_gets_a_ticket_and_waits_for_a_socket),
		cmocka_unit_test(
			test_a_request_without_an_instance_is_queued_and_the_queue_has_an_end),
		cmocka_unit_test(test_who_waits_is_served_in_order_while_there_are_tickets),
		cmocka_unit_test(test_a_removed_service_is_no_service),
		cmocka_unit_test(test_a_failed_request_goes_where_its_row_says),
		cmocka_unit_test(test_two_instances_died_under_it_and_it_gets_no_third),
		cmocka_unit_test(
			test_a_pooled_connection_that_was_over_is_tried_anew_with_the_same_ticket),
		cmocka_unit_test(test_an_attempt_that_broke_is_forgotten_with_it),
		cmocka_unit_test(test_a_request_that_cannot_be_kept_is_not_sent_again),
		cmocka_unit_test(test_the_death_of_an_instance_returns_its_tickets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

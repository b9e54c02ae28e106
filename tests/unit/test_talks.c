// SPDX-License-Identifier: Apache-2.0
/* Which connections wait for somebody: a pure function, tabulated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "runtime/base/mem.h"
#include "runtime/supervisor/look/talks.h"

#define BINDING 4001

static struct netns_connection tcp(uint32_t sent_ms, uint32_t received_ms)
{
	return (struct netns_connection){.protocol = IPPROTO_TCP,
					 .state = NETNS_ESTABLISHED,
					 .owned = true,
					 .known = true,
					 .peer = {[10] = 0xff, 0xff, 10, 0, 0, 5},
					 .peer_port = 5432,
					 .sent_ms = sent_ms,
					 .received_ms = received_ms,
					 .acknowledged_ms = received_ms,
					 .sent_bytes = 100,
					 .received_bytes = 100};
}

static enum talk_wait judge(const struct netns_connection *c)
{
	static const struct talk_key none[TALKS_SETTLED];
	const struct talks_request q = {
		.wired = true, .ports = {BINDING}, .port_count = 1, .settled = none};

	return talk_judge(&q, c);
}

static void the_side_that_spoke_last_does_not_owe(void **state)
{
	struct netns_connection c = tcp(5000, 4990);

	assert_int_equal(judge(&c), TALK_NOTHING); /* a pool's */
	c = tcp(4990, 5000);
	assert_int_equal(judge(&c), TALK_ANSWER);
	c.state = NETNS_FIN_WAIT2; /* asked, and closed its own direction */
	assert_int_equal(judge(&c), TALK_ANSWER);
	c.received_bytes = 0;
	c.received_ms = 4000;
	assert_int_equal(judge(&c), TALK_ANSWER); /* nothing ever came */
	c.unread_bytes = 1;
	assert_int_equal(judge(&c), TALK_NOTHING);
}

static void one_tick_of_the_clock_is_told_by_the_acknowledgement(void **state)
{
	struct netns_connection c = tcp(400, 400);

	assert_int_equal(judge(&c), TALK_NOTHING);
	c.acknowledged_ms = 360;
	assert_int_equal(judge(&c), TALK_ANSWER);
	c = tcp(5000, 5000);
	c.acknowledged_ms = 4000; /* of a keep-alive probe: a pool's */
	assert_int_equal(judge(&c), TALK_NOTHING);
}

static void what_is_on_its_way_is_waited_for(void **state)
{
	struct netns_connection c = tcp(0, 0);

	c.state = NETNS_SYN_SENT;
	assert_int_equal(judge(&c), TALK_CONNECT);
	c = tcp(5000, 4990);
	c.unsent_bytes = 1;
	assert_int_equal(judge(&c), TALK_SEND);
	c.state = NETNS_CLOSE_WAIT;
	assert_int_equal(judge(&c), TALK_NOTHING);
}

static void a_new_connection_may_get_a_greeting_and_an_old_silent_one_is_idle(void **state)
{
	struct netns_connection c = tcp(900, 900);

	c.sent_bytes = c.received_bytes = 0;
	assert_int_equal(judge(&c), TALK_GREETING);
	c.sent_ms = c.received_ms = 1100;
	assert_int_equal(judge(&c), TALK_NOTHING);
}

static void few_bytes_right_behind_the_peer_s_are_no_question(void **state)
{
	struct netns_connection c = tcp(300, 310);

	c.acknowledged_bytes = 1017;
	assert_int_equal(judge(&c), TALK_ANSWER); /* by the times alone */
	assert_true(talk_is_courtesy(&c, 1000));
	assert_false(talk_is_courtesy(&c, 1017));
	assert_true(talk_is_silent(&c, 1017)); /* nothing was said since: sent again */
	assert_false(talk_is_silent(&c, 1016));
	assert_false(talk_is_courtesy(&c, 900)); /* as long as a question */
	assert_false(talk_is_courtesy(&c, 2000));
	c.received_ms = 1400; /* a timer's: some time behind */
	assert_false(talk_is_courtesy(&c, 1000));
	c = tcp(100, 110); /* the answer may be on its way */
	c.acknowledged_bytes = 1017;
	assert_false(talk_is_courtesy(&c, 1000));
	c = tcp(300, 310);
	c.acknowledged_bytes = 1017;
	c.unsent_bytes = 1;
	assert_false(talk_is_courtesy(&c, 1000));
	c.unsent_bytes = 0;
	c.received_bytes = 0;
	assert_false(talk_is_courtesy(&c, 1000));
}

static void only_the_program_s_own_ways_out_count(void **state)
{
	struct netns_connection c = tcp(10, 5000);

	c.owned = false; /* closed; the kernel sends the rest */
	assert_int_equal(judge(&c), TALK_NOTHING);
	c.owned = true;
	memcpy(c.peer + 12, (uint8_t[]){127, 0, 0, 1}, 4); /* a gateway, or another process */
	assert_int_equal(judge(&c), TALK_NOTHING);
	c.peer_port = BINDING;
	assert_int_equal(judge(&c), TALK_ANSWER);
	c.peer_port = 1;
	memset(c.peer, 0, sizeof(c.peer));
	c.peer[15] = 1;
	assert_int_equal(judge(&c), TALK_NOTHING);
}

static void a_question_for_a_name_is_waited_for(void **state)
{
	struct netns_connection c = tcp(0, 0);

	c.protocol = IPPROTO_UDP;
	c.known = false;
	assert_int_equal(judge(&c), TALK_NOTHING);
	c.peer_port = 53;
	assert_int_equal(judge(&c), TALK_NAME);
	c.state = NETNS_CLOSE;
	assert_int_equal(judge(&c), TALK_NOTHING);
}

static void a_kernel_that_says_no_times_keeps_nobody_awake(void **state)
{
	struct netns_connection c = tcp(10, 5000);

	c.known = false;
	assert_int_equal(judge(&c), TALK_NOTHING);
}

static void people_read_who_it_is(void **state)
{
	struct talk t = {.waits = TALK_ANSWER,
			 .protocol = IPPROTO_TCP,
			 .peer = {[10] = 0xff, 0xff, 10, 0, 0, 5},
			 .peer_port = 5432,
			 .for_ms = 1200};
	char text[96];

	talk_text(&t, text, sizeof(text));
	assert_string_equal(text, "tcp 10.0.0.5:5432 owes an answer (1200 ms)");
	t = (struct talk){.waits = TALK_NAME,
			  .protocol = IPPROTO_UDP,
			  .peer = {0xfd, [15] = 1},
			  .peer_port = 53};
	talk_text(&t, text, sizeof(text));
	assert_string_equal(text, "udp [fd00::1]:53 is asked for a name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_side_that_spoke_last_does_not_owe),
		cmocka_unit_test(one_tick_of_the_clock_is_told_by_the_acknowledgement),
		cmocka_unit_test(what_is_on_its_way_is_waited_for),
		cmocka_unit_test(a_new_connection_may_get_a_greeting_and_an_old_silent_one_is_idle),
		cmocka_unit_test(few_bytes_right_behind_the_peer_s_are_no_question),
		cmocka_unit_test(only_the_program_s_own_ways_out_count),
		cmocka_unit_test(a_question_for_a_name_is_waited_for),
		cmocka_unit_test(a_kernel_that_says_no_times_keeps_nobody_awake),
		cmocka_unit_test(people_read_who_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "runtime/gateway/exchange/relay.h"
#include "runtime/gateway/exchange/tunnel.h"
#include "tests/unit/gateway_rig.h"

#define HEAD "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"

static bool sends(const struct stream *s, const char *text)
{
	return s->sending && s->out.size == strlen(text) &&
	       memcmp(s->out.at, text, s->out.size) == 0;
}

static void test_a_body_goes_up_in_pieces_and_its_request_is_dropped(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);
	struct upstream *u = rig_join(r, c, rig_instance(r));

	flow_init(&c->x.up, HTTP_LENGTH, HTTP_LENGTH, 6);
	rig_receive(r, &c->s, "abc");
	assert_int_equal(relay_pump(&r->g, c, RELAY_UP), VERDICT_STAY);
	assert_true(sends(&u->s, "abc"));
	assert_int_equal(c->x.request.size, 0);
	assert_string_equal(c->label, "GET /");
	assert_true(c->s.receiving); /* one piece ahead */
	rig_free(r);
}

static void test_malformed_chunks_fail_the_request(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);

	(void)rig_join(r, c, rig_instance(r));
	flow_init(&c->x.up, HTTP_CHUNKED, HTTP_CHUNKED, 0);
	rig_receive(r, &c->s, "zz\r\n");
	assert_int_equal(relay_pump(&r->g, c, RELAY_UP), VERDICT_FAILED);
	assert_int_equal(r->g.failure.error, EDGE_BAD_CHUNKS);
	rig_free(r);
}

static void test_a_body_beyond_its_limit_fails_the_request(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);

	(void)rig_join(r, c, rig_instance(r));
	flow_init(&c->x.up, HTTP_CHUNKED, HTTP_CHUNKED, 0);
	c->x.up.max = 2;
	rig_receive(r, &c->s, "3\r\nabc\r\n");
	assert_int_equal(relay_pump(&r->g, c, RELAY_UP), VERDICT_FAILED);
	assert_int_equal(r->g.failure.error, EDGE_BODY_TOO_LARGE);
	rig_free(r);
}

static void test_a_whole_answer_gives_the_ticket_back_before_it_is_sent(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);
	struct upstream *u = rig_join(r, c, rig_instance(r));

	rig_receive(r, &u->s, HEAD "hello");
	u->s.ended = true;
	exchange_run(&r->g, c, EVENT_UP_BYTES, 0);
	assert_int_equal(c->state, CLIENT_FINISHING);
	assert_int_equal(c->x.upstream, 0);
	assert_int_equal(rig_tickets(r), 0);
	assert_true(c->s.sending);
	assert_int_equal(r->nexts, 0); /* not before it is sent */
	rig_free(r);
}

static void test_an_answer_that_comes_in_pieces_keeps_the_ticket_until_its_end(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);
	struct upstream *u = rig_join(r, c, rig_instance(r));

	rig_receive(r, &u->s, HEAD "he");
	exchange_run(&r->g, c, EVENT_UP_BYTES, 0);
	assert_int_equal(c->state, CLIENT_ANSWERING);
	assert_int_equal(rig_tickets(r), 1);
	rig_receive(r, &u->s, "llo");
	u->s.ended = true;
	c->s.sending = false; /* the head is out */
	exchange_run(&r->g, c, EVENT_UP_BYTES, 0);
	assert_int_equal(c->state, CLIENT_FINISHING);
	assert_int_equal(rig_tickets(r), 0);
	rig_free(r);
}

static void test_an_answer_that_breaks_off_cuts_the_connection(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);
	struct upstream *u = rig_join(r, c, rig_instance(r));

	rig_receive(r, &u->s, HEAD "he");
	exchange_run(&r->g, c, EVENT_UP_BYTES, 0);
	exchange_run(&r->g, c, EVENT_UP_END, -ECONNRESET);
	assert_int_equal(r->closed, 1);
	assert_int_equal(rig_tickets(r), 0);
	rig_free(r);
}

static void test_what_is_no_answer_is_an_error_of_ours(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);
	struct upstream *u = rig_join(r, c, rig_instance(r));

	rig_receive(r, &u->s, "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n");
	exchange_run(&r->g, c, EVENT_UP_BYTES, 0);
	assert_int_equal(c->state, CLIENT_FINISHING);
	assert_int_equal(c->x.answer.error, EDGE_BAD_RESPONSE);
	assert_int_equal(c->x.answer.status, 502);
	assert_int_equal(rig_tickets(r), 0);
	assert_memory_equal(c->s.out.at, "HTTP/1.1 502 ", 13);
	rig_free(r);
}

static void test_a_client_that_leaves_gives_everything_back(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);

	(void)rig_join(r, c, rig_instance(r));
	exchange_run(&r->g, c, EVENT_END, 0);
	assert_int_equal(r->closed, 1);
	assert_int_equal(rig_tickets(r), 0);
	assert_int_equal(r->g.up.free_count, r->g.up.slot_count);
	assert_int_equal(r->g.count.aborted_by_client, 1);
	rig_free(r);
}

#define ASK                                                                          \
	"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n" \
	"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define SWITCH                                                                              \
	"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n" \
	"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

static void test_frames_that_come_with_the_101_are_followed(void **state)
{
	struct rig *r = rig_new();
	struct client *c = rig_client(r, 0);
	struct upstream *u = rig_join(r, c, rig_instance(r));

	memcpy(c->x.request.at, ASK, sizeof(ASK));
	c->x.request.size = sizeof(ASK) - 1;
	c->x.is.upgrade = true;
	rig_receive(r, &u->s, SWITCH "\x81\x05hel");
	exchange_run(&r->g, c, EVENT_UP_BYTES, 0);
	assert_int_equal(c->state, CLIENT_TUNNEL);
	assert_memory_equal(c->s.out.at + c->s.out.size - 4, "\r\n\r\n", 4); /* the head alone */
	c->s.sending = false;
	exchange_run(&r->g, c, EVENT_SENT, 0);
	assert_true(sends(&c->s, "\x81\x05hel"));
	assert_true(tunnel_of(&r->g, c)->frames);
	assert_false(ws_between_frames(&tunnel_of(&r->g, c)->down));
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_body_goes_up_in_pieces_and_its_request_is_dropped),
		cmocka_unit_test(test_malformed_chunks_fail_the_request),
		cmocka_unit_test(test_a_body_beyond_its_limit_fails_the_request),
		cmocka_unit_test(test_a_whole_answer_gives_the_ticket_back_before_it_is_sent),
		cmocka_unit_test(
			test_an_answer_that_comes_in_pieces_keeps_the_ticket_until_its_end),
		cmocka_unit_test(test_an_answer_that_breaks_off_cuts_the_connection),
		cmocka_unit_test(test_what_is_no_answer_is_an_error_of_ours),
		cmocka_unit_test(test_a_client_that_leaves_gives_everything_back),
		cmocka_unit_test(test_frames_that_come_with_the_101_are_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

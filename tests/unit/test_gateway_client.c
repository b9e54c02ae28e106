// SPDX-License-Identifier: Apache-2.0
/*
 * The tables of a client and of an exchange, state by event: the effect of each cell, and the cells
 * that do not exist. The test carries the streams, and plays h2/.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/gateway/client/addresses.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/listeners.h"
#include "tests/unit/gateway_rig.h"

#define LETTERS (EVENT_COUNT - EVENT_BYTES) /* the events of a client, the timer and DOWN */

static int log_fd = -1;

/* ---- the rooms above and beside: they do nothing ---- */

static void on_nothing(void *self, struct stream *s)
{
}

static const struct stream_carrier carrier = {
	.wants = on_nothing,
	.has = on_nothing,
	.done = on_nothing,
	.closed = on_nothing,
};

static int no_preface(const struct gateway *g, const struct client *c)
{
	return -1;
}

static void no_session(struct gateway *g, struct client *c)
{
}

static const struct session_user session_user = {
	.is_preface = no_preface,
	.begin = no_session,
	.received = no_session,
	.sent = no_session,
	.timer = no_session,
	.ended = no_session,
	.drain = no_session,
};

/* ---- a client in any state ---- */

static struct rig *new_rig(void)
{
	struct rig *r = rig_new();
	struct gateway *g = &r->g;

	free(g->clients);
	g->config.connections_max = g->client_count;
	assert_int_equal(clients_init(g), 0);
	listeners_init(g);
	g->user = &client_exchange_user;
	g->session_user = &session_user;
	return r;
}

static void free_rig(struct rig *r)
{
	addresses_fini(r->g.addresses);
	free(r->g.addresses);
	free(r->g.free_clients);
	free(r->g.stashes);
	rig_free(r);
}

/* A client that has received a few bytes, which end nothing, and has a socket to shut down. */
static struct client *client_in(struct rig *r, enum client_state state, int *peer_fd)
{
	const char *text = state == CLIENT_PROXY ? "PROXY TCP4 1" : "GET /";
	struct client *c = client_slot(&r->g);
	int pair[2];

	assert_non_null(c);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*peer_fd = pair[1];
	stream_open_carried(&c->s, &carrier, NULL, c->s.index, RING_CLIENT_RECV);
	c->s.fd = pair[0];
	c->trusted = true; /* it may send a PROXY header */
	c->x = (struct exchange){.service = STATS_NO_SERVICE, .request = {.buffer = BUFFER_NONE}};
	flow_init(&c->x.up, HTTP_LENGTH, HTTP_LENGTH, 100);
	flow_init(&c->x.down, HTTP_NO_BODY, HTTP_NO_BODY, 0);
	rig_receive(r, &c->s, text);
	c->state = state;
	return c;
}

static off_t logged(void)
{
	return lseek(log_fd, 0, SEEK_END);
}

/* The letter of what became of a client: see below. */
static char became(enum client_state before, enum client_state after, bool refused)
{
	if (refused)
		return before == after ? '.' : '!';
	switch (after) {
	case CLIENT_FREE:
		return 'x';
	case CLIENT_FINISHING:
		return before == after ? '=' : 'F';
	case CLIENT_PARTING:
		return 'P';
	case CLIENT_LINGER:
		return before == after ? '=' : 'L';
	default:
		return before == after ? '=' : '!';
	}
}

static char try_cell(enum client_state state, enum exchange_event event)
{
	struct rig *r = new_rig();
	int peer_fd;
	struct client *c = client_in(r, state, &peer_fd);
	off_t before = logged();
	char letter;

	c->s.sending = event != EVENT_SENT && state != CLIENT_PROXY && state != CLIENT_HEAD;
	client_happens(&r->g, c, event);
	letter = became(state, c->state, logged() != before);
	fd_close(&c->s.fd);
	close(peer_fd);
	free_rig(r);
	return letter;
}

/* Behind the events of upstreams, which no such client has: BYTES, BODY_END, SENT, READY, END,
 * LEFT, FULL, LOST, UNSENT, TIMER, DOWN.
 * "." refused; "=" stays; "x" the connection ends; "F" gets an error; "P" parts from its carrier;
 * "L" lingers. */
static const struct {
	enum client_state state;
	char row[LETTERS + 1];
} rows[] = {
	/* clang-format off */
	{CLIENT_FREE,      "..........."},
	{CLIENT_PROXY,     "=..=x=xxxx."},
	{CLIENT_HEAD,      "=.==x=FxxF."},
	{CLIENT_SESSION,   "=.==x=xxx=."},
	{CLIENT_FINISHING, "=.P===xxxx."},
	{CLIENT_PARTING,   "P.PPPPxxxx."},
	{CLIENT_DISCARD,   "=.==x=xxxx."},
	{CLIENT_FAREWELL,  "=.L===xxxx."},
	{CLIENT_LINGER,    "=.==x=xxxx."},
	{CLIENT_CLOSING,   "..........."},
	/* clang-format on */
};

static void test_each_cell_of_a_client_does_what_its_letter_says(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char row[LETTERS + 1] = "";

		for (uint32_t e = EVENT_BYTES; e < EVENT_COUNT; e++)
			row[e - EVENT_BYTES] = try_cell(rows[i].state, e);
		if (strcmp(row, rows[i].row) != 0)
			print_error("%s\n", client_state_name(rows[i].state));
		assert_string_equal(row, rows[i].row);
	}
	/* READY lasts for a part of one event, and the states from QUEUED to JUDGED are open. */
	assert_int_equal(ARRAY_LEN(rows) + 1 + (CLIENT_JUDGED - CLIENT_QUEUED + 1),
			 CLIENT_STATE_COUNT);
}

static void test_a_client_without_a_request_hears_nothing_of_upstreams(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (uint32_t e = 0; e < EVENT_BYTES; e++)
			assert_int_equal(try_cell(rows[i].state, e), '.');
}

/* ---- the table of an exchange ---- */

/* In the order of enum exchange_event. "." refused, "c" the connection is cut, "*" anything else,
 * which depends on the exchange. */
static const struct {
	enum client_state state;
	char row[EVENT_COUNT + 1];
} open_rows[] = {
	/* clang-format off */
	{CLIENT_QUEUED,       "..........*.****ccc*."},
	{CLIENT_WAITS_SOCKET, "..........*.****ccc**"},
	{CLIENT_ASKED,        "*****" "*****" "******" "ccc**"},
	{CLIENT_ANSWERING,    "*.****" "*..*" "******" "ccc**"},
	{CLIENT_TUNNEL,       "*.****" "*..." "*.****" "ccc**"},
	{CLIENT_SPARED,       "*.****" "*..." "*.****" "ccc**"},
	{CLIENT_ASLEEP,       "*.****" "*..." "*.****" "ccc**"},
	{CLIENT_WAKING,       "*.****" "*..." "*.****" "ccc**"},
	{CLIENT_DOUBT,        "..........*.****ccc**"},
	{CLIENT_LOST,         "..........*.****ccc**"},
	{CLIENT_JUDGED,       "..........*.****ccc*."},
	/* clang-format on */
};

static void test_each_cell_of_an_exchange_that_needs_no_more_is_what_its_letter_says(void **state)
{
	struct rig *r = rig_new();

	assert_int_equal(ARRAY_LEN(open_rows), CLIENT_JUDGED - CLIENT_QUEUED + 1);
	for (size_t i = 0; i < ARRAY_LEN(open_rows); i++)
		for (uint32_t e = 0; e < EVENT_COUNT; e++) {
			const struct happening h = {.event = e};
			struct client before, *c = &r->g.clients[0];
			char want = open_rows[i].row[e];
			off_t at = logged();

			if (want == '*')
				continue;
			*c = (struct client){.state = open_rows[i].state};
			before = *c;
			assert_int_equal(exchange_handle(&r->g, c, &h),
					 want == 'c' ? VERDICT_CUT : VERDICT_STAY);
			assert_int_equal(logged() != at, want == '.');
			assert_memory_equal(c, &before, sizeof(before));
		}
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_cell_of_a_client_does_what_its_letter_says),
		cmocka_unit_test(test_a_client_without_a_request_hears_nothing_of_upstreams),
		cmocka_unit_test(
			test_each_cell_of_an_exchange_that_needs_no_more_is_what_its_letter_says),
	};

	log_init("test", LOG_ERROR_LEVEL);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	log_to(log_fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

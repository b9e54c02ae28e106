// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "runtime/http/handshake.h"
#include "runtime/http/sha1.h"

#define KEY     "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT  "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define ASK     "GET /chat HTTP/1.1\r\nHost: a\r\n"
#define FIELDS  "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEYED   "Sec-WebSocket-Key: " KEY "\r\n"
#define YES     "HTTP/1.1 101 Switching Protocols\r\n"
#define SWITCH  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPTS "Sec-WebSocket-Accept: " ACCEPT "\r\n"

static struct http_head request, response;
static char request_text[1024], response_text[1024];

static int ask(const char *text)
{
	const char *why = "";

	snprintf(request_text, sizeof(request_text), "%s\r\n", text);
	if (http_request_parse(request_text, strlen(request_text), &request, &why))
		fail_msg("%s", why);
	return request.asks_upgrade ? http_upgrade_request(&request, &why) : 0;
}

static bool accepted(const char *question, const char *answer)
{
	const char *why = "";

	(void)ask(question);
	snprintf(response_text, sizeof(response_text), "%s\r\n", answer);
	if (http_response_parse(response_text, strlen(response_text), false, &response, &why))
		fail_msg("%s", why);
	return http_upgrade_response(&request, &response, &why);
}

/* FIPS 180-4 and RFC 3174 section 7.3. */
static void sha1_gives_the_published_digests(void **state)
{
	static char million[1000000];
	static const struct {
		const char *text, *digest;
	} cases[] = {
		{"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
		{million, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
	};

	memset(million, 'a', sizeof(million));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t digest[SHA1_BYTES];
		char hex[2 * SHA1_BYTES + 1];

		sha1(cases[i].text,
		     cases[i].text == million ? sizeof(million) : strlen(cases[i].text), digest);
		for (int k = 0; k < SHA1_BYTES; k++)
			snprintf(hex + 2 * k, 3, "%02x", digest[k]);
		assert_string_equal(hex, cases[i].digest);
	}
}

static void sha1_pads_every_length(void **state)
{
	uint8_t chain[SHA1_BYTES] = {0}, text[300] = {0};

	/* Each digest is mixed into the next text: one wrong length changes the last. */
	for (size_t size = 0; size < sizeof(text); size++) {
		sha1(text, size, chain);
		for (size_t i = 0; i < SHA1_BYTES; i++)
			text[(size + i) % sizeof(text)] ^= chain[i];
	}
	assert_int_equal(chain[0] << 8 | chain[1], 0xe5c2);
}

/* RFC 6455 section 1.3. */
static void accept_of_the_rfc(void **state)
{
	char accept[WEBSOCKET_ACCEPT_SIZE];

	websocket_accept((struct http_slice){KEY, 24}, accept);
	assert_memory_equal(accept, ACCEPT, sizeof(accept));
}

static void handshake_of_the_rfc_is_valid(void **state)
{
	assert_int_equal(ask(ASK FIELDS KEYED VERSION), 0);
	assert_true(request.websocket && request.upgrade);
}

static void handshakes_that_are_none(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{"POST / HTTP/1.1\r\nHost: a\r\n" FIELDS KEYED VERSION, 400},
		{"GET / HTTP/1.0\r\nHost: a\r\n" FIELDS KEYED VERSION, 400},
		{ASK "Upgrade: websocket\r\n" KEYED VERSION, 400},
		{ASK FIELDS KEYED VERSION "Content-Length: 1\r\n", 400},
		{ASK FIELDS KEYED VERSION "Transfer-Encoding: chunked\r\n", 400},
		{ASK FIELDS VERSION, 400},
		{ASK FIELDS VERSION KEYED KEYED, 400},
		{ASK FIELDS VERSION "Sec-WebSocket-Key: \r\n", 400},
		{ASK FIELDS VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n", 400},
		{ASK FIELDS VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n", 400},
		{ASK FIELDS VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ-==\r\n", 400},
		{ASK FIELDS KEYED, 426},
		{ASK FIELDS KEYED "Sec-WebSocket-Version: 8\r\n", 426},
		{ASK FIELDS KEYED "Sec-WebSocket-Version: 13, 8\r\n", 426},
		{ASK FIELDS KEYED VERSION VERSION, 426},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (ask(cases[i].text) != cases[i].status)
			fail_msg("case %zu", i);
		assert_false(request.websocket);
	}
}

static void websocket_among_others_is_a_websocket(void **state)
{
	assert_int_equal(
		ask(ASK "Connection: upgrade\r\nUpgrade: foo, websocket\r\n" KEYED VERSION), 0);
	assert_true(request.websocket);
}

static void what_we_speak_ourselves_is_not_upgraded_to(void **state)
{
	static const char *const names[] = {"h2c", "H2C",      "foo, h2c",
					    "h2",  "HTTP/2.0", "TLS/1.0, HTTP/1.1"};
	char text[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), ASK "Connection: upgrade\r\nUpgrade: %s\r\n",
			 names[i]);
		assert_int_equal(ask(text), 0);
		assert_false(request.upgrade);
	}
	assert_int_equal(ask(ASK "Connection: upgrade\r\nUpgrade: foo\r\n"), 0);
	assert_true(request.upgrade && !request.websocket);
	assert_int_equal(ask(ASK "Connection: upgrade\r\nUpgrade: foo\r\nContent-Length: 1\r\n"),
			 0);
	assert_false(request.upgrade);
}

static void answers_are_checked(void **state)
{
	static const char question[] =
		ASK FIELDS KEYED VERSION "Sec-WebSocket-Protocol: chat, Super\r\n"
					 "Sec-WebSocket-Extensions: permessage-deflate; "
					 "client_max_window_bits, x-other\r\n";
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{YES SWITCH ACCEPTS, true},
		{YES SWITCH ACCEPTS "Sec-WebSocket-Protocol: Super\r\n", true},
		{YES SWITCH ACCEPTS "Sec-WebSocket-Extensions: permessage-deflate; "
				    "server_no_context_takeover\r\n",
		 true},
		{YES SWITCH, false},
		{YES SWITCH ACCEPTS ACCEPTS, false},
		{YES SWITCH "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", false},
		{YES "Connection: upgrade\r\n" ACCEPTS, false},
		{YES "Upgrade: websocket\r\n" ACCEPTS, false},
		{YES "Upgrade: foo\r\nConnection: upgrade\r\n" ACCEPTS, false},
		{"HTTP/1.0 101 Switching Protocols\r\n" SWITCH ACCEPTS, false},
		{YES SWITCH ACCEPTS "Sec-WebSocket-Protocol: super\r\n", false},
		{YES SWITCH ACCEPTS "Sec-WebSocket-Protocol: other\r\n", false},
		{YES SWITCH ACCEPTS "Sec-WebSocket-Protocol: chat\r\n"
				    "Sec-WebSocket-Protocol: Super\r\n",
		 false},
		{YES SWITCH ACCEPTS "Sec-WebSocket-Extensions: x-third\r\n", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (accepted(question, cases[i].text) != cases[i].good)
			fail_msg("case %zu", i);
	assert_false(accepted(ASK FIELDS KEYED VERSION,
			      YES SWITCH ACCEPTS "Sec-WebSocket-Protocol: chat\r\n"));
}

static void other_protocols_must_have_been_offered(void **state)
{
	static const char question[] = ASK "Connection: upgrade\r\nUpgrade: one, two/1\r\n";

	assert_true(accepted(question, YES "Connection: upgrade\r\nUpgrade: two/1\r\n"));
	assert_false(accepted(question, YES "Connection: upgrade\r\nUpgrade: three\r\n"));
	assert_false(accepted(question, YES "Connection: upgrade\r\n"));
	assert_false(accepted(question, YES "Connection: upgrade\r\nUpgrade: websocket\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha1_gives_the_published_digests),
		cmocka_unit_test(sha1_pads_every_length),
		cmocka_unit_test(accept_of_the_rfc),
		cmocka_unit_test(handshake_of_the_rfc_is_valid),
		cmocka_unit_test(handshakes_that_are_none),
		cmocka_unit_test(websocket_among_others_is_a_websocket),
		cmocka_unit_test(what_we_speak_ourselves_is_not_upgraded_to),
		cmocka_unit_test(answers_are_checked),
		cmocka_unit_test(other_protocols_must_have_been_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Every rule of the gate in front of the gateway, one test each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/http/head.h"

static struct http_head head;

static int request(const char *text)
{
	const char *why = NULL;
	int status = http_request_parse(text, strlen(text), &head, &why);

	if (status)
		assert_non_null(why);
	return status;
}

static int response_to(const char *text, bool method_was_head)
{
	const char *why = NULL;

	return http_response_parse(text, strlen(text), method_was_head, &head, &why);
}

static int with(const char *fields)
{
	char text[8192];

	snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
	return request(text);
}

static int target(const char *text_target)
{
	char text[1024];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", text_target);
	return request(text);
}

static void end_is_found_and_bounded(void **state)
{
	assert_int_equal(http_head_end("GET / HTTP/1.1\r\nA: b\r\n\r\nbody", 28, 0, 100), 24);
	assert_int_equal(http_head_end("GET / HTTP/1.1\r\nA: b\r\n\r", 23, 0, 100), 0);
	assert_int_equal(http_head_end("GET / HTTP/1.1\r\nA: b\r\n\r\n", 24, 23, 100), 24);
	assert_int_equal(http_head_end("A\n\n", 3, 0, 100), 3);
	assert_int_equal(http_head_end("GET / HTTP/1.1\r\n", 16, 0, 16), -EMSGSIZE);
	assert_int_equal(http_head_end("GET / HTTP/1.1\r\n\r\n", 18, 0, 17), -EMSGSIZE);
}

static void plain_request_is_understood(void **state)
{
	assert_int_equal(
		request("GET /a/b?c=d HTTP/1.1\r\nHost: x.example:81\r\nAccept:  */* \r\n\r\n"), 0);
	assert_true(http_slice_is(head.method, "GET"));
	assert_true(http_slice_is(head.target, "/a/b?c=d"));
	assert_true(http_slice_is(head.path, "/a/b"));
	assert_true(http_slice_is(head.query, "c=d"));
	assert_true(http_slice_is(head.host, "x.example"));
	assert_true(head.host_has_port);
	assert_int_equal(head.framing, HTTP_NO_BODY);
	assert_true(head.keep_alive);
	assert_int_equal(head.header_count, 2);
	assert_true(http_slice_is(http_find(&head, "accept")->value, "*/*"));
}

static void folded_lines_are_refused(void **state)
{
	assert_int_equal(with("X: a\r\n b\r\n"), 400);
	assert_int_equal(with("X: a\r\n\tContent-Length: 4\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400);
}

static void bare_lf_and_cr_are_refused(void **state)
{
	assert_int_equal(request("GET / HTTP/1.1\nHost: a\n\n"), 400);
	assert_int_equal(with("X: a\nY: b\r\n"), 400);
	assert_int_equal(with("X: a\rY: b\r\n"), 400);
	assert_int_equal(with("X: a\r\r\n"), 400);
}

static void host_is_exactly_one_and_valid(void **state)
{
	assert_int_equal(request("GET / HTTP/1.1\r\n\r\n"), 400);
	assert_int_equal(with("Host: a\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.0\r\n\r\n"), 0);
	assert_int_equal(request("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 0);
	assert_true(http_slice_is(head.host, "[::1]"));
	assert_int_equal(request("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), 400);
}

static void versions_are_10_and_11_only(void **state)
{
	assert_int_equal(request("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
	assert_int_equal(request("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), 505);
	assert_int_equal(request("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), 505);
	assert_int_equal(request("GET / http/1.1\r\nHost: a\r\n\r\n"), 400);
	assert_int_equal(request("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), 400);
	assert_int_equal(request("GET /\r\nHost: a\r\n\r\n"), 400);
	assert_int_equal(request("PRI * HTTP/2.0\r\n\r\n"), 505);
}

static void request_line_has_three_parts(void **state)
{
	assert_int_equal(request("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	assert_int_equal(request("GET / x HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	assert_int_equal(request(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	assert_int_equal(request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	assert_int_equal(request("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
}

static void length_and_coding_exclude_each_other(void **state)
{
	assert_int_equal(with("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"), 400);
	assert_int_equal(with("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"), 400);
}

static void repeated_length_is_refused(void **state)
{
	assert_int_equal(with("Content-Length: 4\r\nContent-Length: 5\r\n"), 400);
	assert_int_equal(with("Content-Length: 4\r\nContent-Length: 4\r\n"), 400);
	assert_int_equal(with("Content-Length: 4, 4\r\n"), 400);
}

static void length_is_a_plain_number(void **state)
{
	assert_int_equal(with("Content-Length: 12\r\n"), 0);
	assert_int_equal(head.framing, HTTP_LENGTH);
	assert_int_equal(head.body_bytes, 12);
	assert_int_equal(with("Content-Length: 0\r\n"), 0);
	assert_int_equal(head.framing, HTTP_NO_BODY);
	assert_int_equal(with("Content-Length: +4\r\n"), 400);
	assert_int_equal(with("Content-Length: -4\r\n"), 400);
	assert_int_equal(with("Content-Length: 0x4\r\n"), 400);
	assert_int_equal(with("Content-Length: 4 4\r\n"), 400);
	assert_int_equal(with("Content-Length:\r\n"), 400);
	assert_int_equal(with("Content-Length: 99999999999999999999\r\n"), 400);
}

static void coding_is_chunked_on_11_only(void **state)
{
	assert_int_equal(with("Transfer-Encoding: chunked\r\n"), 0);
	assert_int_equal(head.framing, HTTP_CHUNKED);
	assert_int_equal(with("Transfer-Encoding: Chunked\r\n"), 0);
	assert_int_equal(with("Transfer-Encoding: gzip, chunked\r\n"), 501);
	assert_int_equal(with("Transfer-Encoding: chunked, identity\r\n"), 400);
	assert_int_equal(with("Transfer-Encoding: identity\r\n"), 400);
	assert_int_equal(with("Transfer-Encoding: xchunked\r\n"), 400);
	assert_int_equal(with("Transfer-Encoding: \"chunked\"\r\n"), 400);
	assert_int_equal(with("Transfer-Encoding:\r\n"), 400);
	assert_int_equal(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
	assert_int_equal(request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

static void field_names_are_tokens_before_a_colon(void **state)
{
	assert_int_equal(with("X : a\r\n"), 400);
	assert_int_equal(with("Content-Length : 4\r\n"), 400);
	assert_int_equal(with("X\r\n"), 400);
	assert_int_equal(with(": a\r\n"), 400);
	assert_int_equal(with("X[]: a\r\n"), 400);
	assert_int_equal(with("X\xc3\xa4: a\r\n"), 400);
}

static void control_bytes_are_refused(void **state)
{
	static const char nul[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
	const char *why;

	assert_int_equal(http_request_parse(nul, sizeof(nul) - 1, &head, &why), 400);
	assert_int_equal(with("X: a\001b\r\n"), 400);
	assert_int_equal(with("X: a\177b\r\n"), 400);
	assert_int_equal(with("X: a\tb \xc3\xa4\r\n"), 0);
}

static void absolute_form_replaces_host(void **state)
{
	assert_int_equal(target("http://b.example:99/p?q"), 0);
	assert_true(http_slice_is(head.host, "b.example"));
	assert_true(http_slice_is(head.path, "/p"));
	assert_true(http_slice_is(head.query, "q"));
	assert_int_equal(target("http://b.example"), 0);
	assert_int_equal(head.path.size, 0);
	assert_int_equal(target("http://u@b/"), 400);
	assert_int_equal(target("http:///x"), 400);
	assert_int_equal(target("ftp://b/"), 400);
}

static void target_characters_are_checked(void **state)
{
	assert_int_equal(target("/a#b"), 400);
	assert_int_equal(target("/a\"b"), 400);
	assert_int_equal(target("/<b>"), 400);
	assert_int_equal(target("/a\\b"), 400);
	assert_int_equal(target("/a\001"), 400);
	assert_int_equal(target("/\xc3\xa4"), 400);
	assert_int_equal(target("a"), 400);
	assert_int_equal(target("*"), 400);
	assert_int_equal(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
	assert_int_equal(target("/%C3%A4?x={a|b}^[1]"), 0);
}

static void methods_not_known_are_501(void **state)
{
	assert_int_equal(request("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
	assert_int_equal(request("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
	assert_int_equal(request("PATCH / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
}

static void field_count_is_limited(void **state)
{
	char fields[4096];
	size_t used = 0;

	for (int i = 0; i < HTTP_REQUEST_FIELDS_MAX - 1; i++)
		used += (size_t)snprintf(fields + used, sizeof(fields) - used, "X-%d: a\r\n", i);
	assert_int_equal(with(fields), 0);
	assert_int_equal(head.header_count, HTTP_REQUEST_FIELDS_MAX);
	snprintf(fields + used, sizeof(fields) - used, "X: a\r\n");
	assert_int_equal(with(fields), 431);
}

static void keep_alive_follows_version_and_field(void **state)
{
	assert_int_equal(with("Connection: close\r\n"), 0);
	assert_false(head.keep_alive);
	assert_int_equal(request("GET / HTTP/1.0\r\n\r\n"), 0);
	assert_false(head.keep_alive);
	assert_int_equal(request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0);
	assert_true(head.keep_alive);
}

static void upgrade_needs_both_fields(void **state)
{
	assert_int_equal(with("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"), 0);
	assert_true(head.upgrade);
	assert_int_equal(with("Upgrade: websocket\r\n"), 0);
	assert_false(head.upgrade);
	assert_int_equal(with("Connection: upgrade\r\n"), 0);
	assert_false(head.upgrade);
}

static void known_fields_are_recognised(void **state)
{
	static const struct {
		const char *name;
		enum http_field field;
	} known[] = {
		{"Connection", HTTP_FIELD_CONNECTION},
		{"Keep-Alive", HTTP_FIELD_HOP},
		{"Proxy-Connection", HTTP_FIELD_HOP},
		{"Proxy-Authenticate", HTTP_FIELD_HOP},
		{"Proxy-Authorization", HTTP_FIELD_HOP},
		{"TE", HTTP_FIELD_HOP},
		{"Trailer", HTTP_FIELD_TRAILER},
		{"Forwarded", HTTP_FIELD_FORWARDED},
		{"X-Forwarded-For", HTTP_FIELD_FORWARDED},
		{"X-Forwarded-Proto", HTTP_FIELD_FORWARDED},
		{"X-Real-IP", HTTP_FIELD_FORWARDED},
		{"X-Request-Id", HTTP_FIELD_REQUEST_ID},
		{"X-Ebb-Id", HTTP_FIELD_EBB},
		{"X-Vercel-Internal-A", HTTP_FIELD_EBB},
		{"X-Other", HTTP_FIELD_OTHER},
		{"Upgrade", HTTP_FIELD_UPGRADE},
		{"Traceparent", HTTP_FIELD_TRACE},
		{"TraceState", HTTP_FIELD_TRACE},
		{"Date", HTTP_FIELD_DATE},
		{"Content_Length", HTTP_FIELD_LOOKALIKE},
		{"X_Forwarded_For", HTTP_FIELD_LOOKALIKE},
		{"X-Vercel_Internal-A-Very-Long-Name-Indeed", HTTP_FIELD_LOOKALIKE},
		{"X_Other", HTTP_FIELD_OTHER},
	};
	char field[128];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		snprintf(field, sizeof(field), "%s: x\r\n", known[i].name);
		assert_int_equal(with(field), 0);
		if (head.headers[1].field != known[i].field)
			fail_msg("%s", known[i].name);
	}
	assert_int_equal(head.headers[0].field, HTTP_FIELD_HOST);
}

static void connection_names_fields(void **state)
{
	struct http_slice x = {"X-Drop", 6}, y = {"X-Keep", 6};

	assert_int_equal(with("Connection: close, x-drop\r\nX-Drop: 1\r\n"), 0);
	assert_true(http_connection_names(&head, x));
	assert_false(http_connection_names(&head, y));
}

static void expect_is_seen(void **state)
{
	assert_int_equal(with("Expect: 100-continue\r\nContent-Length: 3\r\n"), 0);
	assert_true(head.expect_continue);
	assert_int_equal(head.headers[1].field, HTTP_FIELD_EXPECT);
	assert_int_equal(with("Expect: something-else\r\n"), 417);
}

static void responses_are_framed(void **state)
{
	assert_int_equal(response_to("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false), 0);
	assert_int_equal(head.status, 200);
	assert_true(http_slice_is(head.reason, "OK"));
	assert_int_equal(head.framing, HTTP_LENGTH);
	assert_int_equal(response_to("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true), 0);
	assert_int_equal(head.framing, HTTP_NO_BODY);
	assert_int_equal(response_to("HTTP/1.1 200\r\n\r\n", false), 0);
	assert_int_equal(head.framing, HTTP_UNTIL_CLOSE);
	assert_false(head.keep_alive);
	assert_int_equal(response_to("HTTP/1.1 204 No Content\r\n\r\n", false), 0);
	assert_int_equal(head.framing, HTTP_NO_BODY);
	assert_true(head.keep_alive);
	assert_int_equal(
		response_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false), 0);
	assert_int_equal(head.framing, HTTP_CHUNKED);
	assert_int_equal(response_to("HTTP/1.0 200 OK\r\n\r\n", false), 0);
	assert_int_equal(response_to("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
				     "Connection: Upgrade\r\n\r\n",
				     false),
			 0);
	assert_true(head.upgrade);
}

static void bad_responses_are_502(void **state)
{
	static const char *const bad[] = {
		"HTTP/1.1 99 x\r\n\r\n",
		"HTTP/1.1 2000 x\r\n\r\n",
		"HTTP/1.1 600 x\r\n\r\n",
		"HTTP/2 200 OK\r\n\r\n",
		"ICY 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
		"HTTP/1.1 200 OK\nX: a\n\n",
		"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
		"HTTP/1.1 200 O\001K\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (response_to(bad[i], false) != 502)
			fail_msg("accepted: %s", bad[i]);
}

static void speed_is_printed(void **state)
{
	static const char text[] =
		"GET /index.html?utm=1&session=abcdef HTTP/1.1\r\nHost: www.example.com\r\n"
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 "
		"Firefox/128.0\r\n"
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
		"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
		"Connection: keep-alive\r\nCookie: a=0123456789abcdef; b=0123456789abcdef\r\n"
		"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nCache-Control: "
		"no-cache\r\n\r\n";
	enum { ROUNDS = 200000 };
	struct timespec a, b;
	const char *why;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (int i = 0; i < ROUNDS; i++) {
		assert_true(http_head_end(text, sizeof(text) - 1, 0, 65536) > 0);
		assert_int_equal(http_request_parse(text, sizeof(text) - 1, &head, &why), 0);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	print_message("    %zu-byte head: %.0f ns\n", sizeof(text) - 1,
		      ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
			      ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(end_is_found_and_bounded),
		cmocka_unit_test(plain_request_is_understood),
		cmocka_unit_test(folded_lines_are_refused),
		cmocka_unit_test(bare_lf_and_cr_are_refused),
		cmocka_unit_test(host_is_exactly_one_and_valid),
		cmocka_unit_test(versions_are_10_and_11_only),
		cmocka_unit_test(request_line_has_three_parts),
		cmocka_unit_test(length_and_coding_exclude_each_other),
		cmocka_unit_test(repeated_length_is_refused),
		cmocka_unit_test(length_is_a_plain_number),
		cmocka_unit_test(coding_is_chunked_on_11_only),
		cmocka_unit_test(field_names_are_tokens_before_a_colon),
		cmocka_unit_test(control_bytes_are_refused),
		cmocka_unit_test(absolute_form_replaces_host),
		cmocka_unit_test(target_characters_are_checked),
		cmocka_unit_test(methods_not_known_are_501),
		cmocka_unit_test(field_count_is_limited),
		cmocka_unit_test(keep_alive_follows_version_and_field),
		cmocka_unit_test(upgrade_needs_both_fields),
		cmocka_unit_test(known_fields_are_recognised),
		cmocka_unit_test(connection_names_fields),
		cmocka_unit_test(expect_is_seen),
		cmocka_unit_test(responses_are_framed),
		cmocka_unit_test(bad_responses_are_502),
		cmocka_unit_test(speed_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

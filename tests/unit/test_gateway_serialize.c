// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "runtime/gateway/message/serialize.h"

static struct http_head head;
static char out[4096];

static void parse(const char *text)
{
	const char *why = "";

	if (http_request_parse(text, strlen(text), &head, &why))
		fail_msg("%s", why);
}

static const char *request(bool chunked)
{
	struct writer w = {out, out + sizeof(out) - 1, false};
	struct request_extras x = {
		.peer = {"10.0.0.7", 8},
		.request_id = {"0123", 4},
		.deadline_ms = 1700000000123,
		.chunked = chunked,
	};
	char *deadline_at;

	request_write(&w, &head, &x, &deadline_at);
	assert_false(w.overflow);
	*w.at = '\0';
	assert_memory_equal(deadline_at, "1700000000123", 13);
	return out;
}

static void hop_by_hop_fields_end_here(void **state)
{
	parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-One\r\nX-One: 1\r\nX-Two: "
	      "2\r\n"
	      "Keep-Alive: 3\r\nTE: trailers\r\nTrailer: x\r\nProxy-Connection: x\r\nUpgrade: "
	      "h2c\r\n"
	      "Expect: 100-continue\r\n\r\n");
	request(false);
	assert_non_null(strstr(out, "X-Two: 2\r\n"));
	assert_null(strcasestr(out, "x-one"));
	assert_null(strcasestr(out, "keep-alive"));
	assert_null(strcasestr(out, "trailer"));
	assert_null(strcasestr(out, "proxy-connection"));
	assert_null(strcasestr(out, "upgrade"));
	assert_null(strcasestr(out, "expect"));
}

static void upgrades_pass(void **state)
{
	parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	request(false);
	assert_non_null(strstr(out, "connection: upgrade\r\n"));
	assert_non_null(strstr(out, "Upgrade: websocket\r\n"));
}

static void what_only_ebb_may_say_is_said_by_ebb(void **state)
{
	parse("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n"
	      "X-Ebb-Deadline: 1\r\nX-Vercel-Internal-X: 1\r\nX-Real-Ip: 1.1.1.1\r\n\r\n");
	request(false);
	assert_null(strstr(out, "1.1.1.1"));
	assert_null(strstr(out, "Internal"));
	assert_null(strstr(out, "X-Ebb"));
	assert_non_null(strstr(out, "x-forwarded-for: 10.0.0.7\r\n"));
	assert_non_null(strstr(out, "x-ebb-deadline: 1700000000123\r\n"));
	assert_non_null(strstr(out, "x-request-id: 0123\r\n"));
}

static void the_target_is_origin_form(void **state)
{
	parse("GET http://b:8/p?q HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_ptr_equal(strstr(request(false), "GET /p?q HTTP/1.1\r\nhost: b:8\r\n"), out);
	parse("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_ptr_equal(strstr(request(false), "GET /?q HTTP/1.1\r\nhost: b\r\n"), out);
	parse("GET /? HTTP/1.1\r\nHost: a:1\r\n\r\n");
	assert_ptr_equal(strstr(request(false), "GET /? HTTP/1.1\r\nhost: a:1\r\n"), out);
	parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_ptr_equal(strstr(request(false), "OPTIONS * HTTP/1.1\r\n"), out);
}

static void framing_is_written_once(void **state)
{
	parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	request(true);
	assert_non_null(strstr(out, "transfer-encoding: chunked\r\n"));
	assert_null(strstr(out, "Transfer-Encoding"));
}

static void a_head_that_does_not_fit_is_noticed(void **state)
{
	struct writer w = {out, out + 100, false};
	struct request_extras x = {.peer = {"a", 1}, .request_id = {"b", 1}};
	char *deadline_at;

	parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	request_write(&w, &head, &x, &deadline_at);
	assert_true(w.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hop_by_hop_fields_end_here),
		cmocka_unit_test(upgrades_pass),
		cmocka_unit_test(what_only_ebb_may_say_is_said_by_ebb),
		cmocka_unit_test(the_target_is_origin_form),
		cmocka_unit_test(framing_is_written_once),
		cmocka_unit_test(a_head_that_does_not_fit_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

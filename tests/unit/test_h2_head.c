// SPDX-License-Identifier: Apache-2.0
/* The gate from HTTP/2 fields to the text of an HTTP/1.1 head. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/http/h2_head.h"

static char text[4096];
static struct h2_head head;

static int add(const char *name, const char *value)
{
	return h2_head_field(&head, (struct http_slice){name, strlen(name)},
			     (struct http_slice){value, strlen(value)});
}

static void begin(uint32_t room)
{
	h2_head_init(&head, text, room, sizeof(text));
	assert_int_equal(add(":method", "GET"), 0);
	assert_int_equal(add(":scheme", "http"), 0);
	assert_int_equal(add(":path", "/a?b"), 0);
	assert_int_equal(add(":authority", "host:80"), 0);
}

static void expect(bool ended, const char *lines)
{
	struct http_head parsed;
	const char *why;

	assert_int_equal(h2_head_end(&head, ended), 0);
	assert_int_equal(head.status, 0);
	assert_int_equal(head.size - head.begin, strlen(lines));
	assert_memory_equal(text + head.begin, lines, strlen(lines));
	assert_int_equal(
		http_request_parse(text + head.begin, head.size - head.begin, &parsed, &why), 0);
}

static void test_a_head(void **state)
{
	begin(sizeof(text));
	add("accept", "*/*");
	add("host", "HOST:80"); /* says the same */
	expect(true, "GET /a?b HTTP/1.1\r\nhost: host:80\r\naccept: */*\r\n\r\n");
}

static void test_a_body_to_come(void **state)
{
	begin(sizeof(text));
	expect(false, "GET /a?b HTTP/1.1\r\nhost: host:80\r\ntransfer-encoding: chunked\r\n\r\n");
	begin(sizeof(text));
	add("content-length", "5");
	expect(false, "GET /a?b HTTP/1.1\r\nhost: host:80\r\ncontent-length: 5\r\n\r\n");
}

static void test_cookies_are_joined(void **state)
{
	begin(sizeof(text));
	add("cookie", "a=1");
	add("x", "y");
	add("cookie", "b=2");
	add("cookie", "");
	expect(true, "GET /a?b HTTP/1.1\r\nhost: host:80\r\nx: y\r\ncookie: a=1; b=2; \r\n\r\n");
	begin(sizeof(text));
	add("cookie", "a=1");
	add("x", "y");
	expect(true, "GET /a?b HTTP/1.1\r\nhost: host:80\r\ncookie: a=1\r\nx: y\r\n\r\n");
}

/* In too small a room the head asks for a larger one, and its text is the same there. */
static void test_any_room(void **state)
{
	static const char *const fields[][2] = {
		{":method", "POST"}, {":scheme", "http"}, {":path", "/p"},  {":authority", "h"},
		{"cookie", "a=1"},   {"accept", "text"},  {"cookie", "b=2"}};
	static const char lines[] = "POST /p HTTP/1.1\r\nhost: h\r\naccept: text\r\n"
				    "cookie: a=1; b=2\r\ntransfer-encoding: chunked\r\n\r\n";
	static char small[512], large[4096];

	for (uint32_t room = 8; room < sizeof(small); room++) {
		bool moved = false;

		h2_head_init(&head, small, room, sizeof(large));
		for (size_t i = 0; i <= 7; i++) {
			struct http_slice n = {i < 7 ? fields[i][0] : "", 0};
			struct http_slice v = {i < 7 ? fields[i][1] : "", 0};
			int r;

			n.size = strlen(n.at);
			v.size = strlen(v.at);
			while ((r = i < 7 ? h2_head_field(&head, n, v)
					  : h2_head_end(&head, false)) == -ENOBUFS) {
				assert_false(moved);
				moved = true;
				memcpy(large, small, head.size);
				h2_head_move(&head, large, sizeof(large));
			}
			assert_int_equal(r, 0);
		}
		assert_int_equal(head.status, 0);
		assert_int_equal(head.size - head.begin, sizeof(lines) - 1);
		assert_memory_equal(head.text + head.begin, lines, sizeof(lines) - 1);
		assert_true(moved || head.size <= room);
	}
}

static void test_too_large(void **state)
{
	begin(sizeof(text));
	head.size_max = 100;
	for (int i = 0; i < 10; i++)
		assert_int_equal(add("name", "0123456789"), 0);
	assert_int_equal(h2_head_end(&head, true), 0);
	assert_int_equal(head.status, 431);
}

static void refused(const char *name, const char *value)
{
	begin(sizeof(text));
	add(name, value);
	h2_head_end(&head, true);
	if (head.status != 400)
		fail_msg("%s: %s was not refused", name, value);
}

static void test_refusals(void **state)
{
	static const char *const fields[][2] = {
		{"Upper", "x"},      {"", "x"},       {"a b", "x"},
		{"a:", "x"},         {"a\r\nb", "x"}, {"a", "x\r\ny: z"},
		{"a", "x\ny"},       {"a", "\x7f"},   {"connection", "x"},
		{"upgrade", "h2c"},  {"te", "gzip"},  {"transfer-encoding", "chunked"},
		{"keep-alive", "x"}, {"host", "b"},   {"proxy-connection", "x"},
		{":path", "/again"}, {":what", "x"},  {":", "x"},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		refused(fields[i][0], fields[i][1]);
}

static int pseudo(const char *method, const char *scheme, const char *path, const char *authority)
{
	h2_head_init(&head, text, sizeof(text), sizeof(text));
	if (method)
		add(":method", method);
	if (scheme)
		add(":scheme", scheme);
	if (path)
		add(":path", path);
	if (authority)
		add(":authority", authority);
	h2_head_end(&head, true);
	return head.status;
}

static void test_pseudo_fields(void **state)
{
	assert_int_equal(pseudo("GET", "https", "/", "a"), 0);
	assert_int_equal(pseudo("OPTIONS", "http", "*", "a"), 0);
	assert_int_equal(pseudo("GET", "http", "/", NULL), 0); /* Host: may come, the gate asks */
	assert_int_equal(pseudo(NULL, "http", "/", "a"), 400);
	assert_int_equal(pseudo("G T", "http", "/", "a"), 400);
	assert_int_equal(pseudo("GET", NULL, "/", "a"), 400);
	assert_int_equal(pseudo("GET", "ftp", "/", "a"), 400);
	assert_int_equal(pseudo("GET", "http", NULL, "a"), 400);
	assert_int_equal(pseudo("GET", "http", "", "a"), 400);
	assert_int_equal(pseudo("GET", "http", "a", "a"), 400);
	assert_int_equal(pseudo("GET", "http", "http://b/", "a"), 400);
	assert_int_equal(pseudo("GET", "http", "/ HTTP/1.1", "a"), 400);
	assert_int_equal(pseudo("GET", "http", "/", "a\r\nb: c"), 400);
	assert_int_equal(pseudo("CONNECT", "http", "/", "a"), 400);
	assert_int_equal(pseudo("CONNECT", NULL, NULL, "a:1"), 0);
}

static void test_trailers(void **state)
{
	static const char lines[] = "grpc-status: 0\r\nContent-Length: 5\r\nx-ebb-id: 1\r\n"
				    "set-cookie: a\r\nte: x\r\nGrpc-Message: a b\r\n\r\n";
	struct http_head out;
	const char *why;

	assert_int_equal(http_trailers_parse(lines, sizeof(lines) - 1, &out, &why), 0);
	assert_int_equal(out.header_count, 2);
	assert_true(http_slice_is(out.headers[1].name, "Grpc-Message"));
	assert_true(http_slice_is(out.headers[1].value, "a b"));
	assert_int_equal(http_trailers_parse("x\r\n\r\n", 5, &out, &why), 502);
	assert_int_equal(http_trailers_parse("x: \x01\r\n\r\n", 8, &out, &why), 502);
}

/* The decoder gives trailers away however the bytes are split. */
static void test_chunked_trailers(void **state)
{
	static const char body[] = "3\r\nabc\r\n0\r\na: b\r\nc: d\r\n\r\n";

	for (size_t step = 1; step < sizeof(body); step++) {
		struct http_chunked c;
		char data[64] = "", trailers[64] = "";
		size_t at = 0;
		int r = 0;

		http_chunked_init(&c);
		c.keep_trailers = true;
		while (at < sizeof(body) - 1) {
			size_t size = sizeof(body) - 1 - at < step ? sizeof(body) - 1 - at : step;
			size_t used;
			struct http_slice run;

			r = http_chunked_next(&c, body + at, size, &used, &run);
			assert_true(r >= 0 && run.size <= used);
			strncat(c.in_trailers ? trailers : data, run.at, run.size);
			at += used;
		}
		assert_int_equal(r, 1);
		assert_string_equal(data, "abc");
		assert_string_equal(trailers, "a: b\r\nc: d\r\n\r\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_head),
		cmocka_unit_test(test_a_body_to_come),
		cmocka_unit_test(test_cookies_are_joined),
		cmocka_unit_test(test_any_room),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_pseudo_fields),
		cmocka_unit_test(test_trailers),
		cmocka_unit_test(test_chunked_trailers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

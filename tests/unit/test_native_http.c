// SPDX-License-Identifier: Apache-2.0
/* Requests as the library of ebb.h takes them, byte by byte and in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "images/runtimes/native/loop.h"
#include "runtime/base/mem.h"

/* The library's other files are not linked: nothing here needs them. */

static struct ebb_request *fresh(void)
{
	struct ebb_request *rq = calloc(1, sizeof(*rq));

	assert_non_null(rq);
	rq->head = rq->head_bytes;
	rq->head_size = HEAD_BYTES;
	return rq;
}

static void drop(struct ebb_request *rq)
{
	if (rq->head != rq->head_bytes)
		free(rq->head);
	free(rq);
}

/* Feeds text in pieces of `piece` bytes. Returns the result of head_take() or head_parse(), or 1 if
 * the head never was whole. */
static int parse(struct ebb_request *rq, const char *text, size_t size, size_t piece)
{
	while (size > 0) {
		size_t n = size < piece ? size : piece;
		int r;

		rq->in_at = text;
		rq->in_left = n;
		r = head_take(rq);
		text += n;
		size -= n;
		if (r != 1)
			return r == 0 ? head_parse(rq) : r;
	}
	return 1;
}

#define H(line)   "GET / HTTP/1.1\r\n" line "\r\n\r\n"
#define POST(end) "POST / HTTP/1.1\r\n" end "\r\n\r\n"

static void heads_are_taken_or_refused_with_a_status(void **state)
{
	static const struct {
		const char *text;
		int status; /* 0: taken */
	} cases[] = {
		{H("Host: a"), 0},
		{H("Host:a\r\nx:   y  "), 0},
		{"GET /a?b=c HTTP/1.0\r\n\r\n", 0},
		{POST("Content-Length: 0"), 0},
		{POST("Content-Length: 999999999999999999"), 0},
		{POST("Transfer-Encoding: chunked"), 0},
		{POST("transfer-encoding: CHUNKED"), 0},
		{"GET / HTTP/1.1\r\n\r\n", 0},
		{"GET / HTTP/2.0\r\n\r\n", -505},
		{"GET / http/1.1\r\n\r\n", -400},
		{"GET  / HTTP/1.1\r\n\r\n", -400},
		{"GET /\tx HTTP/1.1\r\n\r\n", -400},
		{"GET /\x01 HTTP/1.1\r\n\r\n", -400},
		{"GET / HTTP/1.1 \r\n\r\n", -505},
		{"G@T / HTTP/1.1\r\n\r\n", -400},
		{" GET / HTTP/1.1\r\n\r\n", -400},
		{"GET /\r\n\r\n", -400},
		{"\r\n\r\n", -400},
		{H("Host : a"), -400},
		{H(": a"), -400},
		{H("Host"), -400},
		{H("Host: a\r\n folded"), -400},
		{H("Host: a\nx: y"), -400},
		{H("Host: a\rx: y"), -400},
		{H("Host: a\x7f"), -400},
		{H("Host: a\x02"), -400},
		{POST("Content-Length: 1\r\nContent-Length: 1"), -400},
		{POST("Content-Length: 1, 1"), -400},
		{POST("Content-Length: +1"), -400},
		{POST("Content-Length: 0x1"), -400},
		{POST("Content-Length:"), -400},
		{POST("Content-Length: 9999999999999999999"), -400},
		{POST("Content-Length: 1\r\nTransfer-Encoding: chunked"), -400},
		{POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), -400},
		{POST("Transfer-Encoding: gzip, chunked"), -501},
		{POST("Transfer-Encoding: identity"), -501},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t piece = 1; piece < 48; piece++) {
			struct ebb_request *rq = fresh();
			int r = parse(rq, cases[i].text, strlen(cases[i].text), piece);

			if (r != cases[i].status)
				fail_msg("%d, not %d, in pieces of %zu: %s", r, cases[i].status,
					 piece, cases[i].text);
			drop(rq);
		}
	}
}

static void a_head_is_cut_where_it_ends(void **state)
{
	static const char text[] =
		"PUT /p/a?q=1&r HTTP/1.1\r\nX-Ebb-Id: "
		"0123456789abcdef0123456789abcdef\r\nx-ebb-deadline: 1700000000000\r\n"
		"Connection: keep-alive, Close\r\nContent-Length: 4\r\n\r\nbody";
	struct ebb_request *rq = fresh();

	assert_int_equal(parse(rq, text, sizeof(text) - 1, sizeof(text)), 0);
	assert_string_equal(rq->method, "PUT");
	assert_string_equal(rq->path, "/p/a");
	assert_string_equal(rq->query, "q=1&r");
	assert_string_equal(rq->id, "0123456789abcdef0123456789abcdef");
	assert_int_equal(rq->deadline_ms, 1700000000000);
	assert_true(rq->close_after);
	assert_int_equal(rq->body_left, 4);
	assert_int_equal(rq->in_left, 4);
	assert_memory_equal(rq->in_at, "body", 4);
	drop(rq);
}

static void a_head_may_be_as_long_as_the_gateways_and_no_longer(void **state)
{
	for (size_t size = 1000; size <= 80000; size += 7900) {
		struct ebb_request *rq = fresh();
		static const char start[] = "GET / HTTP/1.1\r\nx: ";
		const size_t n = sizeof(start) - 1;
		char *text = malloc(size + 64);

		assert_non_null(text);
		memcpy(text, start, n);
		memset(text + n, 'y', size);
		memcpy(text + n + size, "\r\n\r\n", 4);
		assert_int_equal(parse(rq, text, n + size + 4, 8192),
				 n + size + 4 < HEAD_BYTES_MAX ? 0 : -431);
		free(text);
		drop(rq);
	}
}

static void a_nul_in_a_head_is_refused(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nx: a\0b\r\n\r\n";
	struct ebb_request *rq = fresh();

	assert_int_equal(parse(rq, text, sizeof(text) - 1, 100), -400);
	drop(rq);
}

/* The body out of these bytes in pieces of this size; false if it was refused. */
static bool unchunk(const char *text, size_t piece, char *out, bool *out_done)
{
	struct ebb_request *rq = fresh();
	size_t left = strlen(text);
	bool good = true;

	rq->frame = FRAME_SIZE;
	while (good && left > 0 && rq->frame != FRAME_DONE) {
		const char *data;
		size_t size;
		int r;

		rq->in_at = text;
		rq->in_left = left < piece ? left : piece;
		text += rq->in_left;
		left -= rq->in_left;
		while ((r = body_take(rq, &data, &size)) > 0) {
			memcpy(out, data, size);
			out += size;
		}
		good = r == 0;
	}
	*out = '\0';
	*out_done = rq->frame == FRAME_DONE;
	drop(rq);
	return good;
}

static void chunks_are_put_together_or_refused(void **state)
{
	static const struct {
		const char *text, *body; /* NULL: refused */
		bool done;
	} cases[] = {
		{"0\r\n\r\n", "", true},
		{"3\r\nabc\r\n0\r\n\r\n", "abc", true},
		{"3;x=\"y\"\r\nabc\r\nA\r\n0123456789\r\n000\r\nTrailer: z\r\nmore: z\r\n\r\n",
		 "abc0123456789", true},
		{"3\r\nabc\r\n", "abc", false},
		{"3\r\nabcd\r\n", NULL, false},
		{"3\nabc\r\n", NULL, false},
		{"3\r\nabc\n0\r\n\r\n", NULL, false},
		{"\r\nabc", NULL, false},
		{"g\r\n", NULL, false},
		{"-1\r\n", NULL, false},
		{"3 \r\nabc\r\n", NULL, false},
		{"1000000000000000\r\n", NULL, false},
		{"0\r\na\nb\r\n\r\n", NULL, false},
		{"0\r\n\rx", NULL, false},
		{"3;\nabc\r\n", NULL, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t piece = 1; piece < 16; piece++) {
			char body[64];
			bool done, good = unchunk(cases[i].text, piece, body, &done);

			if (good != !!cases[i].body)
				fail_msg("pieces of %zu: %s", piece, cases[i].text);
			if (!good)
				continue;
			assert_string_equal(body, cases[i].body);
			assert_int_equal(done, cases[i].done);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_taken_or_refused_with_a_status),
		cmocka_unit_test(a_head_is_cut_where_it_ends),
		cmocka_unit_test(a_head_may_be_as_long_as_the_gateways_and_no_longer),
		cmocka_unit_test(a_nul_in_a_head_is_refused),
		cmocka_unit_test(chunks_are_put_together_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

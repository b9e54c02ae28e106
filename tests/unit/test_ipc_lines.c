// SPDX-License-Identifier: Apache-2.0
/* Log lines with a request's tag, into a pipe that others write to. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/ipc/lines.h"

#define TAG    \
	"\x1e" \
	"00000000000000010000000000000002 "

static const struct request_id id = {1, 2};

static size_t written(const char *text, const struct request_id *of, char *out, size_t size)
{
	int fds[2];
	ssize_t n;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(lines_write(fds[1], of, text, strlen(text)), 0);
	n = read(fds[0], out, size - 1);
	assert_true(n > 0);
	out[n] = '\0';
	close(fds[0]);
	close(fds[1]);
	return (size_t)n;
}

static void each_line_gets_the_tag(void **state)
{
	char out[256];

	written("one\ntwo\n\nfour", &id, out, sizeof(out));
	assert_string_equal(out, TAG "one\n" TAG "two\n" TAG "\n" TAG "four\n");
	written("plain", NULL, out, sizeof(out));
	assert_string_equal(out, "plain\n");
}

static void a_long_line_is_cut_between_characters(void **state)
{
	static char text[3 * PIPE_BUF + 1], out[4 * PIPE_BUF];
	size_t n, at = 0, dots = 0;

	for (size_t i = 0; i + 3 <= 3 * PIPE_BUF; i += 3)
		memcpy(text + i, "\xe2\x80\xa6", 3);
	n = written(text, &id, out, sizeof(out));
	while (at < n) {
		const char *end = memchr(out + at, '\n', n - at);

		assert_non_null(end);
		assert_true((size_t)(end - out) - at < PIPE_BUF);
		assert_memory_equal(out + at, TAG, sizeof(TAG) - 1);
		assert_int_equal(((size_t)(end - out) - at - (sizeof(TAG) - 1)) % 3, 0);
		dots += ((size_t)(end - out) - at - (sizeof(TAG) - 1)) / 3;
		at = (size_t)(end - out) + 1;
	}
	assert_int_equal(dots, strlen(text) / 3);
}

static void a_full_pipe_loses_lines_and_says_how_many(void **state)
{
	int fds[2];
	char byte = 'x';

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	while (write(fds[1], &byte, 1) == 1)
		;
	assert_int_equal(lines_write(fds[1], &id, "a\nb\nc", 5), 3);
	close(fds[0]);
	close(fds[1]);
}

static int decode(const char *text, char *out, size_t *size)
{
	int r = base64_decode(text, out, size);

	if (r == 0)
		out[*size] = '\0';
	return r;
}

static void base64_is_decoded_or_refused(void **state)
{
	char out[64];
	size_t size;

	assert_int_equal(decode("aGVsbG8=", out, &size), 0);
	assert_string_equal(out, "hello");
	assert_int_equal(decode("aGVs\nbG8hIQ==", out, &size), 0);
	assert_string_equal(out, "hello!!");
	assert_int_equal(decode("aGVsbG8", out, &size), 0);
	assert_string_equal(out, "hello");
	assert_int_equal(decode("", out, &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(decode("aGVsb*8=", out, &size), -EINVAL);
	assert_int_equal(decode("a", out, &size), -EINVAL);
	assert_int_equal(decode("aGVsbG8=aGVs", out, &size), -EINVAL);
	assert_int_equal(decode("a===", out, &size), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_gets_the_tag),
		cmocka_unit_test(a_long_line_is_cut_between_characters),
		cmocka_unit_test(a_full_pipe_loses_lines_and_says_how_many),
		cmocka_unit_test(base64_is_decoded_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

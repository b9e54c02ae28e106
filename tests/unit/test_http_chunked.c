// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "runtime/http/head.h"

/* Feeds text in pieces of step bytes. Returns 1 at the end of the body, 0 if there is more to come,
 * or -EBADMSG; the decoded bytes go to body, and *eaten is how many bytes of text were used. */
static int decode(const char *text, size_t step, char *body, size_t *eaten)
{
	struct http_chunked c;
	size_t size = strlen(text), at = 0, out = 0;

	http_chunked_init(&c);
	while (at < size) {
		size_t piece = size - at < step ? size - at : step, done = 0;

		while (done < piece) {
			struct http_slice data;
			size_t used = 0;
			int n = http_chunked_next(&c, text + at + done, piece - done, &used, &data);

			if (n < 0)
				return n;
			memcpy(body + out, data.at, data.size);
			out += data.size;
			body[out] = '\0';
			done += used;
			*eaten = at + done;
			if (n == 1)
				return 1;
			assert_true(used > 0);
		}
		at += piece;
	}
	return 0;
}

static int decode_all_ways(const char *text, const char *want, size_t want_eaten)
{
	char body[256] = "";
	size_t eaten = 0;
	int first = decode(text, 1000, body, &eaten);

	for (size_t step = 1; step < 20; step++) {
		char again[256] = "";
		size_t again_eaten = 0;

		assert_int_equal(decode(text, step, again, &again_eaten), first);
		if (first == 1)
			assert_int_equal(again_eaten, want_eaten);
		if (first >= 0)
			assert_string_equal(again, want);
	}
	return first;
}

static void bodies_come_out_whole_however_they_are_cut(void **state)
{
	assert_int_equal(decode_all_ways("4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n", "Wikipedia", 24),
			 1);
	assert_int_equal(decode_all_ways("0\r\n\r\nGET", "", 5), 1);
	assert_int_equal(
		decode_all_ways("00a;x=\"y\"\r\n0123456789\r\n0\r\nT: v\r\n\r\n", "0123456789", 34),
		1);
	assert_int_equal(decode_all_ways("4\r\nWiki\r\n", "Wiki", 0), 0);
}

static void wrong_framing_is_refused(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"5zz\r\nhello\r\n0\r\n\r\n",
		"5 \r\nhello\r\n0\r\n\r\n",
		" 5\r\nhello\r\n0\r\n\r\n",
		"-5\r\nhello\r\n",
		"0x5\r\nhello\r\n",
		"5\nhello\r\n0\r\n\r\n",
		"5\rhello\r\n",
		"5\r\nhello0\r\n\r\n",
		"5\r\nhello\n0\r\n\r\n",
		"5\r\nhelloo\r\n0\r\n\r\n",
		"fffffffffffffffff\r\n",
		"5;a\nb\r\nhello\r\n",
		"5;a\001\r\nhello\r\n",
		"0\r\nT: v\n\r\n",
		"0\r\n folded\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (decode_all_ways(bad[i], "", 0) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
}

static void extensions_are_bounded(void **state)
{
	char text[3000] = "5;", body[16];
	size_t eaten;

	memset(text + 2, 'x', 2000);
	strcpy(text + 2002, "\r\nhello\r\n0\r\n\r\n");
	assert_int_equal(decode(text, 100, body, &eaten), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_come_out_whole_however_they_are_cut),
		cmocka_unit_test(wrong_framing_is_refused),
		cmocka_unit_test(extensions_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

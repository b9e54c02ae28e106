// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "runtime/http/proxy_protocol.h"

static struct proxy_protocol got;

static long parse(const void *data, size_t size)
{
	memset(&got, 0xee, sizeof(got));
	return proxy_protocol_parse(data, size, &got);
}

static long line(const char *text)
{
	return parse(text, strlen(text));
}

static const unsigned char start[12] = "\r\n\r\n\0\r\nQUIT\n";
static unsigned char v2[4096];

/* A header of version 2 whose length is size; body holds given bytes of it. */
static long binary(unsigned char command, unsigned char kind, const void *body, size_t given,
		   size_t size)
{
	memcpy(v2, start, sizeof(start));
	v2[12] = command;
	v2[13] = kind;
	v2[14] = (unsigned char)(size >> 8);
	v2[15] = (unsigned char)size;
	memcpy(v2 + 16, body, given);
	return parse(v2, 16 + given);
}

static void version_1_names_the_source(void **state)
{
	assert_int_equal(line("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET"), 45);
	assert_int_equal(got.family, PROXY_IPV4);
	assert_memory_equal(got.source, "\xc0\x00\x02\x01", 4);
	assert_int_equal(got.source_port, 56324);
	assert_int_equal(line("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), 36);
	assert_int_equal(got.family, PROXY_IPV6);
	assert_int_equal(got.source[15], 1);
	assert_int_equal(line("PROXY UNKNOWN\r\n"), 15);
	assert_int_equal(got.family, PROXY_NO_ADDRESS);
	assert_int_equal(line("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), 43);
	assert_int_equal(got.family, PROXY_NO_ADDRESS);
}

static void malformed_version_1_is_refused(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\n",
		"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.256 1 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n",
		"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY UNKNOWNX\r\n",
		"PROXY UNKNOWN a\rb\r\n",
		"PROXY \r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (line(bad[i]) != -EPROTO)
			fail_msg("%s", bad[i]);
}

static void version_1_is_at_most_107_bytes(void **state)
{
	char text[200];

	memset(text, 'x', sizeof(text));
	memcpy(text, "PROXY UNKNOWN ", 14);
	memcpy(text + 105, "\r\n", 2);
	assert_int_equal(parse(text, 200), 107);
	text[105] = 'x';
	memcpy(text + 106, "\r\n", 2);
	assert_int_equal(parse(text, 200), -EPROTO);
	assert_int_equal(parse(text, 106), 0);
}

static void version_2_names_the_source(void **state)
{
	assert_int_equal(
		binary(0x21, 0x11, "\x0a\x00\x00\x01\x0a\x00\x00\x02\xdc\x04\x01\xbb", 12, 12), 28);
	assert_int_equal(got.family, PROXY_IPV4);
	assert_memory_equal(got.source, "\x0a\x00\x00\x01", 4);
	assert_int_equal(got.source_port, 0xdc04);
	assert_int_equal(
		binary(0x21, 0x21, "0123456789abcdef0123456789abcdef\x00\x50\x01\xbb", 36, 36), 52);
	assert_int_equal(got.family, PROXY_IPV6);
	assert_memory_equal(got.source, "0123456789abcdef", 16);
	assert_int_equal(got.source_port, 80);
}

static void local_and_unspec_speak_for_the_peer(void **state)
{
	assert_int_equal(binary(0x20, 0x00, "", 0, 0), 16);
	assert_int_equal(got.family, PROXY_NO_ADDRESS);
	assert_int_equal(binary(0x20, 0x11, "0123456789ab", 12, 12), 28);
	assert_int_equal(got.family, PROXY_NO_ADDRESS);
	assert_int_equal(binary(0x21, 0x00, "", 0, 0), 16);
	assert_int_equal(got.family, PROXY_NO_ADDRESS);
}

static void udp_unix_and_unknown_kinds_are_refused(void **state)
{
	static const unsigned char kinds[] = {0x12, 0x22, 0x31, 0x32, 0x10, 0x13, 0x41, 0xff};

	for (size_t i = 0; i < sizeof(kinds); i++)
		assert_int_equal(binary(0x21, kinds[i], v2 + 1000, 300, 300), -EPROTO);
	assert_int_equal(binary(0x22, 0x11, v2 + 1000, 12, 12), -EPROTO);
	assert_int_equal(binary(0x11, 0x11, v2 + 1000, 12, 12), -EPROTO);
	assert_int_equal(binary(0x31, 0x11, v2 + 1000, 12, 12), -EPROTO);
}

static void addresses_that_do_not_fit_are_refused(void **state)
{
	assert_int_equal(binary(0x21, 0x11, "0123456789a", 11, 11), -EPROTO);
	assert_int_equal(binary(0x21, 0x21, "0123456789ab", 12, 12), -EPROTO);
}

static void tlvs_are_read_over_within_their_bounds(void **state)
{
	assert_int_equal(binary(0x21, 0x11, "0123456789ab\x04\x00\x02xy\x20\x00\x00", 20, 20), 36);
	assert_int_equal(binary(0x21, 0x11, "0123456789ab\x04\x00\x03xy", 17, 17), -EPROTO);
	assert_int_equal(binary(0x21, 0x11, "0123456789ab\x04\x00", 14, 14), -EPROTO);
	assert_int_equal(binary(0x21, 0x11,
				"0123456789ab\x04\xff\xff"
				"0",
				16, 16),
			 -EPROTO);
}

static void the_length_is_bounded(void **state)
{
	assert_int_equal(binary(0x20, 0x00, v2 + 16, 2032, 2032), 2048);
	assert_int_equal(binary(0x20, 0x00, v2 + 16, 2033, 2033), -EPROTO);
	assert_int_equal(binary(0x20, 0x00, v2 + 16, 4, 0xffff), -EPROTO);
}

static void every_prefix_waits_and_none_is_read_beyond(void **state)
{
	static const char text[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		assert_int_equal(parse(text, n), 0);
	binary(0x21, 0x11, "0123456789ab", 12, 12);
	for (size_t n = 0; n < 28; n++)
		assert_int_equal(parse(v2, n), 0);
	assert_int_equal(got.family, (enum proxy_family)0xeeeeeeee); /* not touched */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_names_the_source),
		cmocka_unit_test(malformed_version_1_is_refused),
		cmocka_unit_test(version_1_is_at_most_107_bytes),
		cmocka_unit_test(version_2_names_the_source),
		cmocka_unit_test(local_and_unspec_speak_for_the_peer),
		cmocka_unit_test(udp_unix_and_unknown_kinds_are_refused),
		cmocka_unit_test(addresses_that_do_not_fit_are_refused),
		cmocka_unit_test(tlvs_are_read_over_within_their_bounds),
		cmocka_unit_test(the_length_is_bounded),
		cmocka_unit_test(every_prefix_waits_and_none_is_read_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "runtime/http/websocket.h"

#define MASK_KEY 1, 2, 3, 4

static struct ws_reader reader;

/* Reads in pieces of step bytes. Returns its findings as letters, valid until the next call: the
 * opcode in hex where a frame begins, '.' where it ends, '!' for a violation. */
static const char *steps(const uint8_t *in, size_t size, size_t step, bool masked, bool extensions)
{
	static char seen[256];
	char *out = seen;

	ws_reader_init(&reader, masked, extensions);
	for (size_t at = 0; at < size; at += step) {
		size_t piece = size - at < step ? size - at : step, done = 0, used;
		enum ws_step s;

		while ((s = ws_next(&reader, in + at + done, piece - done, &used)) != WS_MORE) {
			done += used;
			*out++ = s == WS_HEAD  ? "0123456789abcdef"[reader.opcode]
				 : s == WS_END ? '.'
					       : '!';
			*out = '\0';
			if (s == WS_BAD)
				return seen;
		}
		assert_int_equal(done + used, piece);
	}
	*out = '\0';
	return seen;
}

#define SEE(expected, masked, ...)                                                         \
	do {                                                                               \
		const uint8_t in_[] = {__VA_ARGS__};                                       \
		for (size_t step_ = 1; step_ <= sizeof(in_); step_++)                      \
			assert_string_equal(steps(in_, sizeof(in_), step_, masked, false), \
					    expected);                                     \
	} while (0)

/* RFC 6455 section 5.7. */
static void examples_of_the_rfc(void **state)
{
	SEE("1.", false, 0x81, 5, 'H', 'e', 'l', 'l', 'o');
	SEE("1.", true, 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58);
	SEE("1.0.", false, 0x01, 3, 'H', 'e', 'l', 0x80, 2, 'l', 'o');
	SEE("9.a.", false, 0x89, 5, 'H', 'e', 'l', 'l', 'o', 0x8a, 5, 'H', 'e', 'l', 'l', 'o');
}

static void control_frames_may_stand_between_fragments(void **state)
{
	SEE("1.9.0.a.0.", true, 0x01, 0x81, MASK_KEY, 'a', 0x89, 0x80, MASK_KEY, 0, 0x80, MASK_KEY,
	    0x8a, 0x80, MASK_KEY, 0x80, 0x81, MASK_KEY, 'b');
}

static void between_messages_is_more_than_between_frames(void **state)
{
	const uint8_t in[] = {0x01, 1, 'a', 0x80, 1, 'b'};

	steps(in, 2, 1, false, false);
	assert_false(ws_between_frames(&reader));
	steps(in, 3, 1, false, false);
	assert_true(ws_between_frames(&reader) && !ws_between_messages(&reader));
	steps(in, 6, 1, false, false);
	assert_true(ws_between_messages(&reader));
	steps(in, 5, 1, false, false);
	assert_false(ws_between_messages(&reader));
}

static void violations(void **state)
{
	SEE("!", true, 0x81, 5);                                  /* a client must mask */
	SEE("!", false, 0x81, 0x85);                              /* a server must not */
	SEE("!", false, 0x83, 0);                                 /* unknown opcodes */
	SEE("!", false, 0x87, 0);                                 /* 3-7 */
	SEE("!", false, 0x8b, 0);                                 /* and 11-15 */
	SEE("!", false, 0xc1, 0);                                 /* a reserved bit, no extension */
	SEE("!", false, 0x09, 0);                                 /* a control frame in pieces */
	SEE("!", false, 0x89, 126, 0, 126);                       /* a control frame of 126 bytes */
	SEE("!", false, 0x80, 0);                                 /* a continuation of nothing */
	SEE("1.!", false, 0x01, 0, 0x81, 0);                      /* a message within a message */
	SEE("!", false, 0x82, 126, 0, 125);                       /* 125 takes one byte */
	SEE("!", false, 0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff); /* 65535 takes two */
	SEE("!", false, 0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0);    /* bit 63 */
}

static void extensions_may_use_reserved_bits_of_data_frames(void **state)
{
	const uint8_t data[] = {0xc1, 0}, control[] = {0xc9, 0};

	assert_string_equal(steps(data, 2, 1, false, true), "1.");
	assert_string_equal(steps(control, 2, 1, false, true), "!");
}

static void long_frames_count_their_bytes(void **state)
{
	static uint8_t in[4 + 65535], wide[10 + 65536];

	in[0] = 0x82;
	in[1] = 126;
	in[2] = in[3] = 0xff;
	assert_string_equal(steps(in, sizeof(in), 1000, false, false), "2.");
	assert_string_equal(steps(in, sizeof(in) - 1, 1000, false, false), "2");
	wide[0] = 0x82;
	wide[1] = 127;
	wide[7] = 1;
	assert_string_equal(steps(wide, sizeof(wide), 4096, false, false), "2.");
	assert_true(ws_between_messages(&reader));
}

static void largest_length_does_not_overflow(void **state)
{
	const uint8_t in[] = {0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3};

	assert_string_equal(steps(in, sizeof(in), 1, false, false), "2");
	assert_true(reader.left == UINT64_C(0x7fffffffffffffff) - 3);
}

static void broken_stays_broken(void **state)
{
	const uint8_t bad[] = {0x83}, good[] = {0x81, 0};
	size_t used;

	ws_reader_init(&reader, false, false);
	assert_int_equal(ws_next(&reader, bad, 1, &used), WS_BAD);
	assert_int_equal(ws_next(&reader, good, 2, &used), WS_BAD);
	assert_false(ws_between_frames(&reader));
}

static void a_pong_has_the_payload_of_its_ping(void **state)
{
	const uint8_t in[] = {0x89, 0x83, MASK_KEY, 'a' ^ 1, 'b' ^ 2, 'c' ^ 3, 0x81};
	struct ws_frame frame;
	char pong[WS_CONTROL_MAX + 2];

	ws_reader_init(&reader, true, false);
	for (size_t size = 0; size < 9; size++)
		assert_int_equal(ws_peek_control(&reader, in, size, &frame), 0);
	assert_int_equal(ws_peek_control(&reader, in, sizeof(in), &frame), 1);
	assert_int_equal(frame.opcode, WS_PING);
	assert_int_equal(frame.head_bytes + frame.payload_bytes, 9);
	assert_int_equal(ws_write_pong(pong, &frame, (const char *)in + frame.head_bytes), 5);
	assert_memory_equal(pong, "\x8a\3abc", 5);
	assert_true(ws_between_messages(&reader)); /* it only looked */
}

static void only_whole_control_frames_are_peeked(void **state)
{
	const uint8_t text[] = {0x81, 0x80, MASK_KEY}, long_ping[] = {0x89, 0xfe, 0, 126};
	struct ws_frame frame;

	ws_reader_init(&reader, true, false);
	assert_int_equal(ws_peek_control(&reader, text, 1, &frame), -1);
	assert_int_equal(ws_peek_control(&reader, long_ping, 2, &frame), -1);
}

static void close_frames_are_valid(void **state)
{
	char out[WS_CLOSE_MASKED_SIZE];
	size_t size = ws_write_close(out, WS_PROTOCOL_ERROR, false);

	assert_memory_equal(out, "\x88\2\x03\xea", WS_CLOSE_SIZE);
	assert_string_equal(steps((uint8_t *)out, size, 1, false, false), "8.");
	size = ws_write_close(out, WS_GOING_AWAY, true);
	assert_int_equal(size, WS_CLOSE_MASKED_SIZE);
	assert_string_equal(steps((uint8_t *)out, size, 1, true, false), "8.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_rfc),
		cmocka_unit_test(control_frames_may_stand_between_fragments),
		cmocka_unit_test(between_messages_is_more_than_between_frames),
		cmocka_unit_test(violations),
		cmocka_unit_test(extensions_may_use_reserved_bits_of_data_frames),
		cmocka_unit_test(long_frames_count_their_bytes),
		cmocka_unit_test(largest_length_does_not_overflow),
		cmocka_unit_test(broken_stays_broken),
		cmocka_unit_test(a_pong_has_the_payload_of_its_ping),
		cmocka_unit_test(only_whole_control_frames_are_peeked),
		cmocka_unit_test(close_frames_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

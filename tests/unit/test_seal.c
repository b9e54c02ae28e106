// SPDX-License-Identifier: Apache-2.0
/* Claims about sealed texts: they open with their key, their nonce and their words, unchanged, and
 * in no other way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "runtime/base/seal.h"

static const uint8_t key[SEAL_KEY_BYTES] = {1, 2, 3}, other_key[SEAL_KEY_BYTES] = {1, 2, 4};
static const uint8_t nonce[SEAL_NONCE_BYTES] = {7};
static const char plain[] = "postgres://u:p@host/db";
static const struct seal right = {key, nonce, "about", 5};

static void close_it(uint8_t *sealed)
{
	assert_int_equal(seal_close(&right, plain, sizeof(plain), sealed), 0);
}

static void what_was_sealed_opens(void **state)
{
	uint8_t sealed[sizeof(plain) + SEAL_TAG_BYTES];
	char opened[sizeof(plain)];

	close_it(sealed);
	assert_memory_not_equal(sealed, plain, 8);
	assert_int_equal(seal_open(&right, sealed, sizeof(sealed), opened), 0);
	assert_string_equal(opened, plain);
	assert_int_equal(seal_try(), 0);
}

/* The vector of NIST's GCM specification (test case 13): no text, no words, zeros. */
static void it_is_aes_256_gcm(void **state)
{
	static const uint8_t zeros[SEAL_KEY_BYTES];
	static const uint8_t tag[] = {0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9,
				      0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb, 0x73, 0x8b};
	const struct seal s = {zeros, zeros, "", 0};
	uint8_t sealed[SEAL_TAG_BYTES];

	assert_int_equal(seal_close(&s, "", 0, sealed), 0);
	assert_memory_equal(sealed, tag, sizeof(tag));
}

static void nothing_else_opens_it(void **state)
{
	static const uint8_t other_nonce[SEAL_NONCE_BYTES] = {8};
	const struct seal wrong[] = {
		{other_key, nonce, "about", 5},
		{key, other_nonce, "about", 5},
		{key, nonce, "About", 5},
		{key, nonce, "about", 4},
	};
	uint8_t sealed[sizeof(plain) + SEAL_TAG_BYTES];
	char opened[sizeof(plain)], zeros[sizeof(plain)] = "";

	close_it(sealed);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(seal_open(&wrong[i], sealed, sizeof(sealed), opened), -EBADMSG);
		assert_memory_equal(opened, zeros, sizeof(opened));
	}
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 0x80;
		assert_int_equal(seal_open(&right, sealed, sizeof(sealed), opened), -EBADMSG);
		sealed[i] ^= 0x80;
	}
	for (size_t size = 0; size < sizeof(sealed); size++)
		assert_int_equal(seal_open(&right, sealed, size, opened), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sealed_opens),
		cmocka_unit_test(it_is_aes_256_gcm),
		cmocka_unit_test(nothing_else_opens_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <arpa/inet.h>

#include "runtime/base/ip.h"

struct row {
	const char *text, *written;
	bool v4, loopback, none;
};

/* Each at an odd byte, as records may have it. */
static void they_are_what_they_are_wherever_they_stand(void **state)
{
	static const struct row rows[] = {
		{"::ffff:10.0.0.5", "10.0.0.5", true, false, false},
		{"::ffff:127.0.0.1", "127.0.0.1", true, true, false},
		{"::ffff:127.255.0.9", "127.255.0.9", true, true, false},
		{"::ffff:128.0.0.1", "128.0.0.1", true, false, false},
		{"::ffff:0.0.0.0", "0.0.0.0", true, false, true},
		{"::1", "::1", false, true, false},
		{"::", "::", false, false, true},
		{"::2", "::2", false, false, false},
		{"2001:db8::1", "2001:db8::1", false, false, false},
		{"::fffe:10.0.0.5", "::fffe:a00:5", false, false, false},
		{"1::ffff:10.0.0.5", "1::ffff:a00:5", false, false, false},
	};
	char bytes[17], text[IP_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		uint8_t *address = (uint8_t *)bytes + 1;

		assert_int_equal(inet_pton(AF_INET6, r->text, address), 1);
		assert_int_equal(ip_is_v4(address), r->v4);
		assert_int_equal(ip_is_loopback(address), r->loopback);
		assert_int_equal(ip_is_none(address), r->none);
		assert_int_equal(ip_format(address, text), r->v4);
		assert_string_equal(text, r->written);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_what_they_are_wherever_they_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

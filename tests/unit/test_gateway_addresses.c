// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/gateway/client/addresses.h"

static struct address address(const char *text)
{
	struct address a = {.bytes = {[10] = 0xff, [11] = 0xff}};

	if (strchr(text, ':'))
		assert_int_equal(inet_pton(AF_INET6, text, a.bytes), 1);
	else
		assert_int_equal(inet_pton(AF_INET, text, a.bytes + 12), 1);
	return a;
}

static uint32_t add(struct addresses *table, const char *text)
{
	struct address a = address(text);

	return addresses_add(table, &a);
}

static void drop(struct addresses *table, const char *text)
{
	struct address a = address(text);

	addresses_drop(table, &a);
}

static void connections_are_counted_by_address(void **state)
{
	struct addresses t;

	assert_int_equal(addresses_init(&t, 100, 1), 0);
	assert_int_equal(add(&t, "10.0.0.1"), 1);
	assert_int_equal(add(&t, "10.0.0.1"), 2);
	assert_int_equal(add(&t, "10.0.0.2"), 1);
	drop(&t, "10.0.0.1");
	assert_int_equal(add(&t, "10.0.0.1"), 2);
	addresses_fini(&t);
}

static void an_ipv6_client_is_its_64(void **state)
{
	struct addresses t;

	assert_int_equal(addresses_init(&t, 100, 1), 0);
	assert_int_equal(add(&t, "2001:db8::1"), 1);
	assert_int_equal(add(&t, "2001:db8::2:1"), 2);
	assert_int_equal(add(&t, "2001:db8:0:1::1"), 1);
	addresses_fini(&t);
}

/* Against a plain array, with as many addresses as there may be. */
static void a_full_table_stays_right(void **state)
{
	enum { COUNT = 64 };
	uint32_t count[COUNT] = {0}, in_all = 0;
	struct addresses t;

	assert_int_equal(addresses_init(&t, COUNT, 12345), 0);
	srand(1);
	for (int i = 0; i < 200000; i++) {
		uint32_t n = (uint32_t)rand() % COUNT;
		struct address a = address("10.0.0.0");

		a.bytes[15] = (unsigned char)n;
		if (rand() % 2 && count[n] > 0) {
			addresses_drop(&t, &a);
			count[n]--;
			in_all--;
		} else if (in_all < COUNT) {
			in_all++;
			assert_int_equal(addresses_add(&t, &a), ++count[n]);
		}
	}
	addresses_fini(&t);
}

static void networks_are_prefixes(void **state)
{
	static const struct {
		const char *net;
		uint32_t bits;
		const char *address;
		bool has;
	} cases[] = {
		{"10.0.0.0", 104, "10.9.8.7", true},
		{"10.0.0.0", 104, "11.0.0.0", false},
		{"192.0.2.64", 122, "192.0.2.127", true},
		{"192.0.2.64", 122, "192.0.2.128", false},
		{"192.0.2.1", 128, "192.0.2.1", true},
		{"192.0.2.1", 128, "192.0.2.0", false},
		{"2001:db8::", 32, "2001:db8:1::1", true},
		{"2001:db8::", 33, "2001:db8:8000::", false},
		{"::", 0, "10.0.0.1", true},
		{"0.0.0.0", 96, "::1", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address net = address(cases[i].net), a = address(cases[i].address);
		struct wire_network n = {.bits = cases[i].bits};

		memcpy(n.address, net.bytes, 16);
		if (network_has(&n, &a) != cases[i].has)
			fail_msg("%s/%u %s", cases[i].net, cases[i].bits, cases[i].address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_counted_by_address),
		cmocka_unit_test(an_ipv6_client_is_its_64),
		cmocka_unit_test(a_full_table_stays_right),
		cmocka_unit_test(networks_are_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

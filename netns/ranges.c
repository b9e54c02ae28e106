// SPDX-License-Identifier: Apache-2.0
#include "netns/ranges.h"

#include <string.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"

#define MAPPED_BITS 96 /* of ::ffff:a.b.c.d in front of the IPv4 address */

/* clang-format off */
#define RANGE(family_, exact_, name_, bits_, ...) \
	{.name = (name_), .exact = (exact_), .family = (family_), .bits = (bits_), .address = {__VA_ARGS__}}
#define V4(...)       RANGE(AF_INET, false, __VA_ARGS__)
#define V6(...)       RANGE(AF_INET6, false, __VA_ARGS__)
#define METADATA4(...) RANGE(AF_INET, true, "metadata", 32, __VA_ARGS__)
#define METADATA6(...) RANGE(AF_INET6, true, "metadata", 128, __VA_ARGS__)

/* The special-purpose registries of IANA (RFC 6890), and the addresses that clouds use beside them.
 * Networks for documentation count as public, because no service there trusts its neighbours. */
static const struct net_range ranges[] = {
	METADATA4(169, 254, 169, 254),
	METADATA4(100, 100, 100, 200),
	METADATA4(192, 0, 0, 192),
	METADATA4(168, 63, 129, 16),
	METADATA6(0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54),
	METADATA6(0xfd, 0x20, 0, 0xce, [14] = 0x02, [15] = 0x54),
	V4("this network", 8, 0),
	V4("private", 8, 10),
	V4("private", 12, 172, 16),
	V4("private", 16, 192, 168),
	V4("shared", 10, 100, 64),
	V4("loopback", 8, 127),
	V4("link-local", 16, 169, 254),
	V4("protocol assignments", 24, 192, 0, 0),
	V4("6to4", 24, 192, 88, 99),
	V4("benchmarking", 15, 198, 18),
	V4("multicast", 4, 224),
	V4("reserved", 4, 240),
	/* ::/96 holds the unspecified address and the loopback. */
	V6("loopback", 96, 0),
	V6("v4-mapped", 96, [10] = 0xff, [11] = 0xff),
	V6("v4-translated", 96, [8] = 0xff, [9] = 0xff),
	V6("NAT64", 96, 0, 0x64, 0xff, 0x9b),
	V6("NAT64", 48, 0, 0x64, 0xff, 0x9b, 0, 1),
	V6("discard-only", 64, 1),
	V6("Teredo", 32, 0x20, 0x01),
	V6("benchmarking", 48, 0x20, 0x01, 0, 2),
	V6("ORCHID", 28, 0x20, 0x01, 0, 0x10),
	V6("ORCHID", 28, 0x20, 0x01, 0, 0x20),
	V6("6to4", 16, 0x20, 0x02),
	V6("segment routing", 16, 0x5f),
	V6("unique-local", 7, 0xfc),
	V6("link-local", 10, 0xfe, 0x80),
	V6("site-local", 10, 0xfe, 0xc0),
	V6("multicast", 8, 0xff),
};
/* clang-format on */

const struct net_range *net_range(size_t index)
{
	return index < ARRAY_LEN(ranges) ? &ranges[index] : NULL;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
	uint32_t bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || (a[bytes] ^ b[bytes]) >> (8 - rest) == 0;
}

const struct net_range *net_range_of(const uint8_t address[16], uint32_t bits)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = bits >= MAPPED_BITS && memcmp(address, mapped, sizeof(mapped)) == 0;
	const uint8_t *own = v4 ? address + sizeof(mapped) : address;
	uint32_t own_bits = v4 ? bits - MAPPED_BITS : bits;

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (ranges[i].family == (v4 ? AF_INET : AF_INET6) && ranges[i].bits <= own_bits &&
		    same_bits(ranges[i].address, own, ranges[i].bits))
			return &ranges[i];
	return NULL;
}

bool net_is_public(const uint8_t address[16])
{
	return !net_range_of(address, 128);
}

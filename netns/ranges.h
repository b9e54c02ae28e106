/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that are not public: nobody reaches them unless a policy names them. Pure. */
#ifndef EBB_NETNS_RANGES_H
#define EBB_NETNS_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_range {
	const char *name; /* "private", ... */
	bool exact;       /* only an allowance of exactly these addresses opens them */
	uint8_t family;   /* AF_INET, AF_INET6 */
	uint8_t bits;
	uint8_t address[16]; /* of IPv4 the first four */
};

/* NULL behind the last one. */
const struct net_range *net_range(size_t index);
/* Whether one address is public. */
bool net_is_public(const uint8_t address[16]);
/* The range that holds the whole network, or NULL if the network is public, at least in part. IPv4
 * stands behind ::ffff, and its bits count from 96. */
const struct net_range *net_range_of(const uint8_t address[16], uint32_t bits);

#endif

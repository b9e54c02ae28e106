/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections each client address has, and which networks are trusted. Addresses are 16
 * bytes, IPv4 as ::ffff:a.b.c.d. The table is made once for as many addresses as there can be
 * connections; an IPv6 client is counted by its /64, of which it may choose every address.
 */
#ifndef EBB_GATEWAY_ADDRESSES_H
#define EBB_GATEWAY_ADDRESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/gateway/message/address.h"
#include "runtime/wire/records.h"

struct address_cell {
	uint64_t key;
	uint32_t count, reserved; /* 0 = empty */
	uint64_t key_low;
};

struct addresses {
	struct address_cell *cells;
	uint32_t mask;
	uint64_t seed; /* so that nobody can choose addresses that collide */
};

/* For at most count addresses at a time. 0 or -ENOMEM. */
int addresses_init(struct addresses *a, uint32_t count, uint64_t seed);
void addresses_fini(struct addresses *a);
/* One more connection: how many there are now. */
uint32_t addresses_add(struct addresses *a, const struct address *address);
/* One connection less of an address that was added. */
void addresses_drop(struct addresses *a, const struct address *address);

/* Whether the first n->bits bits are the same. */
bool network_has(const struct wire_network *n, const struct address *address);

#endif

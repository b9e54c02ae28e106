/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the connections of each client address, and knows which networks are trusted. An address
 * has 16 bytes, IPv4 as ::ffff:a.b.c.d. The table is made once, for as many addresses as there can
 * be connections. An IPv6 client is counted by its /64, because it may choose any address in that.
 */
#ifndef EBB_GATEWAY_ADDRESSES_H
#define EBB_GATEWAY_ADDRESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/gateway/message/address.h"
#include "runtime/wire/records.h"

struct address_cell {
	uint64_t key;
	uint32_t count, reserved; /* count 0: the cell is empty */
	uint64_t key_low;
};

struct addresses {
	struct address_cell *cells;
	uint32_t mask;
	uint64_t seed; /* so that nobody can choose addresses that collide */
};

/* Makes a table for at most count addresses at a time. 0 or -ENOMEM. */
int addresses_init(struct addresses *a, uint32_t count, uint64_t seed);
void addresses_fini(struct addresses *a);
/* Counts one more connection of the address. Returns how many it has now. */
uint32_t addresses_add(struct addresses *a, const struct address *address);
/* Counts one connection less; the address must have been added. */
void addresses_drop(struct addresses *a, const struct address *address);

/* Whether the first n->bits bits of both addresses are the same. */
bool network_has(const struct wire_network *n, const struct address *address);

#endif

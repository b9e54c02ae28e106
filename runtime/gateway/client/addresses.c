// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/client/addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

int addresses_init(struct addresses *a, uint32_t count, uint64_t seed)
{
	uint32_t size = 16;

	while (size < count * 2) /* half of the table stays empty, so searches are short */
		size *= 2;
	*a = (struct addresses){.mask = size - 1, .seed = seed};
	a->cells = calloc(size, sizeof(*a->cells));
	return a->cells ? 0 : -ENOMEM;
}

void addresses_fini(struct addresses *a)
{
	free(a->cells);
}

static void keys_of(const struct address *address, uint64_t *key, uint64_t *low)
{
	memcpy(key, address->bytes, sizeof(*key));
	memcpy(low, address->bytes + 8, sizeof(*low));
	if (memcmp(address->bytes, mapped, sizeof(mapped)) != 0)
		*low = 0;
}

static uint32_t home_of(const struct addresses *a, uint64_t key, uint64_t low)
{
	uint64_t h = (key ^ a->seed) * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 29 ^ low) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(h >> 32) & a->mask;
}

/* The cell of an address, or the empty cell where it would go. */
static uint32_t find(const struct addresses *a, uint64_t key, uint64_t low)
{
	uint32_t at = home_of(a, key, low);

	while (a->cells[at].count && (a->cells[at].key != key || a->cells[at].key_low != low))
		at = (at + 1) & a->mask;
	return at;
}

uint32_t addresses_add(struct addresses *a, const struct address *address)
{
	uint64_t key, low;
	uint32_t at;

	keys_of(address, &key, &low);
	at = find(a, key, low);
	a->cells[at].key = key;
	a->cells[at].key_low = low;
	return ++a->cells[at].count;
}

/* Moves the cells behind a cell that became empty, so that no search stops too early. */
static void close_gap(struct addresses *a, uint32_t gap)
{
	uint32_t at = gap;

	for (;;) {
		uint32_t home;

		at = (at + 1) & a->mask;
		if (a->cells[at].count == 0)
			break;
		home = home_of(a, a->cells[at].key, a->cells[at].key_low);
		if (((at - home) & a->mask) < ((at - gap) & a->mask))
			continue; /* moved, it would stand before its home */
		a->cells[gap] = a->cells[at];
		gap = at;
	}
	a->cells[gap].count = 0;
}

void addresses_drop(struct addresses *a, const struct address *address)
{
	uint64_t key, low;
	uint32_t at;

	keys_of(address, &key, &low);
	at = find(a, key, low);
	must(a->cells[at].count > 0);
	if (--a->cells[at].count == 0)
		close_gap(a, at);
}

bool network_has(const struct wire_network *n, const struct address *address)
{
	uint32_t whole = n->bits / 8, rest = n->bits % 8;

	if (memcmp(n->address, address->bytes, whole) != 0)
		return false;
	return rest == 0 || (n->address[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

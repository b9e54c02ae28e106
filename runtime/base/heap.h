/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap of things with a 64-bit key, the smallest on top.
 *
 * A thing embeds a heap_item, which knows its place, so that it can be moved or removed without a
 * search. The keys lie beside each other in the heap, so that comparing does not touch the things.
 * A zeroed heap is empty, and a zeroed item is in no heap. Pure; operations take O(log n), and an
 * entry takes 16 bytes.
 */
#ifndef EBB_BASE_HEAP_H
#define EBB_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#define HEAP_EMPTY UINT64_MAX /* heap_first_key of an empty one; no item has this key */

struct heap_item {
	uint32_t place; /* 1 + its index in the heap; 0 = in none */
};

struct heap_entry {
	uint64_t key;
	struct heap_item *item;
};

struct heap {
	struct heap_entry *entries; /* owned */
	uint32_t count, capacity;
};

/* Forgets the items, which may be gone already, and gives the memory back. */
void heap_fini(struct heap *h);
/* Makes room for so many items, so that adding them allocates nothing. 0 or -ENOMEM. */
int heap_reserve(struct heap *h, uint32_t capacity);

static inline bool heap_has(const struct heap_item *item)
{
	return item->place != 0;
}

/* The key of an item that is in this heap. */
static inline uint64_t heap_key(const struct heap *h, const struct heap_item *item)
{
	return h->entries[item->place - 1].key;
}

/* Adds the item, or moves an item that is in this heap already. 0, or -ENOMEM, and the heap stays
 * as it was. A move never fails, and neither does an addition with room from heap_reserve. */
int heap_put(struct heap *h, struct heap_item *item, uint64_t key);
void heap_remove(struct heap *h, struct heap_item *item); /* an item in no heap is fine */
/* The item with the smallest key, which stays; NULL of an empty heap. */
struct heap_item *heap_first(const struct heap *h);
uint64_t heap_first_key(const struct heap *h);

#endif

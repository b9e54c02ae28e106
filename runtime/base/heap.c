// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/heap.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/base/mem.h"

#define CAPACITY_FIRST 64u

void heap_fini(struct heap *h)
{
	free(h->entries);
	*h = (struct heap){0};
}

int heap_reserve(struct heap *h, uint32_t capacity)
{
	struct heap_entry *entries;

	if (capacity <= h->capacity)
		return 0;
	entries = realloc(h->entries, capacity * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	h->entries = entries;
	h->capacity = capacity;
	return 0;
}

static void place(struct heap *h, uint32_t at, struct heap_entry entry)
{
	h->entries[at] = entry;
	entry.item->place = at + 1;
}

/* Both functions move other entries into the hole at `at`, and return the place where the entry
 * belongs. */
static uint32_t hole_up(struct heap *h, uint32_t at, uint64_t key)
{
	while (at > 0 && h->entries[(at - 1) / 2].key > key) {
		place(h, at, h->entries[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	return at;
}

static uint32_t hole_down(struct heap *h, uint32_t at, uint64_t key)
{
	for (uint32_t child; (child = 2 * at + 1) < h->count; at = child) {
		if (child + 1 < h->count && h->entries[child + 1].key < h->entries[child].key)
			child++;
		if (h->entries[child].key >= key)
			break;
		place(h, at, h->entries[child]);
	}
	return at;
}

static void fill(struct heap *h, uint32_t hole, struct heap_entry entry)
{
	uint32_t at = hole_up(h, hole, entry.key);

	place(h, at == hole ? hole_down(h, hole, entry.key) : at, entry);
}

/* Whether the item stands at its place. An item of another heap does not, and neither does a freed
 * item. */
static bool holds(const struct heap *h, const struct heap_item *item)
{
	return item->place <= h->count && h->entries[item->place - 1].item == item;
}

int heap_put(struct heap *h, struct heap_item *item, uint64_t key)
{
	struct heap_entry entry = {key, item};

	must(key != HEAP_EMPTY);
	if (heap_has(item)) {
		must(holds(h, item));
		fill(h, item->place - 1, entry);
		return 0;
	}
	if (h->count == h->capacity) {
		int r = heap_reserve(h, h->capacity ? 2 * h->capacity : CAPACITY_FIRST);

		if (r < 0)
			return r;
	}
	h->count++;
	fill(h, h->count - 1, entry);
	return 0;
}

void heap_remove(struct heap *h, struct heap_item *item)
{
	struct heap_entry last;
	uint32_t hole = item->place - 1;

	if (!heap_has(item))
		return;
	must(holds(h, item));
	item->place = 0;
	last = h->entries[--h->count];
	if (hole < h->count)
		fill(h, hole, last);
}

struct heap_item *heap_first(const struct heap *h)
{
	return h->count ? h->entries[0].item : NULL;
}

uint64_t heap_first_key(const struct heap *h)
{
	return h->count ? h->entries[0].key : HEAP_EMPTY;
}

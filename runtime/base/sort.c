// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/sort.h"

#include <string.h>

#include "runtime/base/mem.h"

static void swap(char *a, char *b, size_t size)
{
	char kept[SORT_ITEM_MAX];

	memcpy(kept, a, size);
	memcpy(a, b, size);
	memcpy(b, kept, size);
}

/* Lets the item at `at` sink to its place in the heap of `count`. */
static void sink(char *items, size_t at, size_t count, size_t size,
		 int (*compare)(const void *a, const void *b))
{
	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count &&
		    compare(items + child * size, items + (child + 1) * size) < 0)
			child++;
		if (compare(items + at * size, items + child * size) >= 0)
			return;
		swap(items + at * size, items + child * size, size);
	}
}

void sort_items(void *items, size_t count, size_t size,
		int (*compare)(const void *a, const void *b))
{
	must(size <= SORT_ITEM_MAX);
	for (size_t at = count / 2; at-- > 0;)
		sink(items, at, count, size, compare);
	for (size_t last = count; last-- > 1;) {
		swap(items, (char *)items + last * size, size);
		sink(items, 0, last, size, compare);
	}
}

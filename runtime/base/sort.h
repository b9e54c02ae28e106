/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting without a system call. qsort(3) of glibc asks the kernel how much memory the host has
 * (sysinfo(2)) when it sorts more than a kilobyte. A filter forbids that call, and a test with few
 * values never shows it. Heapsort: in place, never worse than n log n, not stable.
 */
#ifndef EBB_BASE_SORT_H
#define EBB_BASE_SORT_H

#include <stddef.h>

#define SORT_ITEM_MAX 64 /* bytes of one item */

/* Sorts in ascending order. size: bytes of an item, at most SORT_ITEM_MAX. compare: as for
 * qsort(3). */
void sort_items(void *items, size_t count, size_t size,
		int (*compare)(const void *a, const void *b));

#endif

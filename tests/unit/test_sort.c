// SPDX-License-Identifier: Apache-2.0
/* Sorting: the same order as libc's, for any size and order of what comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/sort.h"

#define COUNT_MAX 3000

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void any_order_becomes_the_right_one(void **state)
{
	static uint32_t ours[COUNT_MAX], theirs[COUNT_MAX];

	for (size_t count = 0; count < COUNT_MAX; count = count * 3 / 2 + 1) {
		for (uint32_t spread = 1; spread < 1u << 31; spread *= 40) {
			for (size_t i = 0; i < count; i++)
				ours[i] = theirs[i] = (uint32_t)(i * 2654435761u) % spread;
			sort_items(ours, count, sizeof(*ours), compare);
			qsort(theirs, count, sizeof(*theirs), compare);
			assert_memory_equal(ours, theirs, count * sizeof(*ours));
			sort_items(ours, count, sizeof(*ours), compare); /* sorted already */
			assert_memory_equal(ours, theirs, count * sizeof(*ours));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_order_becomes_the_right_one)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

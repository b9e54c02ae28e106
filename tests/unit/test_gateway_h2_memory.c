// SPDX-License-Identifier: Apache-2.0
/* Arenas: like malloc, but for their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/gateway/frames/h2_memory.h"

#define SIZE (256u * 1024)

static void test_blocks_are_apart(void **state)
{
	struct h2_arena a;
	unsigned char *blocks[300] = {NULL};
	uint32_t sizes[300];
	uint32_t seed = 1;

	h2_arena_init(&a, h2_memory_reserve(1, SIZE), SIZE);
	for (int round = 0; round < 20000; round++) {
		uint32_t i = (seed = seed * 1103515245 + 12345) >> 8, n = i % 300;

		if (blocks[n]) {
			for (uint32_t k = 0; k < sizes[n]; k++)
				assert_int_equal(blocks[n][k], n & 255);
			h2_arena_put(blocks[n], &a);
			blocks[n] = NULL;
			continue;
		}
		sizes[n] = 1 + i % 611;
		blocks[n] = h2_arena_get(sizes[n], &a);
		if (!blocks[n])
			continue;
		assert_int_equal((uintptr_t)blocks[n] % 16, 0);
		memset(blocks[n], (int)(n & 255), sizes[n]);
	}
	assert_true(a.used <= SIZE);
}

static void test_it_ends(void **state)
{
	struct h2_arena a;
	char *at = h2_memory_reserve(1, SIZE);
	uint32_t used;

	h2_arena_init(&a, at, SIZE);
	assert_null(h2_arena_get(SIZE, &a));
	assert_null(h2_arena_get_zeroed(1u << 20, 1u << 20, &a));
	while (h2_arena_get(1000, &a))
		;
	assert_true(a.refusals > 0);
	used = a.used;
	assert_true(used > SIZE - 4096);
	h2_arena_init(&a, at, SIZE); /* a new connection has all of it */
	assert_non_null(h2_arena_get(100000, &a));
}

static void test_every_size_fits_its_class(void **state)
{
	struct h2_arena a;
	char *at = h2_memory_reserve(1, SIZE);

	for (uint32_t size = 0; size <= 100000; size += size < 300 ? 1 : 97) {
		char *block;

		h2_arena_init(&a, at, SIZE);
		block = h2_arena_get(size, &a);
		assert_non_null(block);
		assert_true(block + size <= at + a.used);
		assert_true(a.used <= 64 + size + size / 4 + 32);
		h2_arena_put(block, &a);
		assert_ptr_equal(h2_arena_get(size, &a), block);
	}
}

static void test_resizing_keeps_what_is_there(void **state)
{
	struct h2_arena a;
	char *block;

	h2_arena_init(&a, h2_memory_reserve(1, SIZE), SIZE);
	block = h2_arena_resize(NULL, 10, &a);
	memcpy(block, "123456789", 10);
	block = h2_arena_resize(block, 20000, &a);
	assert_string_equal(block, "123456789");
	assert_null(h2_arena_resize(block, SIZE, &a));
	assert_string_equal(block, "123456789");
	h2_arena_put(NULL, &a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_are_apart),
		cmocka_unit_test(test_it_ends),
		cmocka_unit_test(test_every_size_fits_its_class),
		cmocka_unit_test(test_resizing_keeps_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

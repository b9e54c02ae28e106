/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nghttp2 allocates from an arena, one for each HTTP/2 connection, which is reserved at start and
 * never grows. Memory that a connection frees can be used again by that connection only, and the
 * end of the connection frees everything. So no connection can use up or fragment the memory of
 * another. Pages are touched when first used.
 */
#ifndef EBB_GATEWAY_H2_MEMORY_H
#define EBB_GATEWAY_H2_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define H2_CLASSES 48u

struct h2_arena {
	char *at;
	uint32_t size, used; /* used: bytes that were ever given out */
	uint32_t refusals;
	uint32_t free_blocks[H2_CLASSES]; /* by class: offset of the first free block, 0 = none */
};

/* Reserves the memory of count arenas, each of size bytes. NULL: the kernel has none. */
char *h2_memory_reserve(uint32_t count, uint32_t size);
void h2_arena_init(struct h2_arena *a, char *at, uint32_t size);
/* As malloc(3) and its like; NULL when the arena is full. */
void *h2_arena_get(size_t bytes, void *arena);
void *h2_arena_get_zeroed(size_t count, size_t bytes, void *arena);
void *h2_arena_resize(void *block, size_t bytes, void *arena);
void h2_arena_put(void *block, void *arena);

#endif

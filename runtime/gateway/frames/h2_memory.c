// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/frames/h2_memory.h"

#include <string.h>
#include <sys/mman.h>

#include "runtime/base/mem.h"

/* The head of a block; the memory for nghttp2 follows it. */
struct block {
	uint32_t class, next_free;
	uint64_t pad; /* pads to 16 bytes, the alignment that malloc(3) gives */
};

/* Four sizes per power of two: a quarter is wasted at most. */
static uint32_t class_size(uint32_t class)
{
	return (32u << class / 4) * (4 + class % 4) / 4;
}

static uint32_t class_of(size_t bytes)
{
	uint32_t class = bytes > 64 && bytes < 1u << 20
				 ? 4 * (31 - (uint32_t)__builtin_clz((uint32_t)(bytes - 1) / 32))
				 : 0;

	while (class < H2_CLASSES && class_size(class) < bytes)
		class ++;
	return class;
}

char *h2_memory_reserve(uint32_t count, uint32_t size)
{
	void *at = mmap(NULL, (size_t)count * size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void h2_arena_init(struct h2_arena *a, char *at, uint32_t size)
{
	/* No block stands at offset 0, which means none. */
	*a = (struct h2_arena){.at = at, .size = size, .used = sizeof(struct block)};
}

void *h2_arena_get(size_t bytes, void *arena)
{
	struct h2_arena *a = arena;
	uint32_t class = class_of(bytes), need, at;
	struct block *b;

	if (class == H2_CLASSES)
		return NULL;
	at = a->free_blocks[class];
	need = ((uint32_t)sizeof(*b) + class_size(class) + 15) & ~15u;
	if (at == 0) {
		if (need > a->size - a->used) {
			a->refusals++;
			return NULL;
		}
		at = a->used;
		a->used += need;
	}
	must(at < a->size);
	b = (struct block *)(void *)(a->at + at);
	if (a->free_blocks[class])
		a->free_blocks[class] = b->next_free;
	b->class = class;
	return b + 1;
}

void *h2_arena_get_zeroed(size_t count, size_t bytes, void *arena)
{
	void *block;

	if (bytes && count > UINT32_MAX / bytes)
		return NULL;
	block = h2_arena_get(count * bytes, arena);
	if (block)
		memset(block, 0, count * bytes);
	return block;
}

void h2_arena_put(void *block, void *arena)
{
	struct h2_arena *a = arena;
	struct block *b = block;

	if (!block)
		return;
	b--;
	must(b->class < H2_CLASSES && (char *)b > a->at && (char *)b < a->at + a->used);
	b->next_free = a->free_blocks[b->class];
	a->free_blocks[b->class] = (uint32_t)((char *)b - a->at);
}

void *h2_arena_resize(void *block, size_t bytes, void *arena)
{
	struct block *b = block;
	void *to;

	if (!block)
		return h2_arena_get(bytes, arena);
	b--;
	if (bytes <= class_size(b->class))
		return block;
	to = h2_arena_get(bytes, arena);
	if (!to)
		return NULL;
	memcpy(to, block, class_size(b->class));
	h2_arena_put(block, arena);
	return to;
}

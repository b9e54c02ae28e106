// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/ring/buffers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "runtime/base/mem.h"

#define RING_ENTRIES 256u
#define RING_TARGET  64u
/* So many free units are kept for heads before the ring is filled up again. */
#define FREE_LOW 16u

static void *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

char *buffers_at(const struct buffers *b, uint32_t id)
{
	must(id < b->unit_count + b->large_count);
	return id < b->unit_count ? b->units + (size_t)id * BUFFER_UNIT
				  : b->large + (size_t)(id - b->unit_count) * b->large_bytes;
}

uint32_t buffers_size(const struct buffers *b, uint32_t id)
{
	return id < b->unit_count ? BUFFER_UNIT : b->large_bytes;
}

static void ring_push(struct buffers *b, uint32_t id)
{
	must(id < b->unit_count && b->in_ring < b->ring_entries);
	io_uring_buf_ring_add(b->ring, buffers_at(b, id) + BUFFER_HEADROOM,
			      BUFFER_UNIT - BUFFER_HEADROOM - BUFFER_SLACK, (unsigned short)id,
			      io_uring_buf_ring_mask(b->ring_entries), 0);
	io_uring_buf_ring_advance(b->ring, 1);
	b->in_ring++;
}

int buffers_init(struct buffers *b, struct ring *l, uint32_t unit_count, uint32_t large_count,
		 uint32_t large_bytes)
{
	struct io_uring_buf_reg reg = {0};
	int r;

	must(unit_count >= RING_TARGET + FREE_LOW && unit_count < 65536);
	*b = (struct buffers){.unit_count = unit_count,
			      .large_count = large_count,
			      .large_bytes = large_bytes,
			      .ring_entries = RING_ENTRIES,
			      .ring_target = RING_TARGET};
	b->units = map((size_t)unit_count * BUFFER_UNIT);
	b->large = map((size_t)large_count * large_bytes);
	b->ring = map(RING_ENTRIES * sizeof(struct io_uring_buf));
	b->free_units = calloc(unit_count, sizeof(uint32_t));
	b->free_large = calloc(large_count, sizeof(uint32_t));
	if (!b->units || !b->large || !b->ring || !b->free_units || !b->free_large)
		return -ENOMEM;
	reg.ring_addr = (uint64_t)(uintptr_t)b->ring;
	reg.ring_entries = RING_ENTRIES;
	reg.bgid = BUFFER_GROUP;
	r = io_uring_register_buf_ring(&l->uring, &reg, 0);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < RING_TARGET; i++)
		ring_push(b, i);
	for (uint32_t i = unit_count; i > RING_TARGET; i--)
		b->free_units[b->free_unit_count++] = i - 1;
	for (uint32_t i = large_count; i > 0; i--)
		b->free_large[b->free_large_count++] = unit_count + i - 1;
	return 0;
}

uint32_t buffers_get(struct buffers *b, uint32_t bytes)
{
	if (bytes <= BUFFER_UNIT && b->free_unit_count > 0)
		return b->free_units[--b->free_unit_count];
	if (bytes > BUFFER_UNIT && bytes <= b->large_bytes && b->free_large_count > 0)
		return b->free_large[--b->free_large_count];
	return BUFFER_NONE;
}

void buffers_put(struct buffers *b, uint32_t id)
{
	if (id == BUFFER_NONE)
		return;
	must(id >= b->unit_count ? b->free_large_count < b->large_count
				 : b->free_unit_count < b->unit_count);
	if (id >= b->unit_count)
		b->free_large[b->free_large_count++] = id;
	else if (b->in_ring < b->ring_target &&
		 (b->free_unit_count >= FREE_LOW || b->in_ring < b->ring_target / 4))
		ring_push(b, id);
	else
		b->free_units[b->free_unit_count++] = id;
}

void buffers_taken(struct buffers *b)
{
	must(b->in_ring > 0);
	b->in_ring--;
	while (b->in_ring < b->ring_target / 2 && b->free_unit_count > FREE_LOW)
		ring_push(b, b->free_units[--b->free_unit_count]);
}

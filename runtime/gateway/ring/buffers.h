/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of the data path: made once, touched when first used, never grown.
 *
 * Units of 16 KiB serve as provided buffers (the kernel puts received bytes there,
 * io_uring_register_buf_ring(3)) and as places to write heads. Only a few units are in the ring at
 * a time, so that the same ones stay in the cache of the CPU. The data of a received unit begins
 * BUFFER_HEADROOM in and leaves BUFFER_SLACK behind, so that chunk framing can be put around it in
 * place. A few large buffers hold heads that do not fit into a unit. When no buffer is left, the
 * caller refuses the request and counts that.
 */
#ifndef EBB_GATEWAY_BUFFERS_H
#define EBB_GATEWAY_BUFFERS_H

#include <stdint.h>

#include "runtime/gateway/ring/ring.h"

#define BUFFER_UNIT     16384u
#define BUFFER_HEADROOM 32u
#define BUFFER_SLACK    2048u
#define BUFFER_NONE     UINT32_MAX
#define BUFFER_GROUP    0
#define BUFFERS_LOW     256u

struct buffers {
	char *units, *large;
	uint32_t unit_count, large_count, large_bytes;
	struct io_uring_buf_ring *ring;
	uint32_t ring_entries, ring_target, in_ring;
	uint32_t *free_units, *free_large; /* stacks: the buffer used last is on top */
	uint32_t free_unit_count, free_large_count;
};

/* Also registers the buffer ring, so call it before ring_enable and before seccomp. 0 or -errno. */
int buffers_init(struct buffers *b, struct ring *l, uint32_t unit_count, uint32_t large_count,
		 uint32_t large_bytes);
/* Takes a buffer of at least this many bytes. BUFFER_NONE: none is free. */
uint32_t buffers_get(struct buffers *b, uint32_t bytes);
/* Gives a buffer back; BUFFER_NONE is fine. */
void buffers_put(struct buffers *b, uint32_t id);
/* The kernel took a unit out of the ring: the caller owns it now. */
void buffers_taken(struct buffers *b);
/* Few units are left: take none for something that is only an advantage. */
static inline bool buffers_low(const struct buffers *b)
{
	return b->free_unit_count < BUFFERS_LOW;
}
/* The memory of a buffer, and its size in bytes. */
char *buffers_at(const struct buffers *b, uint32_t id);
uint32_t buffers_size(const struct buffers *b, uint32_t id);

#endif

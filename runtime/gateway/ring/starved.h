/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams that asked for bytes while no buffer was left. They wait here, and ask again before the
 * loop waits, as many of them as there are buffers by then.
 */
#ifndef EBB_GATEWAY_STARVED_H
#define EBB_GATEWAY_STARVED_H

#include "runtime/gateway/ring/stream.h"

struct starved {
	uint64_t *who; /* op and index of each stream, as in user_data */
	uint32_t count, most;
};

int starved_init(struct starved *all, uint32_t most); /* 0 or -ENOMEM */
/* Lists a stream that found no buffer. A slot of a slab is listed once, however many streams have
 * used it since. */
void starved_put(struct starved *all, struct stream *s);
/* Asks for bytes again. find: the stream with this index, of the slab whose streams have this first
 * op. */
void starved_feed(struct starved *all, struct stream_io *io,
		  struct stream *(*find)(void *self, enum ring_op op, uint32_t index), void *self);

#endif

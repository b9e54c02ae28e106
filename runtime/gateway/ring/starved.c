// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/ring/starved.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/base/mem.h"

int starved_init(struct starved *all, uint32_t most)
{
	*all = (struct starved){.who = calloc(most, sizeof(*all->who)), .most = most};
	return all->who ? 0 : -ENOMEM;
}

void starved_put(struct starved *all, struct stream *s)
{
	s->starved = true;
	if (s->listed)
		return;
	must(all->count < all->most);
	s->listed = true;
	all->who[all->count++] = ring_user_data(s->first_op, s->index, 0);
}

void starved_feed(struct starved *all, struct stream_io *io,
		  struct stream *(*find)(void *self, enum ring_op op, uint32_t index), void *self)
{
	for (uint32_t n = io->buffers->in_ring; n > 0 && all->count > 0; n--) {
		uint64_t who = all->who[--all->count];
		struct stream *s =
			find(self, (enum ring_op)(who >> 56), (uint32_t)(who >> 32) & 0xffffff);

		must(s->listed);
		s->listed = false;
		if (s->starved)
			stream_recv(io, s);
		s->starved = false;
	}
}

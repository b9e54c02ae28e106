// SPDX-License-Identifier: Apache-2.0
#include "runtime/net/openings.h"

#include <errno.h>
#include <string.h>

static void forget_closed(struct openings *o, uint64_t now_ns)
{
	for (uint32_t i = o->count; i-- > 0;)
		if (o->list[i].until_ns <= now_ns)
			o->list[i] = o->list[--o->count];
}

int openings_note(struct openings *o, const uint8_t address[16], uint16_t port, uint64_t until_ns,
		  uint64_t now_ns)
{
	struct opening *new;

	forget_closed(o, now_ns);
	for (uint32_t i = 0; i < o->count; i++) {
		struct opening *one = &o->list[i];

		if (one->port == port && memcmp(one->address, address, 16) == 0) {
			one->until_ns = until_ns;
			return 0;
		}
	}
	if (o->count == OPENINGS_MAX)
		return -ENOSPC;
	new = &o->list[o->count++];
	*new = (struct opening){.until_ns = until_ns, .port = port};
	memcpy(new->address, address, sizeof(new->address));
	return 0;
}

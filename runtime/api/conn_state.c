// SPDX-License-Identifier: Apache-2.0
/* Which state of a connection may follow which; nothing else sets one. */
#include "runtime/api/conn.h"

#include "runtime/base/mem.h"

#define TO(name) (1u << CONN_##name)

void conn_enter(struct conn *c, enum conn_state next)
{
	/* A stream often has no end of its own, and what lingers is closed. */
	static const unsigned int followers[CONN_STATE_COUNT] = {
		[CONN_HEAD] = TO(BODY) | TO(FINISH),
		[CONN_BODY] = TO(BUSY) | TO(FINISH),
		[CONN_BUSY] = TO(STREAM) | TO(UPGRADED) | TO(FINISH),
		[CONN_STREAM] = TO(FINISH),
		[CONN_UPGRADED] = 0,
		[CONN_FINISH] = TO(HEAD) | TO(LINGER),
		[CONN_LINGER] = 0,
	};

	must(next < CONN_STATE_COUNT && (followers[c->state] & 1u << next));
	c->state = next;
}

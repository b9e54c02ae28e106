// SPDX-License-Identifier: Apache-2.0
/* Gives bytes of an instance to the owner of the upstream, or to nobody. */
#include "runtime/gateway/upstream/room.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/upstream/upstream.h"

static void on_bytes(struct upstreams *p, struct upstream *u)
{
	if (u->looking) { /* the bytes were received before the request was sent */
		p->count->pool_poisoned++;
		p->user->event(p->self, u, UPSTREAM_STRAY, 0);
		return;
	}
	room_accepted(p, u);
	p->user->event(p->self, u, UPSTREAM_BYTES, 0);
}

/* An idle connection was closed by its server, or the server sent bytes unasked. */
static void on_idle(struct upstreams *p, struct upstream *u)
{
	pool_note_idle_end(p, u);
	upstream_close(p, u);
}

void upstream_deliver(struct upstreams *p, struct upstream *u, enum stream_result r, int err)
{
	must(!u->s.closing && !u->session);
	if (r == STREAM_NOTHING)
		return;
	if (u->left)
		leave_on_recv(p, u, r);
	else if (!u->owner)
		on_idle(p, u);
	else if (r == STREAM_MORE)
		on_bytes(p, u);
	else if (r == STREAM_FULL)
		p->user->event(p->self, u, UPSTREAM_FULL, 0);
	else
		p->user->event(p->self, u, UPSTREAM_END, err);
}

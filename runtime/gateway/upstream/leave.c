// SPDX-License-Identifier: Apache-2.0
/*
 * Upstreams whose owner has gone while the instance may still work for it. The ticket stays with
 * the connection until the instance closes its side, because the work goes on until then. An
 * instance that has not closed its side after LEAVE_NS ignores the half-close, or its event loop is
 * stuck: ebbd is told, and replaces the instance.
 */
#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/upstream/upstream.h"

#define LEAVE_NS (2 * NS_PER_SEC)

void leave_begin(struct upstreams *p, struct upstream *u, uint32_t service)
{
	must(u->owner && !u->has_ticket && !upstream_is_idle(u));
	u->owner = 0;
	u->left = u->has_ticket = true;
	u->service = service;
	u->end_by_ns = upstreams_now(p) + LEAVE_NS;
	upstream_set_timer(p, u, u->end_by_ns);
	stream_consume(&p->io, &u->s, u->s.in.size);
	stream_recv(&p->io, &u->s);
}

void leave_on_recv(struct upstreams *p, struct upstream *u, enum stream_result r)
{
	if (r != STREAM_MORE) {
		upstream_close(p, u);
		return;
	}
	stream_consume(&p->io, &u->s, u->s.in.size); /* further bytes of the answer are dropped */
	stream_recv(&p->io, &u->s);
}

void leave_on_timer(struct upstreams *p, struct upstream *u)
{
	struct instance *i = upstream_instance(p, u);

	if (u->end_by_ns > upstreams_now(p)) {
		upstream_set_timer(p, u, u->end_by_ns);
		return;
	}
	p->count->cancels_ignored++;
	if (i)
		tell_suspect(p->tell, i, ETIMEDOUT);
	upstream_close(p, u);
}

void leave_instance_down(struct upstreams *p, uint32_t slot, uint32_t generation)
{
	for (uint32_t n = 0; n < p->slot_count; n++) {
		struct upstream *u = &p->slots[n];

		if (u->has_ticket && u->slot == slot && u->generation == generation)
			upstream_close(p, u);
	}
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/held.h"

#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/blame.h"

void held_drop(struct gateway *g, struct client *c)
{
	struct chunk *r = &c->x.request;
	struct upstream *u = client_upstream(g, c);

	if (r->size == 0)
		return;
	if (u && u->s.sending && u->s.out.buffer == BUFFER_NONE)
		u->s.out.buffer = r->buffer; /* still being sent: freed when the send completes */
	else
		buffers_put(g->io.buffers, r->buffer);
	*r = (struct chunk){.buffer = BUFFER_NONE};
}

void held_outgrown(struct gateway *g, struct client *c)
{
	if (c->x.request.size == 0)
		return;
	blame_label(c);
	held_drop(g, c);
}

void held_ended(struct gateway *g, struct client *c, const struct chunk *last)
{
	struct chunk *r = &c->x.request;

	if (r->size == 0)
		return;
	must(r->size <= buffers_size(g->io.buffers, r->buffer));
	if (buffers_size(g->io.buffers, r->buffer) - r->size < last->size) {
		held_outgrown(g, c);
		return;
	}
	memcpy(r->at + r->size, last->at, last->size);
	r->size += last->size;
}

void held_unshare(struct gateway *g, struct client *c)
{
	struct chunk *r = &c->x.request, copy;
	struct upstream *u = client_upstream(g, c);

	if (!u || !u->s.sending || u->s.out.buffer != BUFFER_NONE || r->size == 0)
		return;
	copy.buffer = buffers_get(g->io.buffers, buffers_size(g->io.buffers, r->buffer));
	if (copy.buffer == BUFFER_NONE) {
		held_outgrown(g, c);
		return;
	}
	u->s.out.buffer = r->buffer;
	copy.at = buffers_at(g->io.buffers, copy.buffer);
	copy.size = r->size;
	memcpy(copy.at, r->at, r->size);
	c->x.deadline_at += copy.at - r->at;
	*r = copy;
}

// SPDX-License-Identifier: Apache-2.0
/* Completions and timers of upstreams. */
#include <errno.h>

#include "runtime/gateway/upstream/room.h"
#include "runtime/gateway/upstream/upstream.h"

/* The upstream that a completion is for. NULL: the upstream is closing, and the completion only
 * settles it, or the completion belongs to an earlier use of the slot. */
static struct upstream *upstream_of(struct upstreams *p, const struct ring_event *e)
{
	struct upstream *u = &p->slots[e->index];

	if (e->life != u->s.life)
		return NULL;
	if (u->s.closing) {
		stream_on_late(&p->io, &u->s, e);
		upstream_settle(p, u);
		return NULL;
	}
	return u;
}

/* The same for polls, connects and looks. Completions of receives and sends are counted by
 * stream_on_recv and stream_on_send. */
static struct upstream *completed(struct upstreams *p, const struct ring_event *e)
{
	struct upstream *u = upstream_of(p, e);

	if (u)
		u->s.pending--;
	return u;
}

void upstream_on_recv(struct upstreams *p, const struct ring_event *e)
{
	struct upstream *u = upstream_of(p, e);
	enum stream_result r;
	int err = 0;

	if (!u)
		return;
	r = stream_on_recv(&p->io, &u->s, e, &err);
	if (r == STREAM_STARVED) {
		p->count->no_buffer++;
		starved_put(p->starved, &u->s);
	} else if (u->session) {
		u->carrier->received(p, u, r, err);
	} else {
		upstream_deliver(p, u, r, err);
	}
}

void upstream_on_send(struct upstreams *p, const struct ring_event *e)
{
	struct upstream *u = upstream_of(p, e);
	enum stream_result r;
	int err;

	if (!u)
		return;
	r = stream_on_send(&p->io, &u->s, e, &err);
	if (u->session)
		u->carrier->sent(p, u, r);
	if (!u->owner)
		return;
	if (r == STREAM_MORE)
		p->user->event(p->self, u, UPSTREAM_SENT, 0);
	else if (r == STREAM_ERROR)
		p->user->event(p->self, u, UPSTREAM_BROKEN, err);
}

void upstream_on_connect(struct upstreams *p, const struct ring_event *e)
{
	struct upstream *u = completed(p, e);

	if (!u)
		return;
	room_connected(p, u, e->res != 0);
	if (e->res == 0)
		stream_recv(&p->io, &u->s);
	else
		p->count->connect_errors++;
	if (u->session)
		u->carrier->connected(p, u, e->res);
	else if (e->res == 0)
		return;
	else if (u->owner)
		p->user->event(p->self, u, UPSTREAM_REFUSED, e->res);
	else
		upstream_close(p, u);
}

void upstream_on_look(struct upstreams *p, const struct ring_event *e)
{
	struct upstream *u = completed(p, e);

	if (!u)
		return;
	u->looking = false;
	if (!u->owner || e->res == -EAGAIN)
		return;
	if (e->res > 0)
		p->count->pool_poisoned++;
	/* The server closed the connection before the request was sent, or sent bytes unasked. */
	p->user->event(p->self, u, e->res > 0 ? UPSTREAM_STRAY : UPSTREAM_WAS_OVER,
		       e->res > 0 ? 0 : e->res);
}

void upstream_on_poll(struct upstreams *p, const struct ring_event *e)
{
	struct upstream *u = completed(p, e);

	if (!u)
		return;
	u->s.polling = false;
	if (u->owner)
		p->user->event(p->self, u, UPSTREAM_READY, 0);
}

void upstream_on_timer(struct upstreams *p, struct upstream *u)
{
	if (u->left && !u->s.closing)
		leave_on_timer(p, u);
	else if (u->unproven && !u->s.closing)
		room_on_timer(p, u);
	if (u->session && !u->s.closing)
		u->carrier->timer(p, u);
	if (!upstream_is_idle(u))
		return;
	if (u->idle_until_ns > upstreams_now(p))
		upstream_set_timer(p, u, u->idle_until_ns);
	else
		upstream_close(p, u);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * How a request gets to an instance: on a pooled connection, on a new one, or as a stream of
 * HTTP/2. While the protocol of an instance is not known, gRPC is tried over HTTP/2 and every other
 * request over HTTP/1.1.
 */
#include <errno.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/upstream/h2up.h"
#include "runtime/gateway/upstream/upstream.h"

/* The connect and the send of the request are linked: one submission, no round through the loop. */
static struct upstream *attach_new(struct upstreams *p, const struct ask *ask, uint32_t owner,
				   struct instance *i)
{
	struct upstream *u = upstream_socket(p, i);

	if (!u)
		return NULL;
	upstream_connect(p, u, i, true);
	upstream_ask(p, u, ask, owner);
	return u;
}

/* Bytes that an idle connection holds before the request is sent are no answer to it, but the rest
 * of an earlier answer. The look is in the submission that sends the request, so hardly anything
 * can come between. */
static void look_first(struct upstreams *p, struct upstream *u)
{
	struct io_uring_sqe *sqe;

	ring_reserve(p->io.ring, 2);
	sqe = ring_sqe(p->io.ring, RING_UP_LOOK, u->s.index, u->s.life);
	io_uring_prep_recv(sqe, u->s.fd, &p->looked_at, 1, MSG_PEEK | MSG_DONTWAIT);
	u->s.pending++;
	u->looking = true;
}

static struct upstream *attach_http1(struct upstreams *p, const struct ask *ask, uint32_t owner,
				     struct instance *i)
{
	struct upstream *u = pool_find(p, ask, i);

	if (!u)
		return attach_new(p, ask, owner, i);
	pool_remove(p, u);
	u->reused = true;
	p->count->pool_hits++;
	look_first(p, u);
	upstream_ask(p, u, ask, owner);
	return u;
}

struct upstream *upstream_attach(struct upstreams *p, const struct ask *ask, uint32_t owner,
				 struct instance *i)
{
	must(i->up && ask->text.size > 0);
	if (i->speaks == SPEAKS_HTTP2 || (ask->grpc && i->speaks == SPEAKS_UNKNOWN))
		return h2up_attach(p, ask, owner, i);
	return attach_http1(p, ask, owner, i);
}

void upstream_empty_pool(struct upstreams *p, struct instance *i)
{
	struct upstream *u;

	chain_each(u, &i->pool, in_pool) {
		p->count->pool_poisoned++;
		upstream_close(p, u);
	}
	h2up_empty(p, i, false);
}

void upstream_drop_stale(struct upstreams *p, struct instance *i)
{
	struct upstream *u;

	chain_each(u, &i->pool, in_pool) {
		if (!pool_is_stale(p, u))
			continue;
		p->count->pool_poisoned++;
		upstream_close(p, u);
	}
	h2up_empty(p, i, true);
}

bool upstream_leave(struct upstreams *p, struct upstream *u, uint32_t service)
{
	if (u->s.carried ? !h2up_cancel(p, u) : shutdown(u->s.fd, SHUT_WR) < 0)
		return false;
	leave_begin(p, u, service);
	return true;
}

void upstream_no_more(const struct upstream *u)
{
	if (!u->s.carried)
		(void)shutdown(u->s.fd, SHUT_WR);
}

void upstream_instance_down(struct upstreams *p, struct instance *i)
{
	h2up_instance_down(p, i);
}

void upstream_drain(struct upstreams *p)
{
	p->draining = true;
	h2up_drain(p);
}

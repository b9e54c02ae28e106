// SPDX-License-Identifier: Apache-2.0
/* One connection to an instance, from the stock of sockets to its end. */
#include "runtime/gateway/upstream/upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/upstream/room.h"

int upstreams_init(struct upstreams *p, uint32_t count)
{
	p->slot_count = p->free_count = count;
	p->slots = calloc(count, sizeof(*p->slots));
	p->free = calloc(count, sizeof(*p->free));
	if (!p->slots || !p->free)
		return -ENOMEM;
	chain_init(&p->room_due);
	for (uint32_t i = 0; i < count; i++)
		p->free[i] = count - 1 - i;
	return 0;
}

void upstream_settle(struct upstreams *p, struct upstream *u)
{
	if (!stream_settled(&p->io, &u->s))
		return;
	must(!u->owner && !upstream_is_idle(u) && !u->has_ticket && !u->session);
	must(p->free_count < p->slot_count);
	timers_clear(p->timers, p->first_timer + u->s.index);
	p->free[p->free_count++] = u->s.index;
}

static void give_ticket(struct upstreams *p, struct upstream *u)
{
	if (!u->has_ticket)
		return;
	u->has_ticket = false;
	board_give(p->board, p->config->index, u->slot, u->generation);
	p->user->gave(p->self, u);
}

void upstream_close(struct upstreams *p, struct upstream *u)
{
	if (u->s.closing)
		return;
	if (u->session)
		u->carrier->ended(p, u);
	pool_remove(p, u);
	stream_close(&p->io, &u->s);
	give_ticket(p, u);
	room_closed(p, u);
	upstream_settle(p, u);
}

void upstream_detach(struct upstreams *p, struct upstream *u, bool reusable)
{
	struct instance *i = upstream_instance(p, u);

	u->owner = 0;
	if (!reusable || !i || u->s.carried || !pool_may_keep(p, i) || u->s.sending ||
	    u->s.in.size > 0 || u->s.closing) {
		upstream_close(p, u);
		return;
	}
	u->head_seen = 0;
	u->before = u->asked;
	pool_push(p, u, i);
	stream_recv(&p->io, &u->s); /* sees its end, and is ready for the next answer */
}

void upstream_ask(struct upstreams *p, struct upstream *u, const struct ask *ask, uint32_t owner)
{
	struct chunk text = ask->text;

	must(!u->owner && !upstream_is_idle(u) && !u->left && !u->s.closing);
	u->owner = owner + 1;
	u->head_seen = 0;
	u->asked = ask->head ? BEFORE_HEAD : ask->idempotent ? BEFORE_SAFE : BEFORE_UNSAFE;
	text.buffer = BUFFER_NONE; /* the text may be sent again: it stays the owner's */
	stream_send(&p->io, &u->s, text);
}

void upstream_connect(struct upstreams *p, struct upstream *u, struct instance *i,
		      bool with_request)
{
	const int on = 1;
	struct io_uring_sqe *sqe;

	must(!u->s.carried && u->s.fd >= 0 && !u->owner);
	if (i->address.ss_family == AF_INET)
		(void)setsockopt(u->s.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ring_reserve(p->io.ring, 2);
	sqe = ring_sqe(p->io.ring, RING_UP_CONNECT, u->s.index, u->s.life);
	io_uring_prep_connect(sqe, u->s.fd, (struct sockaddr *)&i->address, i->address_size);
	if (with_request)
		sqe->flags = IOSQE_IO_LINK;
	u->s.pending++;
	p->count->connects++;
}

struct upstream *upstream_slot(struct upstreams *p, struct instance *i)
{
	struct upstream *u;
	uint32_t index;

	if (p->free_count == 0) {
		p->count->no_upstream_slot++;
		return NULL;
	}
	index = p->free[--p->free_count];
	u = &p->slots[index];
	stream_open(&u->s, -1, index, RING_UP_RECV);
	u->slot = i->slot;
	u->generation = i->generation;
	u->session = u->owner = 0;
	chain_init(&u->in_pool);
	u->looking = u->left = u->has_ticket = u->unproven = false;
	u->reused = u->http2 = false;
	return u;
}

struct upstream *upstream_socket(struct upstreams *p, struct instance *i)
{
	struct upstream *u;

	if (i->stock_count <= 1) /* with more in stock there is time until the answer */
		tell_need_sockets(p->tell, i);
	if (i->stock_count == 0)
		return NULL;
	if (p->free_count == 0) {
		p->count->no_upstream_slot++;
		return NULL;
	}
	if (!room_take(p, i))
		return NULL;
	u = upstream_slot(p, i);
	u->s.fd = i->stock_fds[--i->stock_count];
	i->used_sockets++;
	room_connecting(p, i, u);
	return u;
}

// SPDX-License-Identifier: Apache-2.0
/* Idle connections of an instance, and which of them a request may have. */
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/upstream/upstream.h"

/* How long a connection may idle. Node closes an idle connection after 5 s, the shortest time among
 * common servers. The gateway closes earlier, so that no server closes a connection under a
 * request. */
#define POOL_IDLE_NS (4 * NS_PER_SEC)
#define POOL_MAX     256u
#define POOL_LOOKS   8
#define SETTLED_NS   (5 * NS_PER_MS)
#define ABRUPT_NS    (100 * NS_PER_MS)
/* A connection that was pooled before a freeze is poison after it: the idle timer of the server
 * went on, and the server closes the connection under the request as soon as it runs. No server has
 * an idle timer shorter than this time, awake or frozen. */
#define STALE_AFTER_NS (1 * NS_PER_SEC)

void pool_remove(struct upstreams *p, struct upstream *u)
{
	struct instance *i = &p->instances->slots[u->slot];

	if (!upstream_is_idle(u))
		return;
	must(i->pool_count > 0);
	i->pool_count--;
	chain_remove(&u->in_pool);
}

static uint32_t freezes_of(const struct upstreams *p, const struct instance *i)
{
	return atomic_load_explicit(&board_slot(p->board, i->slot)->freezes, memory_order_acquire);
}

void pool_begin(struct upstreams *p, struct upstream *u, struct instance *i)
{
	u->freezes = freezes_of(p, i);
	u->idle_until_ns = upstreams_now(p) + POOL_IDLE_NS;
	upstream_set_timer(p, u, u->idle_until_ns);
}

static bool is_stale(const struct upstreams *p, const struct upstream *u, uint32_t freezes)
{
	return u->freezes != freezes &&
	       upstreams_now(p) + POOL_IDLE_NS > u->idle_until_ns + STALE_AFTER_NS;
}

bool pool_is_stale(const struct upstreams *p, const struct upstream *u)
{
	return is_stale(p, u, freezes_of(p, &p->instances->slots[u->slot]));
}

/* The ticket of the owner is still open, so the instance cannot freeze in between. */
void pool_push(struct upstreams *p, struct upstream *u, struct instance *i)
{
	must(!u->owner && !u->left);
	chain_add_first(&i->pool, &u->in_pool);
	i->pool_count++;
	pool_begin(p, u, i);
}

bool pool_may_keep(const struct upstreams *p, const struct instance *i)
{
	return i->pool_count < POOL_MAX && !i->draining && i->pool_from_ns <= upstreams_now(p);
}

/* Whether the request may have this connection. Many servers close a connection right behind an
 * answer without having said so (some only behind a HEAD), and a request that may not be sent twice
 * would be lost with the connection. Until this instance was seen to keep a connection, such a
 * request gets only a connection that has idled for SETTLED_NS. */
static bool is_safe(const struct upstreams *p, const struct ask *ask, const struct instance *i,
		    const struct upstream *u)
{
	return (ask->idempotent && ask->whole) || (i->keeps[u->before] && !i->ends[u->before]) ||
	       upstreams_now(p) + POOL_IDLE_NS >= u->idle_until_ns + SETTLED_NS;
}

/* The newest connection is first: if it is stale, all are. */
struct upstream *pool_find(struct upstreams *p, const struct ask *ask, struct instance *i)
{
	uint32_t freezes = freezes_of(p, i);
	struct upstream *u;
	int looks = 0;

	if (ask->fresh_only)
		return NULL;
	chain_each(u, &i->pool, in_pool) {
		if (is_stale(p, u, freezes) || looks++ == POOL_LOOKS)
			return NULL;
		if (is_safe(p, ask, i, u))
			return u;
	}
	return NULL;
}

void pool_note_kept(struct upstreams *p, const struct upstream *u)
{
	p->instances->slots[u->slot].keeps[u->before] = true;
}

void pool_note_ended(struct upstreams *p, const struct upstream *u)
{
	p->instances->slots[u->slot].ends[u->before] = true;
}

/* A server that ends a connection right behind the answer will do so again. Later it was the idle
 * timer of the server. */
void pool_note_idle_end(struct upstreams *p, const struct upstream *u)
{
	if (upstream_is_idle(u) && upstreams_now(p) + POOL_IDLE_NS < u->idle_until_ns + ABRUPT_NS)
		pool_note_ended(p, u);
}

// SPDX-License-Identifier: Apache-2.0
/* Idle connections of an instance, and which of them a request may have. */
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/upstream/upstream.h"

/* Shorter than the 5 s after which Node closes an idle connection, the shortest time among common
 * servers. So the gateway closes first, and never under a request. */
#define POOL_IDLE_NS (4 * NS_PER_SEC)
#define POOL_MAX     256u
#define POOL_LOOKS   8
#define SETTLED_NS   (5 * NS_PER_MS)
#define ABRUPT_NS    (100 * NS_PER_MS)
/* A connection pooled before a freeze is poison after it: the server's idle timer went on, and
 * closes it under the request as soon as it may run. No server's timer is so short that this much
 * idling, awake or frozen, makes it fire. */
#define STALE_AFTER_NS (1 * NS_PER_SEC)

void pool_remove(struct upstreams *p, struct upstream *u)
{
	struct instance *i = &p->instances->slots[u->slot];

	if (!u->idle)
		return;
	if (u->idle_prev)
		p->slots[u->idle_prev - 1].idle_next = u->idle_next;
	else
		i->idle_head = u->idle_next;
	if (u->idle_next)
		p->slots[u->idle_next - 1].idle_prev = u->idle_prev;
	must(i->idle_count > 0);
	i->idle_count--;
	u->idle = false;
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

/* The owner's ticket is still open, so no freeze can come between. */
void pool_push(struct upstreams *p, struct upstream *u, struct instance *i)
{
	uint32_t self = u->s.index + 1;

	must(!u->idle && !u->owner && !u->left);
	u->idle = true;
	u->idle_prev = 0;
	u->idle_next = i->idle_head;
	if (i->idle_head)
		p->slots[i->idle_head - 1].idle_prev = self;
	i->idle_head = self;
	i->idle_count++;
	pool_begin(p, u, i);
}

bool pool_may_keep(const struct upstreams *p, const struct instance *i)
{
	return i->idle_count < POOL_MAX && !i->draining && i->pool_from_ns <= upstreams_now(p);
}

/* Many servers close a connection right behind an answer without having said so (some do it behind
 * a HEAD only), and a request that may not be sent twice would be lost with it. Until this instance
 * was seen to keep a connection, such a request gets one that has idled for a moment. */
static bool is_safe(const struct upstreams *p, const struct ask *ask, const struct instance *i,
		    const struct upstream *u)
{
	return (ask->idempotent && ask->whole) || (i->keeps[u->before] && !i->ends[u->before]) ||
	       upstreams_now(p) + POOL_IDLE_NS >= u->idle_until_ns + SETTLED_NS;
}

/* The newest is first: if it is stale, all are. */
struct upstream *pool_find(struct upstreams *p, const struct ask *ask, struct instance *i)
{
	uint32_t at = i->idle_head;

	if (ask->fresh_only || at == 0 || is_stale(p, &p->slots[at - 1], freezes_of(p, i)))
		return NULL;
	for (int n = 0; at && n < POOL_LOOKS; n++, at = p->slots[at - 1].idle_next)
		if (is_safe(p, ask, i, &p->slots[at - 1]))
			return is_stale(p, &p->slots[at - 1], freezes_of(p, i)) ? NULL
										: &p->slots[at - 1];
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

/* Right behind the answer: it does so again. Later: its own idle timer. */
void pool_note_idle_end(struct upstreams *p, const struct upstream *u)
{
	if (u->idle && upstreams_now(p) + POOL_IDLE_NS < u->idle_until_ns + ABRUPT_NS)
		pool_note_ended(p, u);
}

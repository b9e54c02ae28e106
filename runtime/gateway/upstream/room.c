// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/upstream/room.h"

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

/* An instance that has not answered by then may not have accepted the connection. */
#define LOOK_FIRST_NS  (10 * NS_PER_MS)
#define LOOK_DOUBLINGS 2u
#define ASK_AGAIN_NS   (1 * NS_PER_MS)
#define ASK_DOUBLINGS  4u

/* There was no room just now. No event says when the queue has room again, so the gateway asks,
 * ever more rarely. */
void room_ask_later(struct upstreams *p, struct instance *i)
{
	uint32_t n = i->empty_answers < ASK_DOUBLINGS ? i->empty_answers : ASK_DOUBLINGS;

	if (!chain_is_linked(&i->in_room))
		chain_add_last(&p->room_due, &i->in_room);
	timers_set(p->timers, p->first_timer + p->slot_count,
		   upstreams_now(p) + (ASK_AGAIN_NS << n));
}

static void ask(struct upstreams *p, struct instance *i, uint32_t waited_ms)
{
	if (i->asked_room)
		return;
	if (!tell_queue_get(p->tell, i, waited_ms)) {
		room_ask_later(p, i);
		return;
	}
	p->count->room_asks++;
	i->asked_room = true;
	i->asked_room_ns = upstreams_now(p);
	i->since_ask = i->connecting;
	i->waiting_then = i->waiting;
	i->left_then = i->left;
	i->epoch++;
}

bool room_take(struct upstreams *p, struct instance *i)
{
	if (i->room > 0) {
		i->room--;
		return true;
	}
	if (i->empty_answers == 0)
		ask(p, i, 0);
	else
		room_ask_later(p, i);
	return false;
}

void room_connecting(struct upstreams *p, struct instance *i, struct upstream *u)
{
	must(!u->unproven);
	u->unproven = true;
	u->connected = false;
	u->looks = 0;
	u->epoch = i->epoch;
	i->connecting++;
	i->since_ask++;
}

void room_connected(struct upstreams *p, struct upstream *u, bool refused)
{
	struct instance *i = upstream_instance(p, u);

	if (!i || u->connected)
		return;
	u->connected = true;
	must(i->connecting > 0);
	i->connecting--;
	u->epoch = i->epoch;
	i->waiting++;
	if (refused)
		room_accepted(p, u);
	if (u->s.closing || refused)
		return;
	u->connected_ns = upstreams_now(p);
	u->look_ns = u->connected_ns + LOOK_FIRST_NS;
	upstream_set_timer(p, u, u->look_ns);
}

void room_accepted(struct upstreams *p, struct upstream *u)
{
	struct instance *i = upstream_instance(p, u);

	if (!u->unproven)
		return;
	u->unproven = false;
	if (!i)
		return;
	i->waiting -= i->waiting > 0;
	/* Connections from before the last question are in its answer. */
	if (u->epoch == i->epoch && i->room < i->room_max)
		i->room++;
	if (!chain_is_empty(&i->waits))
		p->user->room(p->self, i);
}

void room_closed(struct upstreams *p, struct upstream *u)
{
	struct instance *i = upstream_instance(p, u);

	if (!u->unproven)
		return;
	room_connected(p, u, false);
	u->unproven = false;
	/* A connection that was seen to be accepted is gone now. Any other may still stand in the
	 * queue, and counts until the queue was seen empty. */
	if (i && u->epoch <= i->accepted_epoch)
		i->waiting -= i->waiting > 0;
	else if (i)
		i->left++;
}

/* A request waits for its first byte, maybe because nobody has accepted its connection: asks. */
void room_on_timer(struct upstreams *p, struct upstream *u)
{
	struct instance *i = upstream_instance(p, u);
	uint64_t gap_ns = LOOK_FIRST_NS << (u->looks < LOOK_DOUBLINGS ? u->looks : LOOK_DOUBLINGS);

	if (!u->unproven || !u->connected || !i || u->epoch <= i->accepted_epoch)
		return;
	if (u->look_ns <= upstreams_now(p)) {
		ask(p, i, (uint32_t)((upstreams_now(p) - u->connected_ns) / NS_PER_MS));
		u->looks += u->looks < UINT8_MAX;
		u->look_ns = upstreams_now(p) + gap_ns;
	}
	upstream_set_timer(p, u, u->look_ns);
}

void room_on_answer(struct upstreams *p, const struct wire_queue *queue)
{
	struct instance *i = instances_get(p->instances, queue->slot, queue->generation);
	uint32_t used;

	if (!i || !i->asked_room)
		return;
	i->asked_room = false;
	/* At most as many connections in the queue are ours as had no byte. */
	used = (queue->length < i->waiting_then ? queue->length : i->waiting_then) + i->since_ask;
	i->room = queue->share > used ? queue->share - used : 0;
	if (queue->length == 0) {
		i->accepted_epoch = i->epoch - 1;
		i->waiting -= i->left_then < i->waiting ? i->left_then : i->waiting;
		i->left -= i->left_then;
	}
	i->empty_answers = i->room > 0 ? 0 : i->empty_answers + 1;
	if (!chain_is_empty(&i->waits) && i->room > 0)
		p->user->room(p->self, i);
	if (!chain_is_empty(&i->waits))
		room_ask_later(p, i);
}

void room_forget_question(struct upstreams *p, struct instance *i)
{
	if (!i->asked_room)
		return;
	i->asked_room = false;
	room_ask_later(p, i);
}

void room_ask_due(struct upstreams *p)
{
	struct chain due, *link; /* ask() may put an instance back into room_due */

	chain_init(&due);
	chain_take_all(&p->room_due, &due);
	while ((link = chain_take_first(&due))) {
		struct instance *i = container_of(link, struct instance, in_room);

		if (!chain_is_empty(&i->waits))
			ask(p, i, 0);
	}
}

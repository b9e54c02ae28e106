// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/life.h"

#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#define X(name) [INSTANCE_##name] = #name,
static const char *const state_names[INSTANCE_STATE_COUNT] = {INSTANCE_STATES(X)};
static const char *const event_names[INSTANCE_EVENT_COUNT] = {INSTANCE_EVENTS(X)};
#undef X

/* No event leads to WAITING, so 0 says that a cell is absent. */
_Static_assert(INSTANCE_WAITING == 0, "an absent cell is 0");
static const uint8_t next_state[INSTANCE_STATE_COUNT][INSTANCE_EVENT_COUNT] = {
	[INSTANCE_WAITING] = {[INSTANCE_PREPARE] = INSTANCE_PREPARED,
			      [INSTANCE_CLAIM] = INSTANCE_STARTING,
			      [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_PREPARED] =
		{[INSTANCE_CLAIM] = INSTANCE_STARTING, [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_STARTING] = {[INSTANCE_READY] = INSTANCE_RUNNING,
			       [INSTANCE_TERMINATE] = INSTANCE_STOPPING,
			       [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_RUNNING] = {[INSTANCE_ASK_FREEZE] = INSTANCE_FREEZING,
			      [INSTANCE_DRAIN] = INSTANCE_DRAINING,
			      [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_FREEZING] = {[INSTANCE_SEEN_FROZEN] = INSTANCE_FROZEN,
			       [INSTANCE_THAW] = INSTANCE_RUNNING,
			       [INSTANCE_DRAIN] = INSTANCE_DRAINING,
			       [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_FROZEN] = {[INSTANCE_THAW] = INSTANCE_RUNNING,
			     [INSTANCE_DRAIN] = INSTANCE_DRAINING,
			     [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_DRAINING] =
		{[INSTANCE_TERMINATE] = INSTANCE_STOPPING, [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_STOPPING] = {[INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_DYING] = {[INSTANCE_EMPTY] = INSTANCE_GONE},
};

void instance_stands(struct instance *i, enum instance_state state)
{
	must(i->state == INSTANCE_WAITING); /* it was not in any yet */
	i->state = state;
	i->state_since_ns = loop_now_ns(i->ground->loop);
}

int instance_move(struct instance *i, enum instance_event event)
{
	enum instance_state from = i->state, next = next_state[from][event];
	const struct followers *followers = i->ground->followers;

	if (next == INSTANCE_WAITING) {
		log_error("event=move_refused instance=%s state=%s move=%s", i->id,
			  state_names[from], event_names[event]);
		return -EINVAL;
	}
	loop_timer_off(i->ground->loop, &i->timer);
	i->state = next;
	i->state_since_ns = loop_now_ns(i->ground->loop);
	for (uint32_t n = 0; n < FOLLOWERS_MAX && followers->on_enter[next][n]; n++) {
		must(n == 0 || i->state == next); /* the one before did not move it */
		followers->on_enter[next][n](i, from);
	}
	return 0;
}

struct instance *instance_find(const struct ground *g, uint32_t slot, uint32_t generation)
{
	struct instance *i = slot < INSTANCES_MAX ? g->slots[slot] : NULL;

	must(!i || i->slot == slot);
	return i && i->generation == generation ? i : NULL;
}

bool instance_is_shown(const struct instance *i)
{
	return !i->ahead;
}

bool instance_was_ready(const struct instance *i)
{
	return i->was_ready;
}

bool instance_is_up(const struct instance *i)
{
	return i->state == INSTANCE_RUNNING || i->state == INSTANCE_FREEZING ||
	       i->state == INSTANCE_FROZEN;
}

bool instance_may_talk(const struct instance *i)
{
	return i->announced && i->armed.ipc_fd >= 0 && i->log_fd >= 0 && i->cgroup.dir_fd >= 0 &&
	       i->state >= INSTANCE_STARTING && i->state < INSTANCE_DYING;
}

/* The moment at which WebSockets that gave their tickets to others have been silent for long
 * enough. Gateways write it on the board, and are believed for hibernate_ms after the last work at
 * most. */
uint64_t instance_kept_until_ns(const struct instance *i)
{
	const struct board_slot *slot = board_slot(i->ground->board, i->slot);
	uint64_t until_ns = atomic_load_explicit(&slot->awake_until_ns, memory_order_relaxed);
	uint64_t most_ns = atomic_load_explicit(&slot->idle_since_ns, memory_order_relaxed) +
			   i->spec->put.hibernate_ms * NS_PER_MS;

	return until_ns < most_ns ? until_ns : most_ns;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an instance is one table, state x event (life.c), and nothing else sets its state.
 *
 * The consequences of entering a state are a second table, which stands on the ground (followers).
 * So a mover of an instance need not know the parts that the move concerns.
 */
#ifndef EBB_SUPERVISOR_LIFE_H
#define EBB_SUPERVISOR_LIFE_H

#include "runtime/supervisor/instance/instance.h"

/* Applies the event, then calls what follows, in order. 0, or -EINVAL: this event cannot happen in
 * this state; it is logged, and nothing has changed. After a move to GONE the instance is freed. */
/* One that another ebbd left stands in this state; nothing follows. */
void instance_stands(struct instance *i, enum instance_state state);
int instance_move(struct instance *i, enum instance_event event);
/* The instance in this slot, if it still has this generation; else NULL. */
struct instance *instance_find(const struct ground *g, uint32_t slot, uint32_t generation);
/* The instance is not frozen before this moment, because its WebSockets sleep ahead of time
 * (awake_until_ns in board.h). */
uint64_t instance_kept_until_ns(const struct instance *i);

#endif

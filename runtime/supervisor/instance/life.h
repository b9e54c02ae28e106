/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an instance is one table, state x event (life.c), and nothing else sets its state.
 *
 * The consequences of entering a state are a second table, which stands on the ground (followers):
 * so the mover of an instance need not know whom that concerns.
 */
#ifndef EBB_SUPERVISOR_LIFE_H
#define EBB_SUPERVISOR_LIFE_H

#include "runtime/supervisor/instance/instance.h"

/* Applies the event, then calls what follows, in order. 0, or -EINVAL: this event cannot happen in
 * this state; it is logged, and nothing has changed. After a move to GONE the instance is freed. */
int instance_move(struct instance *i, enum instance_event event);
/* The one in this slot, if it is still the same; else NULL. */
struct instance *instance_find(const struct ground *g, uint32_t slot, uint32_t generation);
/* Not to be frozen before this, whatever else: WebSockets that sleep ahead of time, see board.h. */
uint64_t instance_kept_until_ns(const struct instance *i);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Freezing in three states: asked, happened, undone. */
#ifndef EBB_SUPERVISOR_FREEZER_H
#define EBB_SUPERVISOR_FREEZER_H

#include "runtime/supervisor/instance/instance.h"

void freezer_begin(struct instance *i); /* ready or thawed: when may it freeze? */
int freezer_ask(struct instance *i);    /* 0, -EBUSY: it has work; or -errno */
void freezer_thaw(struct instance *i);  /* by the supervisor itself */
/* Something arrived for the frozen instance: it is thawed now, or as soon as its service may again.
 */
void freezer_wake(struct instance *i, const struct talk *arrived);
void freezer_look(struct instance *i); /* did a gateway thaw it? */
/* The host's clock was set, or the host was suspended: a frozen instance is looked at anew, soon.
 */
void freezer_clock_jumped(struct instance *i);

/* One of an earlier ebbd that is up: goes on as the board says. was_frozen: as
 * far as its ebbd knew. It runs, freezes or is frozen afterwards. */
void freezer_adopt(struct instance *i, bool was_frozen);

#endif

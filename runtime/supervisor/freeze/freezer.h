/* SPDX-License-Identifier: Apache-2.0 */
/* Freezing in three states: asked, happened, undone. */
#ifndef EBB_SUPERVISOR_FREEZER_H
#define EBB_SUPERVISOR_FREEZER_H

#include "runtime/supervisor/instance/instance.h"

void freezer_begin(struct instance *i); /* ready or thawed: when may it freeze? */
int freezer_ask(struct instance *i);    /* 0, -EBUSY: it has work; or -errno */
void freezer_thaw(struct instance *i);  /* by the supervisor itself */
void freezer_look(struct instance *i);  /* did a gateway thaw it? */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which instances stand behind the others that want a CPU, and whether heavy ones are awake beside
 * light ones: the state behind decide/precedence.h. load.c says what was read. */
#ifndef EBB_SUPERVISOR_STANDING_H
#define EBB_SUPERVISOR_STANDING_H

#include "runtime/supervisor/instance/instance.h"

void standing_begin(struct instance *i); /* ready or thawed */
/* The CPU of its first 20 ms; 1000 = one CPU. The instance stays in front, because every short
 * answer is as busy; but the others that are awake get ticks (peers/ticklink.h) beside it. */
void standing_glance(struct instance *i, uint32_t used_milli);
void standing_step(struct instance *i, uint32_t used_milli); /* over a sample */
void standing_end(struct instance *i);                       /* frozen or gone */

#endif

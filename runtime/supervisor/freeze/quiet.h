/* SPDX-License-Identifier: Apache-2.0 */
/* May an instance without work be frozen, and when must it be thawed again for its timers? */
#ifndef EBB_SUPERVISOR_QUIET_H
#define EBB_SUPERVISOR_QUIET_H

#include "runtime/supervisor/instance/instance.h"

/* Whether an instance without work may be frozen now; if not, *again_ns is when to ask again. */
bool quiet_enough(struct instance *i, uint64_t *again_ns);
void quiet_sample(struct instance *i); /* where the next window of CPU begins */
/* The instance was seen frozen: finds the next timer, and the moment at which the instance must be
 * thawed for the timer. While i->idle.run is not NULL, the search goes on: call again at part_ns.
 */
void quiet_frozen(struct instance *i);
void quiet_end(struct instance *i); /* no look goes on */
void quiet_thawed(struct instance *i, uint64_t since_ns, bool by_timer);
void quiet_forget(struct instance *i); /* frees what it remembers */

#endif

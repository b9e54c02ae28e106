/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an instance without work may be frozen, and when it must be thawed for its timers. */
#ifndef EBB_SUPERVISOR_QUIET_H
#define EBB_SUPERVISOR_QUIET_H

#include "runtime/supervisor/instance/instance.h"

/* Whether an instance without work may be frozen now; if not, *again_ns is when to ask again. */
bool quiet_enough(struct instance *i, uint64_t *again_ns);
void quiet_sample(struct instance *i); /* where the next window of CPU begins */
/* The instance was seen frozen: finds the next timer, and the moment of the thaw for it
 * (idle.wake_ns). While idle.run is not NULL the search goes on: call again at idle.part_ns. */
void quiet_frozen(struct instance *i);
void quiet_end(struct instance *i); /* no look goes on */
enum thawed_for { THAWED_FOR_WORK, THAWED_FOR_TIMER, THAWED_FOR_NETWORK };
void quiet_thawed(struct instance *i, uint64_t since_ns, enum thawed_for what);
/* Takes one thaw for the network out of the service's budget. False: it is used up until *due_ns.
 */
bool quiet_wake_granted(struct instance *i, uint64_t *due_ns);
void quiet_forget(struct instance *i); /* frees what it remembers */

#endif

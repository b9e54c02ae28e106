/* SPDX-License-Identifier: Apache-2.0 */
/* The watch on what arrives for an instance while it is frozen (netns/watch.h). An instance whose
 * arrivals wake nobody has none. */
#ifndef EBB_SUPERVISOR_WAKING_H
#define EBB_SUPERVISOR_WAKING_H

#include "runtime/supervisor/instance/instance.h"

/* It has a network, ebb.network says "wake", and the kernel can tell. */
bool waking_wanted(const struct instance *i);
/* Watches, from before the look that decides about a freeze until a thaw: no moment is unwatched in
 * which data could come and stay unread. */
void waking_begin(struct instance *i);
void waking_end(struct instance *i);
/* Whether data came since waking_begin; false without a watch. */
bool waking_missed(const struct instance *i);

#endif

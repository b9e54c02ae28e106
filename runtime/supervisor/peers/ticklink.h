/* SPDX-License-Identifier: Apache-2.0 */
/* ebb-tick under ebbd: told when the CPUs are to look more often at who wants them. */
#ifndef EBB_SUPERVISOR_TICKLINK_H
#define EBB_SUPERVISOR_TICKLINK_H

#include "runtime/supervisor/instance/observer.h"
#include "runtime/supervisor/programs/daemon.h"

struct ticklink;

/* Starts ebb-tick, unless tick_us is 0; host is borrowed. 0, or -errno with a sentence. */
int ticklink_new(const struct program_host *host, struct ticklink **out, struct fault *f);
void ticklink_free(struct ticklink *l); /* NULL is fine */
/* It hears whether busy instances are awake beside others. */
struct observer ticklink_observer(struct ticklink *l);

#endif

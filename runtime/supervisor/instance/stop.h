/* SPDX-License-Identifier: Apache-2.0 */
/* The end of an instance, wanted or not. */
#ifndef EBB_SUPERVISOR_STOP_H
#define EBB_SUPERVISOR_STOP_H

#include "runtime/supervisor/instance/instance.h"

/* It takes no more tickets, and ends when none is open, or after maxDuration. */
void stop_drain(struct instance *i);
/* The instance does not end a request that it was told to end. The instance drains, but only for
 * its stop grace. True if that is new and the instance was up. */
bool stop_unresponsive(struct instance *i);
void stop_kill(struct instance *i, uint32_t cause, const char *fault);
/* Watches the death of an instance from the moment at which the instance has a sandbox, and its
 * control socket from the claim on. 0 or -errno. */
int stop_watch_death(struct instance *i);
int stop_watch(struct instance *i);
/* It ended before it accepted because something killed it, which says nothing about its program. */
bool stop_was_killed(const struct instance *i);
/* It was killed or died: nobody may use it, and nothing more is heard of it. */
void stop_let_go(struct instance *i);

#endif

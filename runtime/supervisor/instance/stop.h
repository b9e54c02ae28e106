/* SPDX-License-Identifier: Apache-2.0 */
/* The end of an instance, wanted or not. */
#ifndef EBB_SUPERVISOR_STOP_H
#define EBB_SUPERVISOR_STOP_H

#include "runtime/supervisor/instance/instance.h"

/* The instance takes no more tickets, and ends when none is open, or after maxDuration. */
void stop_drain(struct instance *i);
/* The instance does not end a request that it was told to end: it drains, but only for its stop
 * grace. True if that is new and the instance was up. */
bool stop_unresponsive(struct instance *i);
void stop_kill(struct instance *i, uint32_t cause, const char *fault);
/* stop_watch_death watches the death of an instance, from the moment at which it has a sandbox;
 * stop_watch watches its control socket, from the claim on. 0 or -errno. */
int stop_watch_death(struct instance *i);
int stop_watch(struct instance *i);
/* Something killed the instance before it accepted; that says nothing about its program. */
bool stop_was_killed(const struct instance *i);
/* One of an earlier ebbd ends as it would have there: it drained or was told to end, its PID 1 was
 * gone, or it had not come up (then another one starts in its place). */
void stop_adopt(struct instance *i, enum instance_state was);
/* An instance was killed or died: nobody may use it, and nothing more is heard of it. */
void stop_let_go(struct instance *i);

#endif

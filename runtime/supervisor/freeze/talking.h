/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an instance without work waits for somebody on a connection that it opened. */
#ifndef EBB_SUPERVISOR_TALKING_H
#define EBB_SUPERVISOR_TALKING_H

#include "runtime/supervisor/instance/instance.h"

/* Looks, into idle.talks. */
bool talking(struct instance *i);
/* It has waited for long enough: these exchanges keep it awake no more. */
void talking_settle(struct instance *i);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Why requests go where they go, told as events. */
#ifndef EBB_SUPERVISOR_CHOICE_H
#define EBB_SUPERVISOR_CHOICE_H

#include "runtime/supervisor/instance/instance.h"
#include "runtime/supervisor/scale/fleet.h"

/* Takes a gateway's report of its choice. 0, or -EPROTO if the record is malformed. */
int choice_made(struct fleet *f, const struct wire_choice *choice);
/* Tells the service's last choice, if it is news. 0, or the moment at which it is to be told
 * because it is too early now. */
uint64_t choice_say_due(struct fleet *f, struct service *service);

#endif

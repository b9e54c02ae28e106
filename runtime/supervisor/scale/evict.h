/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen instances stay until their room is wanted. */
#ifndef EBB_SUPERVISOR_EVICT_H
#define EBB_SUPERVISOR_EVICT_H

#include "runtime/supervisor/instance/instance.h"
#include "runtime/supervisor/scale/fleet.h"

void evict_note(struct instance *i); /* it was frozen: the memory that it occupies */
/* How many more instances of a service have room now. */
uint32_t evict_room(struct fleet *f, const struct service *service);
/* Makes room for one instance of the service. False if no other instance may go for it; true: some
 * are leaving, and all services are looked at again when they are gone. */
bool evict_for(struct fleet *f, const struct service *service);
/* No instance may go now, but one that just became idle may as soon as it is frozen. */
bool evict_soon(struct fleet *f, const struct service *service);
/* An instance starts: makes others leave, as far as the host has too little memory for it. */
void evict_to_reserve(struct fleet *f, const struct service *service);
/* Whether the host has memory for what is not needed yet. */
bool evict_spares(struct fleet *f);
void evict_watch(struct fleet *f); /* memory pressure of the host */
void evict_watch_end(struct fleet *f);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How many instances a service has: carries out the policy's decision. */
#ifndef EBB_SUPERVISOR_SCALE_H
#define EBB_SUPERVISOR_SCALE_H

#include "runtime/supervisor/instance/instance.h"
#include "runtime/supervisor/scale/fleet.h"

/* Asks the policy about this service and starts as many instances as it says. */
void scale_service(struct fleet *f, struct service *service);
/* An instance that serves is about to go: another one starts, unless others serve or start
 * already. */
void scale_replace(struct instance *i, const char *why);
/* While the present revision fails to start, waiting requests get instances of the last revision
 * that accepted (proven in services.h). False if there is none, or if requests wait and no instance
 * of it serves or starts. */
bool scale_fall_back(struct fleet *f, struct service *service);
/* Requests of a service were answered 503, counted by cause. */
void scale_refused(struct fleet *f, struct service *service, const uint32_t counts[REFUSED_KINDS]);
void scale_again_at(struct fleet *f, uint64_t due_ns); /* all services, not later than this */
void scale_on_due(struct timer *t);
void scale_on_pass(struct timer *t);

#endif

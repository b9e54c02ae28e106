/* SPDX-License-Identifier: Apache-2.0 */
/* Tells all observers of events (observer.h). */
#ifndef EBB_SUPERVISOR_TELL_H
#define EBB_SUPERVISOR_TELL_H

#include "runtime/supervisor/instance/instance.h"

/* One for each member of struct observer, in the order in which observers were added. */
void tell_born(struct instance *i); /* it has bindings, and will run in a moment */
void tell_up(struct instance *i);
void tell_drain(struct instance *i, bool all);
void tell_down(struct instance *i);
void tell_start_failed(struct ground *g, const struct wire_start_failed *record);
void tell_meter(struct ground *g, struct wire_meter *record);
void tell_event(struct ground *g, const struct wire_event *record);
void tell_starts(struct ground *g, bool can);
void tell_drained(struct ground *g);
void tell_emptied(struct ground *g);
void tell_mixed(struct ground *g, bool on);
/* Whether all observers keep up with what instances use. */
bool tell_kept_up(const struct ground *g);

/* Tells observers of the instance, once, and hands over its output. Not on the way of a fast start:
 * every process that is woken then takes a CPU from the start. */
void tell_announce(struct instance *i);
void tell_adopted(struct instance *i); /* its peers talk to it again */
/* An event of an instance; at most ERROR_TEXT_SIZE bytes. */
void instance_say(struct instance *i, uint32_t event_kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* An event of a service. */
void service_say(struct ground *g, const struct service *service, uint32_t event_kind,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif

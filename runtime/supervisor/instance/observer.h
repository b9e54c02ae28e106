/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An observer hears what becomes of instances. Each peer of ebbd is one, and ebbd itself.
 *
 * A function that is NULL is not called. Observers are called in the order in which they were added
 * (fleet_observe), from the loop, and must not block.
 */
#ifndef EBB_SUPERVISOR_OBSERVER_H
#define EBB_SUPERVISOR_OBSERVER_H

#include <stdbool.h>

#include "runtime/wire/records.h"

#define OBSERVERS_MAX 8

struct instance;

struct observer {
	void *self;
	/* The instance has bindings and is about to run. */
	void (*born)(void *self, struct instance *i);
	/* The instance accepts. Gateways send it requests from now on. */
	void (*up)(void *self, struct instance *i);
	/* It takes no new work; all: its time is over, so its WebSockets go, too
	 * (wire_instance_drain). */
	void (*drain)(void *self, struct instance *i, bool all);
	/* Its PID 1 is gone. Also of one that never came up. */
	void (*down)(void *self, struct instance *i);
	/* It has a name, and its output can be read. Told late, so as not to slow a fast start. */
	void (*announced)(void *self, struct instance *i);
	void (*start_failed)(void *self, const struct wire_start_failed *record);
	void (*event)(void *self, const struct wire_event *record);
	void (*meter)(void *self, struct wire_meter *record);
	/* False: the usage of instances cannot be written down now, so there is no new work. */
	bool (*keeps_up)(void *self);
	/* Whether sandboxes can be made: not while there is no zygote. */
	void (*starts)(void *self, bool can);
	/* Whether instances that use much of the CPU are awake beside others. */
	void (*mixed)(void *self, bool on);
	void (*drained)(void *self); /* the host takes no new work, and its last instance is gone */
	void (*emptied)(void *self); /* the last instance of a stopping fleet is gone */
};

#endif

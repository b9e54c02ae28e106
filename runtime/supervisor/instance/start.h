/* SPDX-License-Identifier: Apache-2.0 */
/* From a decision to a process that runs: a slot, then an armed sandbox, then image and program. */
#ifndef EBB_SUPERVISOR_START_H
#define EBB_SUPERVISOR_START_H

#include "runtime/supervisor/instance/instance.h"

/* Makes an instance, which waits for a sandbox. ahead: nobody needs it yet. 0 or -errno. */
int instance_new(struct ground *g, struct service *service, struct spec *spec, bool ahead,
		 const char *why);
/* A zeroed one becomes one without anything; its id begins with the service's name. */
void instance_init(struct instance *i, struct ground *g, struct spec *spec);
/* Into its slot and the list, as the last. */
void instance_link(struct instance *i);
/* Releases all that an instance has and takes it out of the list. */
void instance_free(struct instance *i);
/* Uses the instance that was made ahead for this service. False if there is none. */
bool start_prepared(struct ground *g, const struct service *service, const char *why);
/* An armed sandbox may go on: r is 0, or -errno with the fault in i->fault. */
void start_go_on(struct instance *i, int r);
void start_waiting(struct ground *g); /* gives armed sandboxes to those that wait */

#endif

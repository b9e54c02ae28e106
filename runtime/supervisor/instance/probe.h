/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an instance accepts: probe.c asks over TCP, probe_unix.c asks an instance that inherited
 * its listening socket. */
#ifndef EBB_SUPERVISOR_PROBE_H
#define EBB_SUPERVISOR_PROBE_H

#include "runtime/supervisor/instance/instance.h"

/* Asks again and again until the instance accepts (probe_passed) or initTimeout ends it; from the
 * loop, never blocking. */
void probe_begin(struct instance *i);
void probe_unix_begin(struct instance *i);
void probe_passed(struct instance *i); /* it accepts */
void probe_end(struct instance *i);    /* closes what the probe had open */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The meters of an instance: cumulative and monotonic, so a reading sent twice is harmless. */
#ifndef EBB_SUPERVISOR_METERING_H
#define EBB_SUPERVISOR_METERING_H

#include "runtime/supervisor/instance/instance.h"

/* Opens the account of an instance that was claimed: CPU from before belongs to ebb. */
void meter_open(struct instance *i);
/* The instance accepts: tells the first reading, with the CPU time of its start. */
void meter_ready(struct instance *i);
void meter_take(struct instance *i);                                /* brings i->last up to date */
void meter_read(struct instance *i, enum wire_meter_reason reason); /* and tells it */
/* The instance was awake without work until to_ns (at most now), and not quiet: that time is
 * provisioned, too. */
void meter_background(struct instance *i, uint64_t idle_since_ns, uint64_t to_ns);
/* Reads the meters now and then, because the instance may use something. Not while it is frozen. */
void meter_begin(struct instance *i);
void meter_end(struct instance *i);

#endif

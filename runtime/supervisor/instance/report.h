/* SPDX-License-Identifier: Apache-2.0 */
/* The public view of an instance, and the records that carry it. */
#ifndef EBB_SUPERVISOR_REPORT_H
#define EBB_SUPERVISOR_REPORT_H

#include <stdbool.h>

#include "runtime/wire/records.h"

struct instance;

/* Gateways may use it: ready, frozen or not. */
bool instance_is_up(const struct instance *i);
bool instance_is_shown(const struct instance *i);  /* false: made ahead of need */
bool instance_was_ready(const struct instance *i); /* it accepted once */
void instance_up_record(const struct instance *i, struct wire_instance_up *out);
int instance_freeze_fd(const struct instance *i); /* borrowed */
int instance_log_fd(const struct instance *i);    /* borrowed */
int instance_ipc_fd(const struct instance *i);    /* borrowed */
bool instance_may_talk(const struct instance *i); /* over that */
/* Each fills in a record of runtime/wire; instance_info_record also reads the meter and, if
 * counted, counts its open connections. */
void instance_ipc_record(const struct instance *i, struct wire_ipc_up *out);
/* Fills the record and the descriptors (borrowed) of its bindings of a kind. Returns how many it
 * has now: 0 before it is born, too. */
uint32_t instance_bindings_record(const struct instance *i, uint32_t kind,
				  struct wire_bindings *out, int fds[BINDINGS_MAX]);
void instance_down_record(const struct instance *i, struct wire_instance_down *out);
void instance_info_record(struct instance *i, bool counted, struct wire_instance_info *out);
void instance_log_record(const struct instance *i, struct wire_log_pipe *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that a reading must keep. append.c and verify.c both apply them, so the ledger never
 * holds a row that its own audit would reject.
 *
 * Alone:   every number fits 63 bits; the reason is known; awake_us + frozen_us <= lived_us (the
 *          rest of lived_us is the time the instance was idle but not frozen); cpu_init_us <=
 *          cpu_us; the names of the instance and the service are not empty.
 * Against the reading before it of the same account (boot_us, instance): the same service,
 * revision, memory_mb and cgroup_id; seq has risen; no counter has fallen; the account was not
 * closed. read_us may fall: it is the time of the wall clock, which can be set back.
 */
#ifndef EBB_LEDGER_RULES_H
#define EBB_LEDGER_RULES_H

#include "runtime/wire/records.h"

/* NULL when the reading is in order, else the fault, such as "awake_us + frozen_us > lived_us". */
const char *rules_alone(const struct wire_meter *m);
const char *rules_after(const struct wire_meter *before, const struct wire_meter *m);

#endif

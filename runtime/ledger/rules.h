/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that a reading must keep. They guard the door (append.c) and the audit (verify.c), so
 * the ledger never holds a row that its own audit would reject.
 *
 * Alone:   every number fits 63 bits; awake_us + frozen_us <= lived_us (what is left of lived_us is
 *          the time the instance was idle but not frozen); cpu_init_us <= cpu_us; names are names.
 * Against the reading before it of the same account (boot_us, instance): the same service,
 * revision, memory_mb and cgroup_id; seq has risen; no counter has fallen; the account was not
 * closed. read_us is what the wall clock said, and that may go back.
 */
#ifndef EBB_LEDGER_RULES_H
#define EBB_LEDGER_RULES_H

#include "runtime/wire/records.h"

/* NULL when the reading is in order, else a sentence's end: "awake_us + frozen_us > lived_us". */
const char *rules_alone(const struct wire_meter *m);
const char *rules_after(const struct wire_meter *before, const struct wire_meter *m);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Why an instance is in its state, in a sentence: `ebb why`. */
#ifndef EBB_SUPERVISOR_WHY_H
#define EBB_SUPERVISOR_WHY_H

#include "runtime/supervisor/instance/instance.h"

void instance_explain(const struct instance *i, board_word w, char *out, size_t size);
/* why_talks.c: the connections that keep it awake. */
void explain_talks(const struct instance *i, uint64_t now_ns, char *out, size_t size);

#endif

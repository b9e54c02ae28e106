/* SPDX-License-Identifier: Apache-2.0 */
/* How busy an instance is. */
#ifndef EBB_SUPERVISOR_LOAD_H
#define EBB_SUPERVISOR_LOAD_H

#include "runtime/supervisor/instance/instance.h"

void load_begin(struct instance *i); /* ready or thawed: measure while it works */
/* It has no work, is frozen or gone: the measuring ends. */
void load_end(struct instance *i);

#endif

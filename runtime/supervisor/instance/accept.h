/* SPDX-License-Identifier: Apache-2.0 */
/* How full the accept queue of an instance is. */
#ifndef EBB_SUPERVISOR_ACCEPT_H
#define EBB_SUPERVISOR_ACCEPT_H

#include "runtime/supervisor/instance/instance.h"

/* The instance is ready: reads how long its queue may be, once. */
void accept_begin(struct instance *i);
/* A gateway asks. 0 with *out, and *drop_ms > 0 if idle connections to it are to be closed and none
 * kept for so long; -errno. */
int accept_ask(struct instance *i, uint32_t waited_ms, struct wire_queue *out, uint32_t *drop_ms);
/* For each gateway at first. */
uint32_t accept_room(const struct instance *i);
/* The longest it was since this was asked last. */
uint32_t accept_longest(struct instance *i);

#endif

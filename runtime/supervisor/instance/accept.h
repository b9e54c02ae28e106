/* SPDX-License-Identifier: Apache-2.0 */
/* How full the accept queue of an instance is. */
#ifndef EBB_SUPERVISOR_ACCEPT_H
#define EBB_SUPERVISOR_ACCEPT_H

#include "runtime/supervisor/instance/instance.h"

/* The instance is ready: reads how long its queue may be, once. */
void accept_begin(struct instance *i);
/* Answers a gateway whose request has waited for waited_ms. 0 with *out, or -errno. *drop_ms > 0:
 * idle connections to the instance are to be closed, and none is to be kept for so long. */
int accept_ask(struct instance *i, uint32_t waited_ms, struct wire_queue *out, uint32_t *drop_ms);
/* The number of connections that each gateway may make at first. */
uint32_t accept_room(const struct instance *i);
/* Whether nobody listens any more where the kernel saw a listener when the instance was ready. */
bool accept_has_ended(struct instance *i);
/* The longest queue that was seen since the last call. */
uint32_t accept_longest(struct instance *i);

#endif

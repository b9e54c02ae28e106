/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells choices to the access log, to the counters, and to ebbd when they change, at most once per
 * second and service; ebbd makes an event of them.
 */
#ifndef EBB_GATEWAY_CHOICE_TELL_H
#define EBB_GATEWAY_CHOICE_TELL_H

#include "runtime/gateway/exchange/gateway.h"
#include "runtime/gateway/route/choice.h"

/* c got its ticket there: noted for its line in the access log, counted, told if it is news. */
void choice_made(struct gateway *g, struct client *c, const struct choice *made);
/* Coarse timer: tells what was too early to tell. */
void choice_tell_due(struct gateway *g);
/* Another service has this number from now on. */
void choice_forget(struct service *s);

#endif

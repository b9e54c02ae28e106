/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells which instances were chosen: to the access log, to the counters, and to ebbd when the
 * choice changes, at most once per second and service. ebbd makes an event of it.
 */
#ifndef EBB_GATEWAY_CHOICE_TELL_H
#define EBB_GATEWAY_CHOICE_TELL_H

#include "runtime/gateway/exchange/gateway.h"
#include "runtime/gateway/route/choice.h"

/* c got its ticket on made->best: notes that for the access log, counts it, and tells ebbd if it is
 * news. */
void choice_made(struct gateway *g, struct client *c, const struct choice *made);
/* At the coarse timer: tells the choices that were too early to tell. */
void choice_tell_due(struct gateway *g);
/* Forgets the last choice, because another service gets this number. */
void choice_forget(struct service *s);

#endif

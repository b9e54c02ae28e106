/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room in the accept queues of instances. A connect succeeds, and even a request can be sent, while
 * nobody has accepted; but the kernel drops the SYN that finds the queue full, and the next one
 * comes a second later. So each gateway has a share of the queue: a connect takes one, the first
 * byte that comes back returns it. When it is used up ebbd reads the queue itself
 * (supervisor/instance/accept.c), because an instance that takes its time to answer has long
 * accepted.
 *
 * Questions are numbered (epoch). The answer covers the connections that stood when it was asked;
 * those made since, or on their way then, are subtracted. First bytes on covered connections return
 * nothing, because the answer counts them already.
 */
#ifndef EBB_GATEWAY_ROOM_H
#define EBB_GATEWAY_ROOM_H

#include "runtime/gateway/upstream/upstream.h"

/* One connect may be made. False: later; the user hears of room. */
bool room_take(struct upstreams *p, struct instance *i);
void room_connecting(struct upstreams *p, struct instance *i, struct upstream *u);
void room_connected(struct upstreams *p, struct upstream *u, bool refused);
/* A byte came: it was accepted. */
void room_accepted(struct upstreams *p, struct upstream *u);
/* Before any byte came: if nobody accepted it, it still stands in the queue. */
void room_closed(struct upstreams *p, struct upstream *u);
void room_on_timer(struct upstreams *p, struct upstream *u);
void room_on_answer(struct upstreams *p, const struct wire_queue *queue);
void room_ask_due(struct upstreams *p);

#endif

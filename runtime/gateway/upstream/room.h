/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room in the accept queues of instances. A connect succeeds, and even a request can be sent, while
 * nobody has accepted the connection. But the kernel drops the SYN that finds the queue full, and
 * sends the next one a second later. So each gateway has a share of the queue: a connect takes one
 * place, and the first byte that comes back returns it. When the share is used up, ebbd reads the
 * queue itself (supervisor/instance/accept.c), because an instance that takes its time to answer
 * may have accepted long ago.
 *
 * Questions to ebbd are numbered (epoch). An answer covers the connections that stood when it was
 * asked. Connections made since then, or under way then, are subtracted. The first byte on a
 * covered connection returns no place, because the answer counts it already.
 */
#ifndef EBB_GATEWAY_ROOM_H
#define EBB_GATEWAY_ROOM_H

#include "runtime/gateway/upstream/upstream.h"

/* Looks at the waiting requests of this instance again in a moment: ebbd could not say yes. */
void room_ask_later(struct upstreams *p, struct instance *i);

/* Takes the place for one connect. False: there is none now, and the user hears of room later
 * (upstream_user). */
bool room_take(struct upstreams *p, struct instance *i);
/* The connect of u begins; its place was taken. */
void room_connecting(struct upstreams *p, struct instance *i, struct upstream *u);
/* The kernel has decided the connect of u. */
void room_connected(struct upstreams *p, struct upstream *u, bool refused);
/* A byte came on u, so it was accepted: its place is free. */
void room_accepted(struct upstreams *p, struct upstream *u);
/* u is closed. If no byte came and nobody accepted u, it still stands in the queue. */
void room_closed(struct upstreams *p, struct upstream *u);
/* u has waited for its first byte: asks whether nobody has accepted it. */
void room_on_timer(struct upstreams *p, struct upstream *u);
/* ebbd has answered how full the queue is. */
void room_on_answer(struct upstreams *p, const struct wire_queue *queue);
/* No question will be answered: asks again where somebody waits. */
void room_forget_question(struct upstreams *p, struct instance *i);
/* At the coarse timer: asks again for the instances without room. */
void room_ask_due(struct upstreams *p);

#endif

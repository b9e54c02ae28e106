/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets. The gateway accepts from them while it has a free slot, and ebbd may
 * replace them while the gateway serves. A socket that stays is handed over anew together with all
 * others. The kernel treats it as the same socket, so clients that wait in its queue are accepted.
 */
#ifndef EBB_GATEWAY_LISTENERS_H
#define EBB_GATEWAY_LISTENERS_H

#include "runtime/gateway/exchange/gateway.h"

/* Marks every place as without a socket; call this first. */
void listeners_init(struct gateway *g);
/* Takes count descriptors (at most LISTENERS_MAX) in place of all present ones. Bit n of proxy says
 * that connections of fds[n] begin with a PROXY header. Connections that were accepted from a
 * socket that leaves are served as before. */
void listeners_change(struct gateway *g, int *fds, uint32_t count, uint32_t proxy);
/* The options that accepted sockets inherit. */
void listener_set_options(int fd);
/* Begins to accept on the sockets that have no accept under way, unless the gateway drains or
 * routes follow. */
void listeners_arm(struct gateway *g);
/* Stops accepting; listeners_idle() says when no accept is under way any more. */
void listeners_drain(struct gateway *g);
bool listeners_idle(const struct gateway *g);
/* An accept on this socket is over, with this result. Whether this gateway retires, and clients
 * wait in the queue. The kernel wakes one of two gateways for a
 * client; an accept that was cancelled may have had the wake-up, and then the other gateway does
 * not know of the client. So a gateway that gives its sockets to another one looks once more. */
bool listener_is_owed_a_look(const struct gateway *g, int fd, int result);
/* The same for the socket of ebb-flow, of which nobody can tell how many wait: once. */
bool listener_flow_is_owed_a_look(struct gateway *g);
/* Takes the socket of ebb-flow; one that is there stays, and is the same. */
void listener_flow_put(struct gateway *g, int *fd);
/* Accepts one connection. A multishot accept takes the whole queue before the loop sees another
 * event, so a flood of connections would hold up those that are there. */
void listener_accept(struct io_uring_sqe *sqe, int fd);
/* Accepts those that wait, and cancels again. */
void listener_empty(struct gateway *g, uint32_t index);
/* The accept of this place is over: closes the socket and puts the waiting one in its place. */
void listener_left(struct gateway *g, uint32_t index);

#endif

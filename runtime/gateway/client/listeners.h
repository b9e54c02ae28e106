/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets: accepted from while there is a slot, and replaced while the gateway
 * serves. A socket that stays is handed over anew with all others; it is the same one to the
 * kernel, so clients that wait in its queue are accepted.
 */
#ifndef EBB_GATEWAY_LISTENERS_H
#define EBB_GATEWAY_LISTENERS_H

#include "runtime/gateway/exchange/gateway.h"

/* Before the first one: no place has a socket. */
void listeners_init(struct gateway *g);
/* Takes count descriptors in place of all there are; bit n of proxy is that of fds[n]. Connections
 * accepted from a socket that leaves are served as before. */
void listeners_change(struct gateway *g, int *fds, uint32_t count, uint32_t proxy);
/* Accepts on those that do not, while the gateway does not drain. */
void listeners_arm(struct gateway *g);
/* No more connections; listeners_idle() when that is so. */
void listeners_drain(struct gateway *g);
bool listeners_idle(const struct gateway *g);
/* Its accept is over and is not to come again. */
void listener_left(struct gateway *g, uint32_t index);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a client, whether it is trusted, and how many connections it has. */
#ifndef EBB_GATEWAY_PEER_H
#define EBB_GATEWAY_PEER_H

#include "runtime/gateway/exchange/gateway.h"

/* A new connection: notes its address (getpeername(2)) and whether it is a trusted front. */
void peer_note(struct gateway *g, struct client *c);
/* Counts the connection. False: its address has too many. */
bool peer_admit(struct gateway *g, struct client *c);
void peer_forget(struct gateway *g, struct client *c);
/* Whether connections of this listener begin with a PROXY header. */
bool peer_must_introduce(const struct gateway *g, uint32_t listener);
/* Reads the PROXY header: 1 = the client of c is known, 0 = more is needed, -1 = it is none, or c
 * may not send one. */
int peer_read_introduction(struct gateway *g, struct client *c);

#endif

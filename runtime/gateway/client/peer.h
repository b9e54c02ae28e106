/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a client, whether it is trusted, and how many connections it has. */
#ifndef EBB_GATEWAY_PEER_H
#define EBB_GATEWAY_PEER_H

#include "runtime/gateway/exchange/gateway.h"

/* A new connection: notes its address (getpeername(2)) and whether it is a trusted front. */
void peer_note(struct gateway *g, struct client *c);
/* Counts the connection, unless c is trusted or no limit is set. False: its address has too many.
 */
bool peer_admit(struct gateway *g, struct client *c);
void peer_forget(struct gateway *g, struct client *c);
/* Whether connections of this listener begin with a PROXY header. */
bool peer_must_introduce(const struct gateway *g, uint32_t listener);
/* Reads the PROXY header. 1: c has the address in it. 0: more bytes are needed. -1: the bytes are
 * no PROXY header, or c is not trusted to send one. */
int peer_read_introduction(struct gateway *g, struct client *c);

#endif

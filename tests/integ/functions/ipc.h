/* SPDX-License-Identifier: Apache-2.0 */
/* The work of a runtime over the socket to its host, by hand: the protocol is what is tested. */
#ifndef PROBE_IPC_H
#define PROBE_IPC_H

#include "http.h"

/* POST ?wait=N&pause=M sends the body as it is over a new connection to the host, with a pause of M
 * ms behind the first ten bytes. {"closed"}: whether the host closed the connection, at the latest
 * N ms after the last byte. */
void on_ipc(struct call *c);
/* ?ms=N answers at once and works on for N ms. It sends a hold, and sends it again when the host
 * closed the connection (repeat=0: not again); after N ms it writes a log line and sends the end of
 * the hold (end=0: no end). deadline=M: the hold has a deadline M ms from now. */
void on_background(struct call *c);
/* ?n=N&ms=M: N log lines with this request's id, M ms apart. */
void on_tagged(struct call *c);

/* POST ?to=WHERE&piece=N writes the body as it is to stdout, or with to=2 to stderr, or with to=12
 * to both in turn, N bytes at a time. */
void on_emit(struct call *c);

#endif

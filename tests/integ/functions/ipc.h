/* SPDX-License-Identifier: Apache-2.0 */
/* The work of a runtime over the socket to its host, by hand: the protocol is what is tested. */
#ifndef PROBE_IPC_H
#define PROBE_IPC_H

#include "http.h"

/* POST: the body as it is, on a connection of its own; says whether the host closed that one within
 * wait ms. pause=N: N ms after the first ten bytes. */
void on_ipc(struct call *c);
/* Answers at once and works on for ms: a hold, repeated if the host went away, a log line at the
 * end, and (unless end=0) its end. deadline=N, in ms from now; repeat=0: does not repeat. */
void on_background(struct call *c);
/* n log lines of this request, ms between them. */
void on_tagged(struct call *c);

/* POST: the body as it is to stdout; to=2: to stderr; to=12: to both in turn, piece=N bytes each.
 */
void on_emit(struct call *c);

#endif

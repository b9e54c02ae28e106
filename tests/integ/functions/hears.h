/* SPDX-License-Identifier: Apache-2.0 */
/* /keep?to=ADDRESS&port=N&count=N&words=WORDS opens TCP connections, says WORDS on each, and waits
 * for the answer; /datagrams the same over UDP. A thread for each blocks in recv(2)
 * and notes every line, which /heard hands out with its time (ms of the wall clock), once. */
#ifndef PROBE_HEARS_H
#define PROBE_HEARS_H

#include "http.h"

/* PROBE_HEARS="ADDRESS PORT COUNT WORDS": the same before the program listens. */
void hears_begin(void);
void on_keep(struct call *c);
void on_datagrams(struct call *c);
void on_heard(struct call *c);

#endif

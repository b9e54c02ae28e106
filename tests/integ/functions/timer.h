/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which a thread waits until some moment. */
#ifndef PROBE_TIMER_H
#define PROBE_TIMER_H

#include "http.h"

/* kind=K, ms=N: a thread waits so long in that way. Answered at once. */
void on_timer(struct call *c);
/* kind=K, ms=N: a thread waits so for N ms, again and again; says=1: and prints a line each time.
 */
void on_ticks(struct call *c);
/* By how many ms those that ended since the last time were late. */
void on_fired(struct call *c);

#endif

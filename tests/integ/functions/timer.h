/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which a thread waits until some moment. */
#ifndef PROBE_TIMER_H
#define PROBE_TIMER_H

#include "http.h"

/* kind=K, ms=N: a thread waits N ms in the way K. Answered at once. */
void on_timer(struct call *c);
/* kind=K, ms=N: a thread waits N ms in the way K, again and again; with says=1 it prints a line
 * each time. then_ms=M, times=T: behind the first wait come T waits of M ms, and no more. */
void on_ticks(struct call *c);
/* How many ms each timer was late that ended since the last call: a list. */
void on_fired(struct call *c);

#endif

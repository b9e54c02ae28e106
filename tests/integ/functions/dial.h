/* SPDX-License-Identifier: Apache-2.0 */
/* /dial?kind=tcp&to=ADDRESS&port=N tries to reach ADDRESS over the network, as any program does.
 * The answer has the result, which is "got WORDS", "connected", "timeout" or the name of an error,
 * and how many ms it took. */
#ifndef PROBE_DIAL_H
#define PROBE_DIAL_H

#include "http.h"

void on_dial(struct call *c);

#endif

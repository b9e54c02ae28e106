/* SPDX-License-Identifier: Apache-2.0 */
/* /dial?kind=tcp&to=ADDRESS&port=N: an attempt to reach something over the network, as a program
 * makes it, and how long it took. The answer's result is "got WORDS", "connected" or the name of an
 * error. */
#ifndef PROBE_DIAL_H
#define PROBE_DIAL_H

#include "http.h"

void on_dial(struct call *c);

#endif

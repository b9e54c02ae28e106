/* SPDX-License-Identifier: Apache-2.0 */
/* /call?env=NAME&path=/PATH calls the URL that the variable has, as any HTTP client does, and
 * answers with the whole answer as it came. again=1: with this function's own path.
 * say=HEADER:VALUE adds a header. hold=N: opens N connections, sends a request on each, and says
 * how many got which status. */
#ifndef PROBE_CALLS_H
#define PROBE_CALLS_H

#include "http.h"

void on_calls(struct call *c);

#endif

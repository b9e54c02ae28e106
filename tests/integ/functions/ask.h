/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to another address, as they are, and the bytes that come back. */
#ifndef PROBE_ASK_H
#define PROBE_ASK_H

#include "http.h"

void on_ask(struct call *c); /* /ask?kind=udp|tcp&to=ADDRESS&port=N&data=HEX&ms=N&times=N */

#endif

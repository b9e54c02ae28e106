/* SPDX-License-Identifier: Apache-2.0 */
/* /dial?kind=tcp&to=ADDRESS&port=N tries to reach ADDRESS over the network, as any program does.
 * The answer has the result, which is "got WORDS", "connected", "timeout" or the name of an error,
 * and how many ms it took. */
#ifndef PROBE_DIAL_H
#define PROBE_DIAL_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "http.h"

union dial_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* An address of either family as text. Its size, or 0. */
socklen_t dial_address_parse(const char *text, long port, union dial_address *out);
void on_dial(struct call *c);

#endif

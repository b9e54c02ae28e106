/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a request out of received bytes. It can be sent to any instance of its service, also more
 * than once. */
#ifndef EBB_GATEWAY_REQUEST_H
#define EBB_GATEWAY_REQUEST_H

#include "runtime/gateway/exchange/gateway.h"

/* Reads the head in s.in of c, checks it and dispatches the request; waits for more bytes if the
 * head is not complete. Afterwards c may be in any state (exchange_run). */
void request_read(struct gateway *g, struct client *c);
/* Answers bytes that are no valid request with this status. Nothing in them is believed, and the
 * connection ends. why: static text. */
void request_refuse(struct gateway *g, struct client *c, int status, const char *why);
/* The head has more bytes than fit: answers 431, or 414 if its request line alone is too long. */
void request_too_large(struct gateway *g, struct client *c);

#endif

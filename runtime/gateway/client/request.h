/* SPDX-License-Identifier: Apache-2.0 */
/* From received bytes to a request that can be sent to any instance of its service, and again. */
#ifndef EBB_GATEWAY_REQUEST_H
#define EBB_GATEWAY_REQUEST_H

#include "runtime/gateway/exchange/gateway.h"

/* Takes the head that lies whole in the buffer of c, checks it and dispatches it; waits for more if
 * it is not whole yet. c may be anything afterwards (exchange_run). */
void request_read(struct gateway *g, struct client *c);
/* Answers what was no request: nothing of it is believed, the connection ends. */
void request_refuse(struct gateway *g, struct client *c, int status, const char *why);
/* More came of a head than fits. */
void request_too_large(struct gateway *g, struct client *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that ebb makes itself. */
#ifndef EBB_GATEWAY_REPLY_H
#define EBB_GATEWAY_REPLY_H

#include "runtime/gateway/exchange/errors.h"
#include "runtime/gateway/exchange/gateway.h"

/* Sends the error. False: there is no buffer, or the client does not read. */
bool reply_failure(struct gateway *g, struct client *c, const struct failure *f);
/* "HTTP/1.1 100 Continue" */
void reply_continue(struct gateway *g, struct client *c);
/* Best effort on a socket that is closed next. */
void reply_full(int fd, enum edge_error e);

#endif

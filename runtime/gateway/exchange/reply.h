/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that ebb makes itself. */
#ifndef EBB_GATEWAY_REPLY_H
#define EBB_GATEWAY_REPLY_H

#include "runtime/gateway/exchange/errors.h"
#include "runtime/gateway/exchange/gateway.h"

/* Sends the redirect of g->moved. False: there is no buffer. */
bool reply_moved(struct gateway *g, struct client *c);
/* Sends the error. False: no buffer is free, or the client does not read. */
bool reply_failure(struct gateway *g, struct client *c, const struct failure *f);
/* Sends "HTTP/1.1 100 Continue", unless a send to the client is under way. */
void reply_continue(struct gateway *g, struct client *c);
/* Sends a 503 on a socket that the caller closes next, if the kernel takes it at once. fd is
 * borrowed. */
void reply_full(int fd, enum edge_error e);

#endif

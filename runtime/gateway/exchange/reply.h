/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that ebb makes itself. */
#ifndef EBB_GATEWAY_REPLY_H
#define EBB_GATEWAY_REPLY_H

#include "runtime/gateway/exchange/errors.h"
#include "runtime/gateway/exchange/gateway.h"

/* Answers with an error of ebb's own, or cuts the connection if an answer has begun. Ends the
 * exchange. retry_after_s 0: as the error's row says. */
void reply_error(struct gateway *g, struct client *c, enum edge_error e, uint32_t retry_after_s,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* "HTTP/1.1 100 Continue" */
void reply_continue(struct gateway *g, struct client *c);
/* The body is longer than it may be: 413. */
void reply_body_too_large(struct gateway *g, struct client *c);
/* Best effort on a socket that is closed next. */
void reply_full(int fd, enum edge_error e);

#endif

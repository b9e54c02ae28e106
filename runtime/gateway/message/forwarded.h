/* SPDX-License-Identifier: Apache-2.0 */
/* The fields that tell the function about the client. */
#ifndef EBB_GATEWAY_FORWARDED_H
#define EBB_GATEWAY_FORWARDED_H

#include "runtime/gateway/message/writer.h"

/* forwarded.c: writes the peer and its request's host and scheme in place of the peer's own fields,
 * or behind them. */
void forwarded_write(struct writer *w, struct http_slice host, struct http_slice peer);
void forwarded_extend(struct writer *w, const struct http_head *head, struct http_slice host,
		      struct http_slice peer);

#endif

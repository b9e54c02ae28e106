/* SPDX-License-Identifier: Apache-2.0 */
/* The request fields that tell the function about the client. */
#ifndef EBB_GATEWAY_FORWARDED_H
#define EBB_GATEWAY_FORWARDED_H

#include "runtime/gateway/message/writer.h"

/* Write the address of the peer, and host and scheme of its request: forwarded_write in place of
 * the fields that the peer sent, forwarded_extend behind them. */
void forwarded_write(struct writer *w, struct http_slice host, struct http_slice peer);
void forwarded_extend(struct writer *w, const struct http_head *head, struct http_slice host,
		      struct http_slice peer);

#endif

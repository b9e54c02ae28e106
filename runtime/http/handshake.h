/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upgrades (RFC 9110 section 7.8) and the opening handshake of WebSocket (RFC 6455 section 4),
 * checked on both sides: the question of the client, and whether the answer fits it.
 */
#ifndef EBB_HTTP_HANDSHAKE_H
#define EBB_HTTP_HANDSHAKE_H

#include "runtime/http/head.h"

#define WEBSOCKET_ACCEPT_SIZE 28

/* Judges the Upgrade field of a request (head->asks_upgrade). 0, or the status to refuse it with
 * (400, 426) and a static sentence in *why. Sets head->websocket. Clears head->upgrade where the
 * request goes on without it: with a body, and for a protocol that the gateway itself would have to
 * speak (h2c). */
int http_upgrade_request(struct http_head *head, const char **why);
/* Whether this 101 answers that request; if not, *why is a static sentence. */
bool http_upgrade_response(const struct http_head *request, const struct http_head *response,
			   const char **why);
/* Writes the Sec-WebSocket-Accept for a key, without a terminator; zeroes for a key of the wrong
 * size. */
void websocket_accept(struct http_slice key, char out[WEBSOCKET_ACCEPT_SIZE]);

#endif

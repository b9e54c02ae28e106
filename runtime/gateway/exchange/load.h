/* SPDX-License-Identifier: Apache-2.0 */
/* Puts on the board the figures by which the supervisor judges load. */
#ifndef EBB_GATEWAY_LOAD_H
#define EBB_GATEWAY_LOAD_H

#include "runtime/gateway/exchange/gateway.h"

/* The first byte of an answer came. Its time counts, unless the instance was cold or was thawed for
 * the request. */
void load_first_byte(struct gateway *g, const struct client *c);
/* The instance of c has answered. If it had given requests back, it may have room again. */
void load_answered(struct gateway *g, const struct client *c);
/* Whether the instance says that it did not begin with the request (x-ebb-nack: 1). */
bool load_is_nack(const struct http_head *head);
/* The instance gave the request back: sends it to another one, or c has failed. */
enum verdict load_gave_back(struct gateway *g, struct client *c);

#endif

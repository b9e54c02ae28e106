/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait, and what ebbd and clients hear of it. */
#ifndef EBB_GATEWAY_QUEUE_H
#define EBB_GATEWAY_QUEUE_H

#include "runtime/gateway/exchange/gateway.h"

#define QUEUE_CHECK_NS BOARD_WANT_NS /* other gateways give tickets back without telling us */

/* Whether one more of this service may wait, so that no service takes all places. */
bool queue_has_room(const struct gateway *g, const struct service *s);
/* When to come back, by how long the first in the queue has waited. */
uint32_t queue_retry_after_s(const struct gateway *g, const struct service *s);
/* ebbd is to hear how many wait: now if it believes that none do, else with the next tick. */
void queue_tell(struct gateway *g, uint32_t service);
/* Whose turn it is in a line that is not empty: the queue of a service, waits or wakes of an
 * instance. */
static inline struct client *queue_first(const struct chain *line)
{
	return container_of(chain_first(line), struct client, in_line);
}

#endif

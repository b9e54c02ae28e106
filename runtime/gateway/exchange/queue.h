/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for an instance, and the words to ebbd and to clients about them. */
#ifndef EBB_GATEWAY_QUEUE_H
#define EBB_GATEWAY_QUEUE_H

#include "runtime/gateway/exchange/gateway.h"

#define QUEUE_CHECK_NS BOARD_WANT_NS /* no event says that another gateway gave a ticket back */

/* Whether one more request of this service may wait; no service may take all places. */
bool queue_has_room(const struct gateway *g, const struct service *s);
/* Calls through bindings get half of the places at most: hostile callers leave room for the public.
 */
bool queue_lets_in(const struct gateway *g, const struct client *c);
/* Retry-After in seconds, from how long the first request in the queue has waited. */
uint32_t queue_retry_after_s(const struct gateway *g, const struct service *s);
/* Tells ebbd how many requests wait: now if the number it knows is 0, else at the next coarse tick.
 */
void queue_tell(struct gateway *g, uint32_t service);
/* The client whose turn it is in a line that is not empty: the queue of a service, or waits or
 * wakes of an instance. */
static inline struct client *queue_first(const struct chain *line)
{
	return container_of(chain_first(line), struct client, in_line);
}

#endif

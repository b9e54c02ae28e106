// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/queue.h"

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"

#define TELL_AGAIN_NS      (5 * NS_PER_MS)
#define RETRY_AFTER_MOST_S 30u

/* A service may use at most twice the free places: one service alone gets two thirds of all places,
 * two services get two fifths each, and the next service always finds some. */
bool queue_has_room(const struct gateway *g, const struct service *s)
{
	uint32_t free = g->config.queue_max > g->queued ? g->config.queue_max - g->queued : 0;

	return s->queued < 2 * free;
}

bool queue_lets_in(const struct gateway *g, const struct client *c)
{
	return !client_is_inside(c) || g->queued_calls < g->config.queue_max / 2 + 1;
}

uint32_t queue_retry_after_s(const struct gateway *g, const struct service *s)
{
	uint64_t waited_ns = 0, seconds;

	if (s->queued > 0)
		waited_ns = gateway_now(g) - queue_first(&s->queue)->x.arrived_ns;
	seconds = waited_ns / NS_PER_SEC + 1;
	return seconds < RETRY_AFTER_MOST_S ? (uint32_t)seconds : RETRY_AFTER_MOST_S;
}

void queue_tell(struct gateway *g, uint32_t service)
{
	const struct service *s = &g->routes.services[service];
	bool refused = s->refused_full + s->refused_late + s->refused_nacked > 0;

	if (s->queued == s->need_told && !refused)
		return;
	if ((s->need_told == 0 && s->queued > 0) ||
	    gateway_now(g) - s->need_told_ns >= TELL_AGAIN_NS) {
		tell_need_instance(&g->tell, service);
		return;
	}
	g->need_due = true;
	timers_set(&g->timers, gateway_coarse_timer(g), gateway_now(g) + TELL_AGAIN_NS);
}

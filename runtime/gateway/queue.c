// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/clock.h"
#include "runtime/gateway/proxy.h"

#define TELL_AGAIN_NS      (5 * NS_PER_MS)
#define RETRY_AFTER_MOST_S 30u

/* Twice what is free at most: one service alone gets two thirds of the places, two get two fifths
 * each, and whoever comes next always finds some. */
bool queue_has_room(const struct proxy *p, const struct service *s)
{
	uint32_t free = p->config.queue_max > p->queued ? p->config.queue_max - p->queued : 0;

	return s->queued < 2 * free;
}

uint32_t queue_retry_after_s(const struct proxy *p, const struct service *s)
{
	uint64_t waited_ns = 0, seconds;

	if (s->queue_head)
		waited_ns = proxy_now(p) - p->clients[s->queue_head - 1].x.arrived_ns;
	seconds = waited_ns / NS_PER_SEC + 1;
	return seconds < RETRY_AFTER_MOST_S ? (uint32_t)seconds : RETRY_AFTER_MOST_S;
}

void queue_tell(struct proxy *p, uint32_t service)
{
	const struct service *s = &p->routes.services[service];
	bool refused = s->refused_full + s->refused_late + s->refused_nacked > 0;

	if (s->queued == s->need_told && !refused)
		return;
	if ((s->need_told == 0 && s->queued > 0) ||
	    proxy_now(p) - s->need_told_ns >= TELL_AGAIN_NS) {
		control_need_instance(p, service);
		return;
	}
	p->need_due = true;
	timers_set(&p->timers, PROXY_TIMER_COARSE(p), proxy_now(p) + TELL_AGAIN_NS);
}

void queue_push(struct proxy *p, uint32_t *head, uint32_t *tail, struct client *c)
{
	uint32_t self = c->s.index + 1;

	c->chain_next = 0;
	c->chain_prev = *tail;
	if (*tail)
		p->clients[*tail - 1].chain_next = self;
	else
		*head = self;
	*tail = self;
}

void queue_remove(struct proxy *p, uint32_t *head, uint32_t *tail, struct client *c)
{
	if (c->chain_prev)
		p->clients[c->chain_prev - 1].chain_next = c->chain_next;
	else
		*head = c->chain_next;
	if (c->chain_next)
		p->clients[c->chain_next - 1].chain_prev = c->chain_prev;
	else
		*tail = c->chain_prev;
	c->chain_next = c->chain_prev = 0;
}

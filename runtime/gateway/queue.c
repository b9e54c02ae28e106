// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/proxy.h"

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

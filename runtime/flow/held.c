// SPDX-License-Identifier: Apache-2.0
/* Bytes that a connection holds, events that the loop watches it for, and the end of it. */
#include <stdlib.h>
#include <sys/epoll.h>

#include "runtime/base/fd.h"
#include "runtime/flow/inlets.h"

static struct flow *flow_of(const struct conn *c)
{
	return c->door->inlet->flow;
}

size_t conn_held(const struct conn *c)
{
	return c->in_room + c->head_size + c->body_room + c->out_size;
}

void conn_account(struct conn *c, size_t before)
{
	struct inlet *i = c->door->inlet;

	must(i->held >= before && i->flow->held_bytes >= before);
	i->held = i->held - before + conn_held(c);
	i->flow->held_bytes = i->flow->held_bytes - before + conn_held(c);
}

/* With an answer that was not taken it is not heard. A request that came along with the one before
 * has its turn in the next round: a socket that took the answer is writable. */
static uint32_t events_of(const struct conn *c)
{
	if (c->out && !c->waits)
		return EPOLLOUT;
	return c->pending ? EPOLLIN | EPOLLOUT : EPOLLIN;
}

void conn_watch(struct conn *c)
{
	uint32_t events = events_of(c);

	if (c->door->inlet->paused || events == c->events)
		return;
	c->events = events;
	(void)loop_rewatch(flow_of(c)->loop, &c->watch, events);
}

void conn_resume(struct conn *c)
{
	c->events = events_of(c);
	if (loop_watch(flow_of(c)->loop, &c->watch, c->events) < 0)
		conn_end(c);
}

void conn_end(struct conn *c)
{
	struct flow *f = flow_of(c);

	loop_unwatch(f->loop, &c->watch);
	fd_close(&c->watch.fd);
	c->door->inlet->held -= conn_held(c);
	f->held_bytes -= conn_held(c);
	free(c->body);
	free(c->head);
	free(c->in);
	free(c->out);
	loop_timer_off(f->loop, &c->patience);
	chain_remove(&c->park);
	chain_remove(&c->answer);
	chain_remove(&c->of_inlet);
	c->door->inlet->open--;
	f->conn_count--;
	free(c);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The least rate of a body. While a request or an answer is on its way, the gateway looks at the
 * connection of the client once per window. The connection ends if the gateway waited for the
 * client at both ends of the window, and too few bytes came from the client or were acknowledged by
 * it. The kernel counts these bytes anyway (TCP_INFO, tcp(7)), so nothing is counted here, and a
 * request costs one timer at most.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"
#include "runtime/gateway/exchange/pace.h"

static uint64_t window_ns(const struct gateway *g)
{
	return g->config.body_window_ms * NS_PER_MS;
}

static bool waits_for_body(struct gateway *g, struct client *c)
{
	const struct upstream *u = client_upstream(g, c);

	if (!u || c->x.up.in_done)
		return false;
	if (c->x.up.pipe)
		return c->s.polling;
	return c->s.receiving && c->s.in.size == 0 && !u->s.sending;
}

static bool waits_for_reader(const struct client *c)
{
	if (c->state != CLIENT_ANSWERING)
		return false;
	return c->s.sending || (c->x.down.pipe && c->s.polling);
}

static void look(struct gateway *g, struct client *c, struct pace *now)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	*now = (struct pace){.for_body = waits_for_body(g, c), .for_reader = waits_for_reader(c)};
	if (c->s.carried) { /* no connection of its own: the bytes of its carrier */
		now->received = c->x.up.bytes + c->s.in.size;
		now->acked = c->x.down.bytes - c->s.out.size - c->s.next.size;
	} else if ((now->for_body || now->for_reader) &&
		   getsockopt(c->s.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
		now->received = info.tcpi_bytes_received;
		now->acked = info.tcpi_bytes_acked;
	}
	now->next_ns = gateway_now(g) + window_ns(g);
}

void pace_begin(struct gateway *g, struct client *c)
{
	if (g->config.body_rate_min == 0)
		return;
	look(g, c, &c->pace);
	timers_set(&g->timers, c->s.index, c->pace.next_ns);
}

/* Cuts a client that does not read. TCP_USER_TIMEOUT lets the kernel drop the unread bytes. */
static enum verdict cut(const struct client *c)
{
	const int ms = 1;

	if (!c->s.carried)
		(void)setsockopt(c->s.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return VERDICT_CUT;
}

enum verdict pace_check(struct gateway *g, struct client *c)
{
	uint64_t least = (uint64_t)g->config.body_rate_min * g->config.body_window_ms / 1000;
	struct pace before = c->pace;

	must(c->state == CLIENT_ASKED || c->state == CLIENT_ANSWERING);
	if (before.next_ns == 0 || before.next_ns > gateway_now(g))
		return VERDICT_STAY;
	look(g, c, &c->pace);
	if (before.for_reader && c->pace.for_reader && c->pace.acked - before.acked < least) {
		g->count.slow_readers++;
		return cut(c);
	}
	if (before.for_body && c->pace.for_body && c->pace.received - before.received < least) {
		g->count.slow_senders++;
		return exchange_fail(g, c, EDGE_BODY_TOO_SLOW, 0,
				     "The body did not arrive at the least rate.");
	}
	timers_set(&g->timers, c->s.index, c->pace.next_ns);
	return VERDICT_STAY;
}

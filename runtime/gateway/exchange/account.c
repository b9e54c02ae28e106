// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/access_line.h"
#include "runtime/gateway/exchange/errors.h"
#include "runtime/gateway/exchange/gateway.h"

int account_init(struct account *a, int stats_fd, int access_fd, uint32_t access_every,
		 uint32_t client_count)
{
	a->access_fd = access_fd;
	a->access_every = access_every;
	a->notes = calloc(client_count, sizeof(*a->notes));
	if (!a->notes)
		return -ENOMEM;
	return stats_open(stats_fd, 1, &a->stats);
}

static uint16_t note(char *to, size_t size, struct http_slice from)
{
	size_t n = from.size < size ? from.size : size;

	if (n)
		memcpy(to, from.at, n);
	return (uint16_t)n;
}

void account_begin(struct gateway *g, struct client *c, const struct http_head *head)
{
	struct access_note *n;
	const struct http_header *agent;

	must(c->state == CLIENT_READY);
	c->x.is.noted = g->account.access_every > 0; /* the setting may change meanwhile */
	if (!c->x.is.noted)
		return;
	n = &g->account.notes[c->s.index];
	if (!head) {
		n->method_size = n->host_size = n->target_size = n->agent_size = 0;
		return;
	}
	agent = http_find(head, "user-agent");
	n->method_size = note(n->method, sizeof(n->method), head->method);
	n->host_size = note(n->host, sizeof(n->host), head->host);
	n->target_size = note(n->target, sizeof(n->target), head->target);
	n->agent_size = agent ? note(n->agent, sizeof(n->agent), agent->value) : 0;
}

/* ---- counting ---- */

static enum service_counter status_counter(const struct exchange *x)
{
	static const enum service_counter by_class[] = {SERVICE_status_1xx, SERVICE_status_2xx,
							SERVICE_status_3xx, SERVICE_status_4xx,
							SERVICE_status_5xx};
	unsigned int class = x->answer.status / 100;

	return class >= 1 && class <= ARRAY_LEN(by_class) ? by_class[class - 1] : SERVICE_aborted;
}

_Static_assert((int)SERVICE_chosen_older - (int)SERVICE_chosen_only == (int)WIRE_CHOICE_OLDER,
	       "counters of choices stand in the order of their reasons");

static void add(struct service_stats *s, enum service_counter counter, uint64_t n)
{
	if (n)
		stats_add(&s->counters[counter], n);
}

static void count(struct service_stats *s, const struct exchange *x, bool aborted, uint64_t now_ns)
{
	static const enum service_counter by_start[] = {[START_WARM] = SERVICE_start_warm,
							[START_THAW] = SERVICE_start_thaw,
							[START_COLD] = SERVICE_start_cold};
	uint64_t total_us = (now_ns - x->arrived_ns) / NS_PER_US;
	uint64_t queue_us = x->dispatched_ns ? (x->dispatched_ns - x->arrived_ns) / NS_PER_US : 0;

	add(s, aborted ? SERVICE_aborted : status_counter(x), 1);
	if (x->answer.error)
		add(s, edge_row(x->answer.error)->service, 1);
	if (x->dispatched_ns)
		add(s, by_start[x->start], 1);
	if (x->dispatched_ns)
		add(s, (enum service_counter)(SERVICE_chosen_only + x->chosen), 1);
	add(s, SERVICE_upstream_h2c, x->sent.http2);
	add(s, SERVICE_bytes_in, x->up.bytes);
	add(s, SERVICE_bytes_out, x->down.bytes);
	add(s, SERVICE_thaw_us, x->thaw_ns / NS_PER_US);
	if (x->answered_ns)
		add(s, SERVICE_first_byte_us, (x->answered_ns - x->arrived_ns) / NS_PER_US);
	add(s, SERVICE_duration_us, total_us);
	stats_observe(s->duration, total_us);
	if (x->dispatched_ns) {
		add(s, SERVICE_queue_us, queue_us);
		stats_observe(s->queue, queue_us);
	}
}

/* ---- the line ---- */

/* Whether this request gets a line. The random id decides, so that a request that passes through
 * several hosts is in all logs or in none. */
static bool wants_line(const struct account *a, const struct exchange *x, bool aborted)
{
	uint32_t n = 0;

	if (a->access_every <= 1)
		return a->access_every == 1;
	if (x->answer.error || aborted || x->answer.status >= 500)
		return true;
	for (int i = 0; i < 8; i++)
		n = n << 4 | ((uint32_t)x->id[i] & 15);
	return n % a->access_every == 0;
}

static void keep_line(struct gateway *g, const struct client *c, bool aborted, uint64_t now_ns)
{
	struct account *a = &g->account;
	char line[ACCESS_LINE_MAX];
	size_t size = access_line(g, c, &a->notes[c->s.index], aborted, now_ns, line);

	if (a->pending + size > sizeof(a->lines))
		account_flush(g);
	if (a->pending + size > sizeof(a->lines)) {
		a->lost_lines++;
		return;
	}
	memcpy(a->lines + a->pending, line, size);
	a->pending += (uint32_t)size;
}

void account_end(struct gateway *g, const struct client *c, bool aborted)
{
	const struct exchange *x = &c->x;
	uint64_t now_ns = gateway_now(g);

	must(client_state_has_exchange(c->state) && x->service <= STATS_NO_SERVICE);
	count(&g->account.stats->services[x->service], x, aborted, now_ns);
	if (x->is.noted && wants_line(&g->account, x, aborted))
		keep_line(g, c, aborted, now_ns);
}

void account_flush(struct gateway *g)
{
	struct account *a = &g->account;
	ssize_t n;

	if (a->pending == 0)
		return;
	n = write(a->access_fd, a->lines, a->pending);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		n = (ssize_t)a->pending; /* no reader any more: lines are dropped */
	if (n <= 0)
		return;
	a->pending -= (uint32_t)n;
	memmove(a->lines, a->lines + n, a->pending);
}

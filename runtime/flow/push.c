// SPDX-License-Identifier: Apache-2.0
/* Messages to consumers that have a trigger: CloudEvents in binary mode, through the gateways. */
#include "runtime/flow/queues.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"

#define HEAD_MAX     4096
#define HOLD_MOST_S  60u
#define PAUSES_EQUAL 32
#define PAUSE_MOST_S 900
#define EXTEND_US    (UINT64_C(60) * US_PER_SEC)
#define REGION       "ebb1" /* the client of @vercel/queue wants one of this form */

static struct push *under_way(struct consumer *c, uint64_t message)
{
	struct push *p;

	chain_each(p, &c->pushes, of_consumer)
		if (p->is.message == message)
			return p;
	return NULL;
}

void push_moved(struct consumer *c, const struct store_delivery *d)
{
	struct push *p = under_way(c, d->message);

	if (!p)
		return;
	p->moved = true;
	p->again_us = d->due_us; /* that of the row moves on while it is under way */
}

static void free_push(struct flow *f, struct push *p)
{
	delivery_end(p->delivery);
	if (p->consumer) {
		p->consumer->in_flight--;
		chain_remove(&p->of_consumer);
	}
	chain_remove(&p->all);
	must(f->push_count > 0 && f->push_bytes >= p->message.size);
	f->push_count--;
	f->push_bytes -= p->message.size;
	free(p->body);
	free(p);
}

void pushes_free(struct flow *f)
{
	struct push *p;

	chain_each(p, &f->pushes, all)
		free_push(f, p);
}

/* ---- room ---- */

/* Half of all is for services that have few pushes under way. */
static bool service_may(struct flow *f, const char *service)
{
	bool many = f->push_count >= PUSHES_MAX / 2 || f->push_bytes >= PUSH_BYTES_MAX / 2;
	uint64_t bytes = 0, bytes_max = many ? PUSH_BYTES_OF_SERVICE / 4 : PUSH_BYTES_OF_SERVICE;
	uint32_t count = 0, count_max = many ? PUSHES_OF_SERVICE_SURE : PUSHES_OF_SERVICE_MAX;
	struct push *p;

	chain_each(p, &f->pushes, all) {
		const struct trigger *g = p->consumer->trigger;

		if (!g || strcmp(g->is.service, service) != 0)
			continue;
		count++;
		bytes += p->message.size;
	}
	return count < count_max && bytes < bytes_max;
}

static void starve(struct flow *f, struct consumer *c)
{
	heap_remove(&f->pushes_due, &c->item);
	c->starved = f->push_starved = true;
}

static void feed_topic(struct flow *f, struct topic *t)
{
	struct consumer *c;

	chain_each(c, &t->consumers, of_topic)
		if (c->starved)
			queues_arm(f, c);
}

/* A push has ended: there may be room for another one. */
static void feed(struct flow *f)
{
	struct topic *t;

	if (!f->push_starved)
		return;
	f->push_starved = false;
	chain_each(t, &f->topics, all)
		feed_topic(f, t);
}

/* ---- taking ---- */

/* One that is under way stays so, whatever its deadline says. */
static bool extend_if_under_way(struct flow *f, struct consumer *c, uint64_t now_us)
{
	struct store_delivery d;

	if (store_due(f->store, c->is.id, now_us, &d) != 1 || !under_way(c, d.message))
		return false;
	d.due_us = now_us + EXTEND_US;
	return store_put_delivery(f->store, &d) == 0;
}

static int take(struct flow *f, struct consumer *c, uint64_t now_us)
{
	struct push *p;
	int r;

	if (extend_if_under_way(f, c, now_us))
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	r = queues_take(f, c, 0, now_us + LEASE_S * US_PER_SEC, &p->is, &p->message, &p->body);
	if (r != 1) {
		free(p);
		return r;
	}
	p->consumer = c;
	p->fresh = true;
	chain_init(&p->of_consumer);
	chain_init(&p->all);
	chain_add_last(&c->pushes, &p->of_consumer);
	chain_add_last(&f->pushes, &p->all);
	c->in_flight++;
	f->push_count++;
	f->push_bytes += p->message.size;
	return 0;
}

void pushes_take(struct flow *f, uint64_t now_us)
{
	const char *why;

	while (f->known && f->push_count < PUSHES_MAX && f->push_bytes < PUSH_BYTES_MAX &&
	       heap_first_key(&f->pushes_due) <= now_us && !store_broken(f->store, &why)) {
		struct consumer *c =
			container_of(heap_first(&f->pushes_due), struct consumer, item);

		if (!service_may(f, c->trigger->is.service)) {
			starve(f, c);
			continue;
		}
		if (take(f, c, now_us) < 0) {
			c->held_until_us = now_us + US_PER_SEC;
			queues_arm(f, c);
			return;
		}
		queues_arm(f, c);
	}
}

/* ---- the request ---- */

static int write_head(const struct push *p, char *text, size_t size)
{
	const struct wire_flow_trigger *g = &p->consumer->trigger->is;
	char created[CLOCK_DATE_SIZE], expires[CLOCK_DATE_SIZE], deadline[CLOCK_DATE_SIZE];
	char revision[48] = "";

	if (p->message.revision)
		(void)text_format(revision, sizeof(revision), "x-ebb-revision: %llu\r\n",
				  (unsigned long long)p->message.revision);
	return text_format(
		text, size,
		"POST %s HTTP/1.1\r\nhost: %s\r\nuser-agent: ebb-queue/1.0\r\nx-ebb-service: %s\r\n"
		"%sx-ebb-id: %016llx%016llx\r\nx-ebb-attempt: %u\r\nce-specversion: 1.0\r\n"
		"ce-type: com.vercel.queue.v2beta\r\nce-source: /topic/%s/consumer/%s\r\n"
		"ce-id: %llu\r\nce-time: %s\r\nce-vqsqueuename: %s\r\nce-vqsconsumergroup: %s\r\n"
		"ce-vqsmessageid: %llu\r\nce-vqsreceipthandle: %llu-%llu-%llu\r\n"
		"ce-vqsdeliverycount: %u\r\nce-vqscreatedat: %s\r\nce-vqsexpiresat: %s\r\n"
		"ce-vqsvisibilitydeadline: %s\r\nce-vqsregion: " REGION "\r\n"
		"content-type: %s\r\ncontent-length: %zu\r\nconnection: close\r\n\r\n",
		g->path, g->host, g->service, revision, (unsigned long long)p->is.consumer,
		(unsigned long long)p->is.message, p->is.attempts, p->consumer->topic->name,
		g->consumer, (unsigned long long)p->is.message,
		clock_rfc3339(p->message.created_us, created), p->consumer->topic->name,
		g->consumer, (unsigned long long)p->is.message, (unsigned long long)p->is.consumer,
		(unsigned long long)p->is.message, (unsigned long long)p->is.receipt,
		p->is.attempts, created, clock_rfc3339(p->message.expires_us, expires),
		clock_rfc3339(p->is.due_us, deadline),
		*p->message.type ? p->message.type : "application/octet-stream", p->message.size);
}

/* ---- the end ---- */

/* ebb has no room, or its gateways are not there: the service had no say. */
static void hold(struct flow *f, struct consumer *c, struct store_delivery *d)
{
	uint32_t pause_s = 1u << (c->held < 6 ? c->held : 6);

	c->held++;
	d->attempts -= d->attempts > 0; /* it came to nobody */
	c->held_until_us =
		clock_real_us() + (pause_s < HOLD_MOST_S ? pause_s : HOLD_MOST_S) * US_PER_SEC;
	(void)queues_again(f, c, d, clock_real_us());
}

/* From the 33rd failure on each pause is twice the one before, up to a quarter of an hour. */
static uint64_t pause_of(uint64_t seconds, const struct store_delivery *d)
{
	uint32_t more = d->failures > PAUSES_EQUAL ? d->failures - PAUSES_EQUAL : 0;
	uint64_t longer = seconds << (more < 10 ? more : 10);

	return longer <= PAUSE_MOST_S ? longer : seconds > PAUSE_MOST_S ? seconds : PAUSE_MOST_S;
}

/* said_s: the Retry-After of the answer, or 0. */
static void fail(struct flow *f, struct consumer *c, struct store_delivery *d, uint64_t said_s)
{
	const struct trigger *g = c->trigger;

	d->failures++;
	if (g && d->failures >= g->is.deliveries_max)
		(void)queues_bury(f, c, d);
	else
		(void)queues_again(
			f, c, d,
			clock_real_us() +
				(said_s ? said_s : pause_of(g ? g->is.retry_after_s : 0, d)) *
					US_PER_SEC);
}

/* The consumer has acknowledged it by itself, or said when it wants it again, or it has answered
 * and that is all. */
static void judge(struct flow *f, struct push *p, int status, bool refused, const char *lost)
{
	struct consumer *c = p->consumer;
	struct store_delivery d;

	if (queues_lease(f, c, p->is.message, p->is.receipt, &d) < 0) {
		c->held = 0;
		return;
	}
	if (lost)
		(void)text_copy(d.text, sizeof(d.text), lost);
	else
		(void)text_format(d.text, sizeof(d.text), "the answer was %d", status);
	if (refused && (lost || status == 503)) {
		hold(f, c, &d);
		return;
	}
	c->held = 0;
	if (lost || status < 200 || status >= 300) {
		fail(f, c, &d, p->delivery ? p->delivery->retry_after_s : 0);
	} else if (p->moved) {
		(void)queues_again(f, c, &d, p->again_us);
	} else {
		(void)queues_handled(f, c, &d);
	}
}

static void on_ended(struct flow *f, void *owner, const char *lost)
{
	struct push *p = owner;
	struct consumer *c = p->consumer;
	int status = p->delivery ? p->delivery->status : 0;
	bool refused = p->delivery ? p->delivery->refused : true;

	judge(f, p, status, refused, lost);
	free_push(f, p);
	queues_arm(f, c);
	feed(f);
}

void pushes_deliver(struct flow *f)
{
	struct push *p;

	chain_each(p, &f->pushes, all) {
		char *request;
		int n, e = -ENOMEM;

		if (!p->fresh)
			continue;
		p->fresh = false;
		if (!p->consumer->trigger) {
			on_ended(f, p, "its trigger is gone");
			continue;
		}
		request = malloc(HEAD_MAX + p->message.size);
		n = request ? write_head(p, request, HEAD_MAX) : -1;
		if (n == 0) {
			size_t size = strlen(request);

			memcpy(request + size, p->body, p->message.size);
			e = deliver(f, request, size + p->message.size, p, on_ended, &p->delivery);
		} else {
			free(request);
		}
		free(keep_mem(p->body));
		if (e < 0)
			on_ended(f, p, strerror(-e));
	}
}

void pushes_put_back(struct flow *f)
{
	struct push *p;

	chain_each(p, &f->pushes, all)
		if (p->fresh)
			free_push(f, p);
}

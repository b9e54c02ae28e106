// SPDX-License-Identifier: Apache-2.0
/* Consumers to which messages are pushed. Their list is said by ebb-api. */
#include "runtime/flow/queues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

static bool hears(const struct trigger *g, const struct topic *t)
{
	size_t n = strlen(g->is.topic);

	if (strcmp(g->is.space, t->space) != 0)
		return false;
	if (n > 0 && g->is.topic[n - 1] == '*')
		return strncmp(g->is.topic, t->name, n - 1) == 0;
	return strcmp(g->is.topic, t->name) == 0;
}

struct found {
	struct store_delivery rows[64];
	uint32_t count;
};

static int note(void *self, const struct store_delivery *d)
{
	struct found *found = self;

	found->rows[found->count++] = *d;
	return found->count == ARRAY_LEN(found->rows);
}

/* Deliveries of an earlier ebb-flow: nobody knows whether they came, so they are made once more. */
static void take_back(struct flow *f, struct consumer *c)
{
	struct found found;
	uint64_t after = 0;

	do {
		found.count = 0;
		if (store_each_delivery(f->store, c->is.id, WIRE_LETTER_DELIVERING, after,
					ARRAY_LEN(found.rows), note, &found) < 0)
			return;
		for (uint32_t n = 0; n < found.count; n++) {
			struct store_delivery *d = &found.rows[n];

			after = d->message;
			if (queues_again(f, c, d, clock_real_us()) < 0)
				return;
		}
	} while (found.count == ARRAY_LEN(found.rows));
}

static void attach(struct flow *f, struct topic *t, struct trigger *g)
{
	struct consumer *c;
	bool was;

	if (queues_make_consumer(f, t, g->is.consumer, &c) < 0) {
		log_error("event=consumer_lost topic=%s consumer=%s mend=\"a topic has up to %d "
			  "consumers\"",
			  t->name, g->is.consumer, CONSUMERS_OF_TOPIC_MAX);
		return;
	}
	was = c->trigger;
	c->trigger = g;
	c->held = 0;
	c->held_until_us = 0;
	(void)store_put_consumer(f->store, &c->is, g->is.initial_delay_s * US_PER_SEC);
	if (!was)
		take_back(f, c);
	queues_arm(f, c);
}

static void detach_from(struct flow *f, struct topic *t, const struct trigger *g)
{
	struct consumer *c;

	chain_each(c, &t->consumers, of_topic) {
		if (c->trigger != g)
			continue;
		c->trigger = NULL;
		c->is.seen_us = clock_real_us();
		(void)store_put_consumer(f->store, &c->is, 0);
		queues_arm(f, c);
	}
}

static void detach(struct flow *f, const struct trigger *g)
{
	struct topic *t;

	chain_each(t, &f->topics, all)
		detach_from(f, t, g);
}

void triggers_greet(struct flow *f, struct topic *t)
{
	struct trigger *g;

	chain_each(g, &f->triggers, all)
		if (hears(g, t))
			attach(f, t, g);
}

static struct trigger *find(struct flow *f, const struct wire_flow_trigger *r)
{
	struct trigger *g;

	chain_each(g, &f->triggers, all)
		if (strcmp(g->is.service, r->service) == 0 && strcmp(g->is.topic, r->topic) == 0 &&
		    strcmp(g->is.consumer, r->consumer) == 0 && strcmp(g->is.space, r->space) == 0)
			return g;
	return NULL;
}

int triggers_put(struct flow *f, const struct wire_flow_trigger *record)
{
	size_t n = strlen(record->topic);
	struct trigger *g = find(f, record);
	struct topic *t;

	if (!g) {
		g = calloc(1, sizeof(*g));
		if (!g)
			return -ENOMEM;
		chain_init(&g->all);
		chain_add_last(&f->triggers, &g->all);
	}
	g->is = *record;
	g->said = true;
	if (n > 0 && record->topic[n - 1] != '*') /* so that `ebb queue ls` shows it */
		(void)queues_make_topic(f, record->space, record->topic, &t);
	chain_each(t, &f->topics, all)
		if (hears(g, t))
			attach(f, t, g);
	return 0;
}

void triggers_unsay(struct flow *f, const char *service)
{
	struct trigger *g;

	chain_each(g, &f->triggers, all)
		if (strcmp(g->is.service, service) == 0)
			g->said = false;
}

void triggers_settle(struct flow *f, const char *service)
{
	struct trigger *g;

	chain_each(g, &f->triggers, all) {
		if (strcmp(g->is.service, service) != 0 || g->said)
			continue;
		detach(f, g);
		chain_remove(&g->all);
		free(g);
	}
}

void triggers_free(struct flow *f)
{
	struct trigger *g;

	chain_each(g, &f->triggers, all)
		free(g);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/store_queues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/flow/store_inside.h"

static void bind_two(struct store *s, enum statement which, uint64_t one, uint64_t two)
{
	sql_bind_u64(&s->sql, which, 1, one);
	sql_bind_u64(&s->sql, which, 2, two);
}

/* ---- topics and consumers ---- */

int store_make_topic(struct store *s, const char *space, const char *name, uint64_t *id)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_text(&s->sql, DO_MAKE_TOPIC, 1, space);
	sql_bind_text(&s->sql, DO_MAKE_TOPIC, 2, name);
	return store_change_and_ask(s, DO_MAKE_TOPIC, id);
}

int store_make_consumer(struct store *s, struct store_consumer *consumer)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_MAKE_CONSUMER, 1, consumer->topic);
	sql_bind_text(&s->sql, DO_MAKE_CONSUMER, 2, consumer->name);
	sql_bind_u64(&s->sql, DO_MAKE_CONSUMER, 3, consumer->seen_us);
	r = store_change_and_ask(s, DO_MAKE_CONSUMER, &consumer->id);
	if (r < 0)
		return r;
	bind_two(s, DO_FILL_CONSUMER, consumer->id, consumer->topic);
	return store_change(s, DO_FILL_CONSUMER);
}

int store_put_consumer(struct store *s, const struct store_consumer *consumer, uint64_t delay_us)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	bind_two(s, DO_PUT_CONSUMER, consumer->id, consumer->seen_us);
	sql_bind_u64(&s->sql, DO_PUT_CONSUMER, 3, delay_us);
	return store_change(s, DO_PUT_CONSUMER);
}

int store_drop_consumer(struct store *s, uint64_t id)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_DROP_CONSUMER, 1, id);
	return store_change(s, DO_DROP_CONSUMER);
}

int store_drop_topic(struct store *s, uint64_t id)
{
	int r = store_begin(s);
	uint64_t gone;

	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_DROP_TOPIC, 1, id);
	return store_ask(s, DO_DROP_TOPIC, &gone);
}

int store_free_bytes(struct store *s, uint64_t *bytes)
{
	return store_ask(s, DO_FREE_BYTES, bytes);
}

int store_each_topic(struct store *s, store_each_topic_fn each, void *self)
{
	struct store_topic topic;
	int r;

	while ((r = store_next(s, DO_TOPICS)) == 1) {
		topic.id = sql_u64(&s->sql, DO_TOPICS, 0);
		sql_text(&s->sql, DO_TOPICS, 1, topic.space, sizeof(topic.space));
		sql_text(&s->sql, DO_TOPICS, 2, topic.name, sizeof(topic.name));
		topic.messages = sql_u64(&s->sql, DO_TOPICS, 3);
		topic.bytes = sql_u64(&s->sql, DO_TOPICS, 4);
		r = each(self, &topic);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, DO_TOPICS);
	return r;
}

int store_each_consumer(struct store *s, store_each_consumer_fn each, void *self)
{
	struct store_consumer consumer;
	int r;

	while ((r = store_next(s, DO_CONSUMERS)) == 1) {
		consumer.id = sql_u64(&s->sql, DO_CONSUMERS, 0);
		consumer.topic = sql_u64(&s->sql, DO_CONSUMERS, 1);
		sql_text(&s->sql, DO_CONSUMERS, 2, consumer.name, sizeof(consumer.name));
		consumer.seen_us = sql_u64(&s->sql, DO_CONSUMERS, 3);
		r = each(self, &consumer);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, DO_CONSUMERS);
	return r;
}

/* ---- messages ---- */

static int put_message(struct store *s, struct store_message *m)
{
	sql_bind_u64(&s->sql, DO_PUT_MESSAGE, 1, m->topic);
	sql_bind_text(&s->sql, DO_PUT_MESSAGE, 2, m->lane);
	sql_bind_text(&s->sql, DO_PUT_MESSAGE, 3, m->type);
	sql_bind_u64(&s->sql, DO_PUT_MESSAGE, 4, m->created_us);
	sql_bind_u64(&s->sql, DO_PUT_MESSAGE, 5, m->due_us);
	sql_bind_u64(&s->sql, DO_PUT_MESSAGE, 6, m->expires_us);
	sql_bind_u64(&s->sql, DO_PUT_MESSAGE, 7, m->size);
	sql_bind_blob(&s->sql, DO_PUT_MESSAGE, 8, m->size ? m->body : "", m->size);
	sql_bind_u64(&s->sql, DO_PUT_MESSAGE, 9, m->revision);
	return store_change_and_ask(s, DO_PUT_MESSAGE, &m->number);
}

static int put_sent(struct store *s, const struct store_message *m)
{
	sql_bind_u64(&s->sql, DO_PUT_SENT, 1, m->topic);
	sql_bind_text(&s->sql, DO_PUT_SENT, 2, m->key);
	sql_bind_u64(&s->sql, DO_PUT_SENT, 3, m->number);
	sql_bind_u64(&s->sql, DO_PUT_SENT, 4, m->key_until_us);
	return store_change(s, DO_PUT_SENT);
}

int store_send(struct store *s, struct store_message *m)
{
	int r = store_begin(s);

	if (r == 0)
		r = put_message(s, m);
	if (r == 0 && *m->key)
		r = put_sent(s, m);
	if (r < 0)
		return r;
	bind_two(s, DO_PUT_DELIVERIES, m->topic, m->number);
	sql_bind_text(&s->sql, DO_PUT_DELIVERIES, 3, m->lane);
	sql_bind_u64(&s->sql, DO_PUT_DELIVERIES, 4, m->due_us);
	return store_change(s, DO_PUT_DELIVERIES);
}

int store_sent(struct store *s, uint64_t topic, const char *key, uint64_t now_us, uint64_t *number)
{
	sql_bind_u64(&s->sql, DO_SENT, 1, topic);
	sql_bind_text(&s->sql, DO_SENT, 2, key);
	sql_bind_u64(&s->sql, DO_SENT, 3, now_us);
	return store_ask(s, DO_SENT, number);
}

int store_message(struct store *s, uint64_t number, struct store_message *out, void **body)
{
	const void *bytes;
	int r;

	sql_bind_u64(&s->sql, DO_MESSAGE, 1, number);
	r = store_next(s, DO_MESSAGE);
	if (r != 1)
		return r;
	*out = (struct store_message){.number = sql_u64(&s->sql, DO_MESSAGE, 0),
				      .topic = sql_u64(&s->sql, DO_MESSAGE, 1),
				      .created_us = sql_u64(&s->sql, DO_MESSAGE, 2),
				      .due_us = sql_u64(&s->sql, DO_MESSAGE, 3),
				      .expires_us = sql_u64(&s->sql, DO_MESSAGE, 4),
				      .revision = sql_u64(&s->sql, DO_MESSAGE, 8)};
	sql_text(&s->sql, DO_MESSAGE, 5, out->lane, sizeof(out->lane));
	sql_text(&s->sql, DO_MESSAGE, 6, out->type, sizeof(out->type));
	bytes = sql_bytes(&s->sql, DO_MESSAGE, 7, &out->size);
	*body = malloc(out->size + 1);
	if (*body && out->size)
		memcpy(*body, bytes, out->size);
	out->body = *body;
	sql_reset(&s->sql, DO_MESSAGE);
	return *body ? 1 : -ENOMEM;
}

int store_keep(struct store *s, uint64_t message, uint64_t until_us)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	bind_two(s, DO_KEEP, message, until_us);
	return store_change(s, DO_KEEP);
}

int store_drop_message(struct store *s, uint64_t number)
{
	uint64_t bytes;
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_DROP_MESSAGE, 1, number);
	r = store_ask(s, DO_DROP_MESSAGE, &bytes);
	return r < 0 ? r : 0;
}

int store_forget_keys(struct store *s, uint64_t now_us)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_FORGET_KEYS, 1, now_us);
	return store_change(s, DO_FORGET_KEYS);
}

int store_expired(struct store *s, uint64_t by_us, struct store_message *out)
{
	int r = store_next(s, DO_FIRST_EXPIRY);

	if (r != 1)
		return r;
	*out = (struct store_message){.expires_us = sql_u64(&s->sql, DO_FIRST_EXPIRY, 0),
				      .number = sql_u64(&s->sql, DO_FIRST_EXPIRY, 1),
				      .topic = sql_u64(&s->sql, DO_FIRST_EXPIRY, 2),
				      .size = (size_t)sql_u64(&s->sql, DO_FIRST_EXPIRY, 3)};
	sql_reset(&s->sql, DO_FIRST_EXPIRY);
	return out->expires_us <= by_us;
}

int store_first_expiry(struct store *s, uint64_t *expires_us)
{
	return store_ask(s, DO_FIRST_EXPIRY, expires_us);
}

int store_last_number(struct store *s, uint64_t *number)
{
	return store_ask(s, DO_LAST_NUMBER, number);
}

/* ---- deliveries ---- */

static void read_delivery(struct store *s, enum statement which, struct store_delivery *delivery)
{
	delivery->consumer = sql_u64(&s->sql, which, 0);
	delivery->message = sql_u64(&s->sql, which, 1);
	delivery->state = (uint32_t)sql_u64(&s->sql, which, 2);
	delivery->attempts = (uint32_t)sql_u64(&s->sql, which, 3);
	delivery->failures = (uint32_t)sql_u64(&s->sql, which, 4);
	delivery->due_us = sql_u64(&s->sql, which, 5);
	delivery->receipt = sql_u64(&s->sql, which, 6);
	sql_text(&s->sql, which, 7, delivery->lane, sizeof(delivery->lane));
	sql_text(&s->sql, which, 8, delivery->text, sizeof(delivery->text));
}

static int one_delivery(struct store *s, enum statement which, struct store_delivery *out)
{
	int r = store_next(s, which);

	if (r != 1)
		return r;
	read_delivery(s, which, out);
	sql_reset(&s->sql, which);
	return 1;
}

int store_due(struct store *s, uint64_t consumer, uint64_t by_us, struct store_delivery *out)
{
	bind_two(s, DO_DUE, consumer, by_us);
	return one_delivery(s, DO_DUE, out);
}

int store_delivery(struct store *s, uint64_t consumer, uint64_t message, struct store_delivery *out)
{
	bind_two(s, DO_DELIVERY, consumer, message);
	return one_delivery(s, DO_DELIVERY, out);
}

int store_any_delivery(struct store *s, uint64_t message, struct store_delivery *out)
{
	sql_bind_u64(&s->sql, DO_ANY_DELIVERY, 1, message);
	return one_delivery(s, DO_ANY_DELIVERY, out);
}

int store_first_due(struct store *s, uint64_t consumer, uint64_t *due_us)
{
	sql_bind_u64(&s->sql, DO_FIRST_DUE, 1, consumer);
	return store_ask(s, DO_FIRST_DUE, due_us);
}

int store_put_delivery(struct store *s, const struct store_delivery *d)
{
	const uint64_t numbers[] = {d->consumer, d->message, d->state,  d->attempts,
				    d->failures, d->due_us,  d->receipt};
	int r = store_begin(s);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		sql_bind_u64(&s->sql, DO_PUT_DELIVERY, (int)i + 1, numbers[i]);
	sql_bind_text(&s->sql, DO_PUT_DELIVERY, 8, d->text);
	return store_change(s, DO_PUT_DELIVERY);
}

int store_wake_lane(struct store *s, const struct store_delivery *d)
{
	int r = *d->lane ? store_begin(s) : 0;

	if (r < 0 || !*d->lane)
		return r;
	sql_bind_u64(&s->sql, DO_NEXT_OF_LANE, 1, d->consumer);
	sql_bind_text(&s->sql, DO_NEXT_OF_LANE, 2, d->lane);
	return store_change(s, DO_NEXT_OF_LANE);
}

int store_drop_delivery(struct store *s, const struct store_delivery *d, bool *gone,
			uint64_t *bytes)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	bind_two(s, DO_DROP_DELIVERY, d->consumer, d->message);
	r = store_change(s, DO_DROP_DELIVERY);
	if (r == 0)
		r = store_wake_lane(s, d);
	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_DROP_MESSAGE, 1, d->message);
	r = store_ask(s, DO_DROP_MESSAGE, bytes);
	*gone = r == 1;
	return r < 0 ? r : 0;
}

static int each_delivery(struct store *s, enum statement which, store_each_delivery_fn each,
			 void *self)
{
	struct store_delivery d;
	int r;

	while ((r = store_next(s, which)) == 1) {
		read_delivery(s, which, &d);
		r = each(self, &d);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, which);
	return r;
}

int store_each_delivery(struct store *s, uint64_t consumer, uint32_t state, uint64_t after,
			uint32_t most, store_each_delivery_fn each, void *self)
{
	bind_two(s, DO_DELIVERIES, consumer, after);
	sql_bind_u64(&s->sql, DO_DELIVERIES, 3, state);
	sql_bind_u64(&s->sql, DO_DELIVERIES, 4, most);
	return each_delivery(s, DO_DELIVERIES, each, self);
}

int store_each_message(struct store *s, uint64_t topic, uint64_t after, uint32_t most,
		       store_each_delivery_fn each, void *self)
{
	bind_two(s, DO_MESSAGES, topic, after);
	sql_bind_u64(&s->sql, DO_MESSAGES, 3, most);
	return each_delivery(s, DO_MESSAGES, each, self);
}

int store_count(struct store *s, uint64_t consumer, uint64_t counts[WIRE_LETTER_STATE_COUNT])
{
	int r;

	memset(counts, 0, WIRE_LETTER_STATE_COUNT * sizeof(*counts));
	sql_bind_u64(&s->sql, DO_COUNT, 1, consumer);
	while ((r = store_next(s, DO_COUNT)) == 1)
		counts[sql_u64(&s->sql, DO_COUNT, 0) % WIRE_LETTER_STATE_COUNT] =
			sql_u64(&s->sql, DO_COUNT, 1);
	return r;
}

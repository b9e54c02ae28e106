// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/queues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"

#define SEEN_EVERY_US  (UINT64_C(3600) * US_PER_SEC)      /* a poll is written down so often */
#define UNSEEN_US      (UINT64_C(7) * 86400 * US_PER_SEC) /* then a consumer without news goes */
#define DEAD_KEPT_US   (UINT64_C(7) * 86400 * US_PER_SEC) /* dead letters */
#define EXPIRE_AT_ONCE 256                                /* then others get their turn */
#define EXPIRY_STEP_US (UINT64_C(60) * US_PER_SEC)
static uint64_t hash_of(const char *space, const char *name)
{
	return text_hash(space, strlen(space)) * 31 + text_hash(name, strlen(name));
}

uint64_t queues_random(void)
{
	uint64_t draw = 0;

	(void)!getrandom(&draw, sizeof(draw), 0);
	return (draw >> 1) | 1;
}

void queues_arm(struct flow *f, struct consumer *c)
{
	uint64_t due_us;

	c->starved = false;
	if (!c->trigger || c->in_flight >= c->trigger->is.concurrency_max ||
	    store_first_due(f->store, c->is.id, &due_us) != 1) {
		heap_remove(&f->pushes_due, &c->item);
		return;
	}
	if (due_us < c->held_until_us)
		due_us = c->held_until_us;
	must(heap_put(&f->pushes_due, &c->item, due_us) == 0); /* add_consumer made room */
}

/* ---- topics and consumers ---- */

static struct topic *add_topic(struct flow *f, const struct store_topic *is)
{
	struct topic *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	chain_init(&t->all);
	chain_init(&t->consumers);
	t->id = is->id;
	t->messages = is->messages;
	t->bytes = is->bytes;
	t->hash = hash_of(is->space, is->name);
	(void)text_copy(t->space, sizeof(t->space), is->space);
	(void)text_copy(t->name, sizeof(t->name), is->name);
	chain_add_last(&f->topics, &t->all);
	f->topic_count++;
	f->totals.messages += is->messages;
	f->totals.bytes += is->bytes;
	return t;
}

static struct consumer *add_consumer(struct flow *f, struct topic *t,
				     const struct store_consumer *is)
{
	struct consumer *c = calloc(1, sizeof(*c));

	if (!c || heap_reserve(&f->pushes_due, f->consumer_count + 1) < 0) {
		free(c);
		return NULL;
	}
	chain_init(&c->of_topic);
	chain_init(&c->pushes);
	c->topic = t;
	c->is = *is;
	chain_add_last(&t->consumers, &c->of_topic);
	t->consumer_count++;
	f->consumer_count++;
	return c;
}

static int load_topic(void *self, const struct store_topic *is)
{
	return add_topic(self, is) ? 0 : -ENOMEM;
}

static int load_consumer(void *self, const struct store_consumer *is)
{
	struct flow *f = self;
	struct topic *t;

	chain_each(t, &f->topics, all)
		if (t->id == is->topic)
			return add_consumer(f, t, is) ? 0 : -ENOMEM;
	return 0;
}

int queues_load(struct flow *f)
{
	int r = store_each_topic(f->store, load_topic, f);

	if (r == 0)
		r = store_each_consumer(f->store, load_consumer, f);
	return r;
}

struct topic *queues_topic(struct flow *f, const char *space, const char *name)
{
	uint64_t hash = hash_of(space, name);
	struct topic *t;

	chain_each(t, &f->topics, all)
		if (t->hash == hash && strcmp(t->name, name) == 0 && strcmp(t->space, space) == 0)
			return t;
	return NULL;
}

static void free_consumer(struct flow *f, struct consumer *c);

static bool is_idle(struct topic *t)
{
	struct consumer *c;

	chain_each(c, &t->consumers, of_topic)
		if (c->trigger || !chain_is_empty(&c->pushes))
			return false;
	return t->messages == 0;
}

static bool drop_topic(struct flow *f, struct topic *t)
{
	struct consumer *c;

	if (store_drop_topic(f->store, t->id) != 1)
		return false;
	chain_each(c, &t->consumers, of_topic) {
		(void)store_drop_consumer(f->store, c->is.id);
		free_consumer(f, c);
	}
	chain_remove(&t->all);
	f->topic_count--;
	free(t);
	return true;
}

/* Makes room for one topic more: the oldest one without messages and triggers goes. space: of this
 * namespace; NULL: of any. */
static bool drop_idle(struct flow *f, const char *space)
{
	struct topic *t;

	chain_each(t, &f->topics, all)
		if ((!space || strcmp(t->space, space) == 0) && is_idle(t) && drop_topic(f, t))
			return true;
	return false;
}

int queues_make_topic(struct flow *f, const char *space, const char *name, struct topic **out)
{
	struct store_topic is = {0};
	int r;

	*out = queues_topic(f, space, name);
	if (*out)
		return 0;
	if ((!room_for_topic(f, space) && !drop_idle(f, space)) ||
	    (f->topic_count >= TOPICS_MAX && !drop_idle(f, NULL)))
		return -ENOBUFS;
	(void)text_copy(is.space, sizeof(is.space), space);
	(void)text_copy(is.name, sizeof(is.name), name);
	r = store_make_topic(f->store, space, name, &is.id);
	if (r < 0)
		return r;
	*out = add_topic(f, &is);
	if (!*out) {
		loop_stop(f->loop, -ENOMEM); /* the next one reads what the store has */
		return -ENOMEM;
	}
	f->greet(f, *out);
	return 0;
}

struct consumer *queues_consumer(struct topic *t, const char *name)
{
	struct consumer *c;

	chain_each(c, &t->consumers, of_topic)
		if (strcmp(c->is.name, name) == 0)
			return c;
	return NULL;
}

int queues_make_consumer(struct flow *f, struct topic *t, const char *name, struct consumer **out)
{
	struct store_consumer is = {.topic = t->id, .seen_us = clock_real_us()};
	int r;

	*out = queues_consumer(t, name);
	if (*out)
		return 0;
	r = room_for_consumer(f, t);
	if (r < 0)
		return r;
	(void)text_copy(is.name, sizeof(is.name), name);
	r = store_make_consumer(f->store, &is);
	if (r < 0)
		return r;
	*out = add_consumer(f, t, &is);
	if (!*out) {
		loop_stop(f->loop, -ENOMEM);
		return -ENOMEM;
	}
	return 0;
}

static void note_seen(struct flow *f, struct consumer *c, uint64_t now_us)
{
	if (c->trigger || now_us - c->is.seen_us < SEEN_EVERY_US)
		return;
	c->is.seen_us = now_us;
	(void)store_put_consumer(f->store, &c->is, 0);
}

static void free_consumer(struct flow *f, struct consumer *c)
{
	must(chain_is_empty(&c->pushes)); /* they are gone before, or it has none */
	heap_remove(&f->pushes_due, &c->item);
	chain_remove(&c->of_topic);
	c->topic->consumer_count--;
	f->consumer_count--;
	free(c);
}

static void free_topic(struct flow *f, struct topic *t)
{
	struct consumer *c;

	chain_each(c, &t->consumers, of_topic)
		free_consumer(f, c);
	free(t);
}

void queues_free(struct flow *f)
{
	struct topic *t;

	chain_each(t, &f->topics, all)
		free_topic(f, t);
	heap_fini(&f->pushes_due);
}

/* ---- messages ---- */

/* Nobody hears the topic: said once, because a consumer may come yet. */
static void say_unheard(struct flow *f, struct topic *t)
{
	if (!chain_is_empty(&t->consumers) || t->unheard_said)
		return;
	t->unheard_said = true;
	tell_queue(f, WIRE_EVENT_TOPIC_UNHEARD, t, NULL,
		   "no consumer hears it; messages wait for one: an experimentalTriggers of a "
		   "service, or a poll");
}

/* Consumers that only polled, long ago, hold messages back for nobody. */
static void drop_unseen(struct flow *f, struct topic *t, uint64_t now_us)
{
	uint64_t counts[WIRE_LETTER_STATE_COUNT];
	struct consumer *c;

	chain_each(c, &t->consumers, of_topic) {
		if (c->trigger || !chain_is_empty(&c->pushes) ||
		    now_us < c->is.seen_us + UNSEEN_US ||
		    store_count(f->store, c->is.id, counts) < 0 ||
		    counts[0] + counts[1] + counts[2] + counts[3] > 0)
			continue;
		if (store_drop_consumer(f->store, c->is.id) == 0)
			free_consumer(f, c);
	}
}

int queues_send(struct flow *f, struct topic *t, struct store_message *m)
{
	struct consumer *c;
	int r = *m->key ? store_sent(f->store, t->id, m->key, m->created_us, &m->number) : 0;

	if (r != 0)
		return r;
	r = room_for_message(f, t, m->size);
	if (r < 0) {
		f->totals.refused++;
		return r;
	}
	drop_unseen(f, t, m->created_us);
	m->topic = t->id;
	r = store_send(f->store, m);
	if (r < 0)
		return r;
	f->uncommitted += m->size;
	t->messages++;
	t->bytes += m->size;
	f->totals.messages++;
	f->totals.bytes += m->size;
	f->totals.sent++;
	chain_each(c, &t->consumers, of_topic)
		queues_arm(f, c);
	say_unheard(f, t);
	return 0;
}

static void forget_message(struct flow *f, struct topic *t, uint64_t bytes)
{
	must(t->messages > 0 && t->bytes >= bytes);
	t->messages--;
	t->bytes -= bytes;
	f->totals.messages--;
	f->totals.bytes -= bytes;
}

static int drop_delivery(struct flow *f, struct topic *t, const struct store_delivery *d)
{
	uint64_t bytes = 0;
	bool gone = false;
	int r = store_drop_delivery(f->store, d, &gone, &bytes);

	if (r == 0 && gone)
		forget_message(f, t, bytes);
	return r;
}

/* ---- deliveries ---- */

static int find_one(struct flow *f, struct consumer *c, uint64_t number, uint64_t now_us,
		    struct store_delivery *d)
{
	uint64_t last = 0;
	int r = store_delivery(f->store, c->is.id, number, d);

	if (r == 1) {
		bool held = d->state == WIRE_LETTER_DELIVERING && d->due_us > now_us;

		return held || d->state >= WIRE_LETTER_BEHIND || d->due_us > now_us ? -EBUSY : 1;
	}
	if (r < 0 || store_last_number(f->store, &last) < 0)
		return r < 0 ? r : -EIO;
	return number > 0 && number <= last ? -ESTALE : 0;
}

/* The row of a delivery that begins. */
static int begin_delivery(struct flow *f, struct store_delivery *d, uint64_t now_us,
			  uint64_t until_us)
{
	if (d->attempts == 0) {
		f->totals.given++;
		f->totals.given_late += now_us - d->due_us > LATE_US;
		f->totals.given_late_us += now_us - d->due_us;
	}
	d->state = WIRE_LETTER_DELIVERING;
	d->attempts++;
	d->due_us = until_us;
	d->receipt = queues_random();
	f->totals.tries++;
	return store_put_delivery(f->store, d);
}

int queues_take(struct flow *f, struct consumer *c, uint64_t number, uint64_t until_us,
		struct store_delivery *d, struct store_message *m, void **body)
{
	uint64_t now_us = clock_real_us();
	int r;

	note_seen(f, c, now_us);
	for (;;) {
		r = number ? find_one(f, c, number, now_us, d)
			   : store_due(f->store, c->is.id, now_us, d);
		if (r != 1)
			return r;
		r = store_message(f->store, d->message, m, body);
		if (r < 0)
			return r;
		if (r == 1 && m->expires_us > now_us)
			break;
		if (r == 1)
			free(*body);
		r = drop_delivery(f, c->topic, d);
		if (r < 0 || number)
			return r;
	}
	r = begin_delivery(f, d, now_us, until_us);
	if (r < 0) {
		free(*body);
		return r;
	}
	return 1;
}

int queues_lease(struct flow *f, struct consumer *c, uint64_t number, uint64_t receipt,
		 struct store_delivery *d)
{
	int r = store_delivery(f->store, c->is.id, number, d);

	if (r != 1)
		return r < 0 ? r : -ENOENT;
	return d->receipt == receipt && d->state == WIRE_LETTER_DELIVERING ? 0 : -ESTALE;
}

int queues_handled(struct flow *f, struct consumer *c, const struct store_delivery *d)
{
	int r = drop_delivery(f, c->topic, d);

	f->totals.handled += r == 0;
	queues_arm(f, c);
	return r;
}

int queues_extend(struct flow *f, struct consumer *c, struct store_delivery *d, uint64_t due_us)
{
	int r;

	d->due_us = due_us;
	r = store_put_delivery(f->store, d);
	queues_arm(f, c);
	return r;
}

int queues_again(struct flow *f, struct consumer *c, struct store_delivery *d, uint64_t due_us)
{
	d->state = WIRE_LETTER_WAITING;
	return queues_extend(f, c, d, due_us);
}

int queues_revive(struct flow *f, struct consumer *c, struct store_delivery *d)
{
	int r;

	d->state = *d->lane ? WIRE_LETTER_BEHIND : WIRE_LETTER_WAITING;
	d->failures = 0;
	d->due_us = clock_real_us();
	r = store_put_delivery(f->store, d);
	if (r == 0)
		r = store_wake_lane(f->store, d);
	queues_arm(f, c);
	return r;
}

int queues_bury(struct flow *f, struct consumer *c, struct store_delivery *d)
{
	char text[ERROR_TEXT_SIZE];
	int r;

	d->state = WIRE_LETTER_DEAD;
	r = store_put_delivery(f->store, d);
	if (r == 0)
		r = store_keep(f->store, d->message, clock_real_us() + DEAD_KEPT_US);
	if (r == 0)
		r = store_wake_lane(f->store, d);
	f->totals.dead++;
	(void)text_format(text, sizeof(text), "message %llu: %s, after %u deliveries",
			  (unsigned long long)d->message, d->text, d->attempts);
	tell_queue(f, WIRE_EVENT_MESSAGE_DEAD, c->topic, c->is.name, text);
	return r;
}

/* ---- time that is over ---- */

static struct consumer *consumer_of(struct topic *t, uint64_t id)
{
	struct consumer *c;

	chain_each(c, &t->consumers, of_topic)
		if (c->is.id == id)
			return c;
	return NULL;
}

static struct topic *topic_of(struct flow *f, uint64_t id)
{
	struct topic *t;

	chain_each(t, &f->topics, all)
		if (t->id == id)
			return t;
	return NULL;
}

static int expire_one(struct flow *f, const struct store_message *m)
{
	struct topic *t = topic_of(f, m->topic);
	struct store_delivery d;
	bool heard = false;
	int r;

	must(t);
	f->totals.expired++;
	while ((r = store_any_delivery(f->store, m->number, &d)) == 1) {
		struct consumer *c = consumer_of(t, d.consumer);

		r = drop_delivery(f, t, &d); /* the last one takes the message along */
		if (r < 0)
			return r;
		heard = true;
		if (c)
			queues_arm(f, c);
	}
	if (r == 0 && !heard) {
		r = store_drop_message(f->store, m->number);
		forget_message(f, t, m->size);
	}
	return r;
}

int queues_drop(struct flow *f, struct topic *t, uint64_t number)
{
	struct store_message m;
	void *body;
	int r = store_message(f->store, number, &m, &body);

	if (r != 1)
		return r < 0 ? r : -ENOENT;
	free(body);
	r = store_drop_message(f->store, number);
	if (r == 0)
		forget_message(f, t, m.size);
	return r;
}

void queues_expire(struct flow *f, uint64_t now_us)
{
	struct store_message m;
	const char *why;

	if (now_us < f->expire_us || store_broken(f->store, &why))
		return;
	for (int n = 0; n < EXPIRE_AT_ONCE; n++) {
		if (store_expired(f->store, now_us, &m) != 1) {
			(void)store_forget_keys(f->store, now_us);
			f->expire_us = now_us + EXPIRY_STEP_US;
			return;
		}
		if (expire_one(f, &m) < 0)
			return;
	}
}

uint64_t queues_expiry(struct flow *f)
{
	uint64_t first_us;

	if (f->totals.messages == 0 || store_first_expiry(f->store, &first_us) != 1)
		return HEAP_EMPTY;
	return first_us > f->expire_us ? first_us : f->expire_us;
}

// SPDX-License-Identifier: Apache-2.0
/* Questions of ebb-api about queues: topics, messages, and dead letters once more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/flow/queues.h"

#define LETTERS_SHOWN     100
#define LETTERS_AT_ONCE   10000 /* moved by one command */
#define TERMINATED(field) text_terminated(field, sizeof(field))

/* ---- topics ---- */

static void fill_row(struct flow *f, struct wire_queue_row *row, struct topic *t,
		     const struct consumer *c)
{
	uint64_t counts[WIRE_LETTER_STATE_COUNT], due_us;

	row->messages = t->messages;
	row->bytes = t->bytes;
	(void)text_copy(row->space, sizeof(row->space), t->space);
	(void)text_copy(row->topic, sizeof(row->topic), t->name);
	if (!c || store_count(f->store, c->is.id, counts) < 0) {
		row->waiting = t->messages;
		return;
	}
	row->pushed = c->trigger != NULL;
	row->waiting = counts[WIRE_LETTER_WAITING] + counts[WIRE_LETTER_BEHIND];
	row->delivering = counts[WIRE_LETTER_DELIVERING];
	row->dead = counts[WIRE_LETTER_DEAD];
	if (row->waiting && store_first_due(f->store, c->is.id, &due_us) == 1)
		row->oldest_us = due_us;
	(void)text_copy(row->consumer, sizeof(row->consumer), c->is.name);
}

static void send_topic(struct flow *f, struct topic *t, uint64_t cookie)
{
	struct consumer *c;

	if (chain_is_empty(&t->consumers)) {
		struct wire_queue_row row = {.cookie = cookie};

		fill_row(f, &row, t, NULL);
		tell(f, WIRE_QUEUE_ROW, &row, sizeof(row));
	}
	chain_each(c, &t->consumers, of_topic) {
		struct wire_queue_row row = {.cookie = cookie};

		fill_row(f, &row, t, c);
		tell(f, WIRE_QUEUE_ROW, &row, sizeof(row));
	}
}

int told_queues_get(void *self, struct wire_message *m)
{
	struct flow *f = self;
	const struct wire_queues_get *get = (const void *)m->record;
	struct wire_queue_row last = {.cookie = get->cookie, .last = 1};
	struct topic *t;

	if (!TERMINATED(get->space))
		return -EPROTO;
	chain_each(t, &f->topics, all)
		if (!*get->space || strcmp(t->space, get->space) == 0)
			send_topic(f, t, get->cookie);
	tell(f, WIRE_QUEUE_ROW, &last, sizeof(last));
	return 0;
}

/* ---- messages ---- */

struct listing {
	struct flow *flow;
	const struct wire_letters_get *get;
	struct topic *topic;
	struct consumer *consumer; /* NULL: the topic has none */
	struct store_delivery *rows;
	uint32_t count, room;
};

static int note(void *self, const struct store_delivery *d)
{
	struct listing *l = self;

	if (l->get->number && d->message != l->get->number)
		return 0;
	l->rows[l->count++] = *d;
	return l->count == l->room;
}

static int gather(struct listing *l, uint64_t after)
{
	uint32_t state = l->get->dead ? WIRE_LETTER_DEAD : WIRE_LETTER_STATE_COUNT;

	if (l->get->number > after)
		after = l->get->number - 1;
	l->count = 0;
	return l->consumer
		       ? store_each_delivery(l->flow->store, l->consumer->is.id, state, after,
					     l->room, note, l)
		       : store_each_message(l->flow->store, l->topic->id, after, l->room, note, l);
}

static void send_letter(const struct listing *l, const struct store_delivery *d)
{
	struct wire_letter_row letter = {.cookie = l->get->cookie, .number = d->message};
	struct store_message m;
	void *body = NULL;

	if (store_message(l->flow->store, d->message, &m, &body) != 1)
		return;
	letter.state = d->state;
	letter.attempts = d->attempts;
	letter.failures = d->failures;
	letter.created_us = m.created_us;
	letter.expires_us = m.expires_us;
	letter.due_us = d->due_us;
	letter.size = m.size;
	letter.shown = m.size < sizeof(letter.body) ? (uint32_t)m.size : sizeof(letter.body);
	memcpy(letter.body, body, letter.shown);
	(void)text_copy(letter.space, sizeof(letter.space), l->topic->space);
	(void)text_copy(letter.topic, sizeof(letter.topic), l->topic->name);
	(void)text_copy(letter.type, sizeof(letter.type), m.type);
	(void)text_copy(letter.text, sizeof(letter.text), d->text);
	if (l->consumer)
		(void)text_copy(letter.consumer, sizeof(letter.consumer), l->consumer->is.name);
	tell(l->flow, WIRE_LETTER_ROW, &letter, sizeof(letter));
	free(body);
}

static void send_letters(struct listing *l)
{
	if (gather(l, 0) < 0)
		return;
	for (uint32_t n = 0; n < l->count; n++)
		send_letter(l, &l->rows[n]);
}

/* Calls each for the consumers that are meant. -ENOENT: there is no such topic. */
static int each_meant(struct listing *l, void (*each)(struct listing *l))
{
	const struct wire_letters_get *get = l->get;
	struct consumer *c;

	l->topic = queues_topic(l->flow, get->space, get->topic);
	if (!l->topic)
		return -ENOENT;
	if (*get->consumer) {
		l->consumer = queues_consumer(l->topic, get->consumer);
		if (!l->consumer)
			return -ENOENT;
		each(l);
		return 0;
	}
	if (chain_is_empty(&l->topic->consumers) && !get->dead)
		each(l);
	chain_each(c, &l->topic->consumers, of_topic) {
		l->consumer = c;
		each(l);
	}
	return 0;
}

static bool get_valid(const struct wire_letters_get *get)
{
	return TERMINATED(get->space) && TERMINATED(get->topic) && TERMINATED(get->consumer);
}

int told_letters_get(void *self, struct wire_message *m)
{
	const struct wire_letters_get *get = (const void *)m->record;
	struct wire_letter_row last = {.cookie = get->cookie, .last = 1};
	struct listing l = {.flow = self, .get = get, .room = LETTERS_SHOWN};
	int r;

	if (!get_valid(get))
		return -EPROTO;
	l.rows = calloc(l.room, sizeof(*l.rows));
	r = l.rows ? each_meant(&l, send_letters) : -ENOMEM;
	free(l.rows);
	last.err = r < 0 ? -r : 0;
	tell(self, WIRE_LETTER_ROW, &last, sizeof(last));
	return 0;
}

/* ---- moving them ---- */

struct moving {
	struct listing l;
	uint64_t moved;
};

static int move_one(struct flow *f, struct listing *l, struct store_delivery *d)
{
	if (!l->consumer)
		return queues_drop(f, l->topic, d->message);
	if (l->get->purge)
		return queues_handled(f, l->consumer, d);
	return d->state == WIRE_LETTER_DEAD ? queues_revive(f, l->consumer, d) : -EALREADY;
}

static void move_letters(struct listing *l)
{
	struct moving *all = container_of(l, struct moving, l);
	uint64_t after = 0;

	while (all->moved < LETTERS_AT_ONCE && gather(l, after) >= 0 && l->count > 0) {
		for (uint32_t n = 0; n < l->count; n++) {
			after = l->rows[n].message;
			all->moved += move_one(l->flow, l, &l->rows[n]) == 0;
		}
	}
	if (l->consumer)
		queues_arm(l->flow, l->consumer);
}

/* The answer follows the commit of what it tells. */
int told_letters_move(void *self, struct wire_message *m)
{
	struct flow *f = self;
	const struct wire_letters_get *get = (const void *)m->record;
	struct moving all = {.l = {.flow = f, .get = get, .room = LETTERS_SHOWN}};
	char text[32];
	int r;

	if (!get_valid(get))
		return -EPROTO;
	all.l.rows = calloc(all.l.room, sizeof(*all.l.rows));
	r = all.l.rows ? each_meant(&all.l, move_letters) : -ENOMEM;
	free(all.l.rows);
	if (r == 0)
		r = store_commit(f->store);
	(void)text_format(text, sizeof(text), "%llu", (unsigned long long)all.moved);
	tell_result(f, get->cookie, -r, r == -ENOENT ? "there is no such topic or consumer" : text);
	return 0;
}

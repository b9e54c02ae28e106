// SPDX-License-Identifier: Apache-2.0
/* The end of a run with all that it has, in steps: everybody waits for a step. */
#include <errno.h>
#include <string.h>

#include "runtime/flow/store_inside.h"
#include "runtime/flow/store_workflows.h"

#define COST_SHIFT  9 /* 512 bytes cost as much as a row */
#define STREAM_COST 4 /* of statements, with no chunk */
#define WORK_COST   8

/* Rows of one owner, in the order in which they are dropped. */
struct rows {
	enum statement sizes, drop; /* number and bytes of each; all up to a number */
};
static const struct rows chunks = {DO_CHUNK_SIZES, DO_DROP_CHUNKS};
static const struct rows events = {DO_EVENT_SIZES, DO_DROP_WORK_EVENTS};
static const struct rows parts = {DO_PART_SIZES, DO_DROP_WORK_PARTS};

uint64_t store_drop_cost(uint64_t bytes)
{
	return 1 + (bytes >> COST_SHIFT);
}

static int drop(struct store *s, enum statement which, uint64_t number)
{
	sql_bind_u64(&s->sql, which, 1, number);
	return store_change(s, which);
}

/* 1: none is left, 0: there may be more, or -errno. */
static int drop_rows(struct store *s, const struct rows *rows, uint64_t owner, struct store_drop *d,
		     uint64_t *freed)
{
	uint64_t last = 0, bytes;
	bool found = false;
	int r = 1;

	sql_bind_u64(&s->sql, rows->sizes, 1, owner);
	while (d->cost < d->most && (r = store_next(s, rows->sizes)) == 1) {
		found = true;
		last = sql_u64(&s->sql, rows->sizes, 0);
		bytes = sql_u64(&s->sql, rows->sizes, 1);
		d->cost += store_drop_cost(bytes);
		*freed += bytes;
	}
	sql_reset(&s->sql, rows->sizes);
	if (r < 0 || !found)
		return r < 0 ? r : r == 0;
	sql_bind_u64(&s->sql, rows->drop, 2, last);
	return drop(s, rows->drop, owner) < 0 ? -EIO : r == 0;
}

static uint64_t less(uint64_t bytes, uint64_t freed)
{
	return freed < bytes ? freed : bytes;
}

int store_drop_stream(struct store *s, struct store_stream *t, struct store_drop *d)
{
	uint64_t freed = 0;
	int r = store_begin(s);

	if (r == 0)
		r = drop_rows(s, &chunks, t->number, d, &freed);
	if (r < 0)
		return r;
	freed = r == 1 ? t->bytes : less(t->bytes, freed);
	t->bytes -= freed;
	d->bytes += freed;
	d->cost += STREAM_COST;
	if (r == 0)
		return store_put_stream(s, t);
	r = drop(s, DO_DROP_STREAM, t->number);
	return r < 0 ? r : 1;
}

static int keep_stream(void *self, const struct store_stream *t)
{
	*(struct store_stream *)self = *t;
	return 1;
}

static int drop_streams(struct store *s, const struct store_work *w, struct store_drop *d)
{
	struct store_stream t;
	int r;

	while ((r = store_each_stream(s, w->space, w->id, 1, keep_stream, &t)) == 1) {
		r = store_drop_stream(s, &t, d);
		if (r != 1)
			return r;
	}
	return r < 0 ? r : 1;
}

int store_drop_work(struct store *s, struct store_work *w, struct store_drop *d)
{
	uint64_t freed = 0;
	int r = store_begin(s);

	if (r == 0)
		r = drop_streams(s, w, d);
	if (r == 1)
		r = drop_rows(s, &events, w->number, d, &freed);
	if (r == 1)
		r = drop_rows(s, &parts, w->number, d, &freed);
	if (r < 0)
		return r;
	freed = r == 1 ? w->bytes : less(w->bytes, freed);
	w->bytes -= freed;
	w->ended_us = 0;
	d->bytes += freed;
	d->cost += WORK_COST;
	if (r == 0)
		return store_put_work(s, w);
	r = drop(s, DO_DROP_WORK, w->number);
	return r < 0 ? r : 1;
}

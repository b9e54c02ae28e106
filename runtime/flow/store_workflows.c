// SPDX-License-Identifier: Apache-2.0
/* Runs of workflows in the store, their events and parts; store_streams.c has the streams. */
#include "runtime/flow/store_workflows.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/flow/store_inside.h"

/* ---- namespaces ---- */

int store_make_space(struct store *s, const char *name, uint64_t *id)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_text(&s->sql, DO_MAKE_WORKSPACE, 1, name);
	return store_change_and_ask(s, DO_MAKE_WORKSPACE, id);
}

int store_each_space(struct store *s, store_each_space_fn each, void *self)
{
	struct store_space space;
	int r;

	while ((r = store_next(s, DO_WORKSPACES)) == 1) {
		space.id = sql_u64(&s->sql, DO_WORKSPACES, 0);
		sql_text(&s->sql, DO_WORKSPACES, 1, space.name, sizeof(space.name));
		space.works = sql_u64(&s->sql, DO_WORKSPACES, 2);
		space.open = sql_u64(&s->sql, DO_WORKSPACES, 3);
		space.bytes = sql_u64(&s->sql, DO_WORKSPACES, 4);
		r = each(self, &space);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, DO_WORKSPACES);
	return r;
}

/* ---- runs ---- */

int store_make_work(struct store *s, struct store_work *w)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_MAKE_WORK, 1, w->space);
	sql_bind_text(&s->sql, DO_MAKE_WORK, 2, w->id);
	sql_bind_text(&s->sql, DO_MAKE_WORK, 3, w->name);
	sql_bind_text(&s->sql, DO_MAKE_WORK, 4, w->deployment);
	sql_bind_u64(&s->sql, DO_MAKE_WORK, 5, w->spec);
	sql_bind_u64(&s->sql, DO_MAKE_WORK, 6, w->bytes);
	sql_bind_u64(&s->sql, DO_MAKE_WORK, 7, w->created_us);
	sql_bind_text(&s->sql, DO_MAKE_WORK, 8, w->service);
	r = store_change_and_ask(s, DO_MAKE_WORK, &w->number);
	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_JOIN_STREAMS, 1, w->space);
	sql_bind_text(&s->sql, DO_JOIN_STREAMS, 2, w->id);
	return store_change(s, DO_JOIN_STREAMS);
}

int store_put_work(struct store *s, const struct store_work *w)
{
	const uint64_t numbers[] = {w->number,      w->state,    w->events,
				    w->ended_event, w->bytes,    w->updated_us,
				    w->started_us,  w->ended_us, w->outside_us};
	int r = store_begin(s);

	if (r < 0)
		return r;
	store_bind(s, DO_PUT_WORK, numbers, ARRAY_LEN(numbers));
	return store_change(s, DO_PUT_WORK);
}

static void read_work(struct store *s, enum statement which, struct store_work *w)
{
	*w = (struct store_work){.number = sql_u64(&s->sql, which, 0),
				 .space = sql_u64(&s->sql, which, 1),
				 .state = (uint32_t)sql_u64(&s->sql, which, 5),
				 .spec = sql_u64(&s->sql, which, 6),
				 .events = sql_u64(&s->sql, which, 7),
				 .ended_event = sql_u64(&s->sql, which, 8),
				 .bytes = sql_u64(&s->sql, which, 9),
				 .created_us = sql_u64(&s->sql, which, 10),
				 .updated_us = sql_u64(&s->sql, which, 11),
				 .started_us = sql_u64(&s->sql, which, 12),
				 .ended_us = sql_u64(&s->sql, which, 13),
				 .outside_us = sql_u64(&s->sql, which, 14)};
	sql_text(&s->sql, which, 2, w->id, sizeof(w->id));
	sql_text(&s->sql, which, 3, w->name, sizeof(w->name));
	sql_text(&s->sql, which, 4, w->deployment, sizeof(w->deployment));
	sql_text(&s->sql, which, 15, w->service, sizeof(w->service));
}

static int one_work(struct store *s, enum statement which, struct store_work *out)
{
	int r = store_next(s, which);

	if (r != 1)
		return r;
	read_work(s, which, out);
	sql_reset(&s->sql, which);
	return 1;
}

int store_work(struct store *s, uint64_t space, const char *id, struct store_work *out)
{
	sql_bind_u64(&s->sql, DO_WORK, 1, space);
	sql_bind_text(&s->sql, DO_WORK, 2, id);
	return one_work(s, DO_WORK, out);
}

int store_oldest_over(struct store *s, uint64_t space, struct store_work *out)
{
	sql_bind_u64(&s->sql, DO_OLDEST_OVER, 1, space);
	return one_work(s, DO_OLDEST_OVER, out);
}

int store_first_over(struct store *s, struct store_work *out)
{
	return one_work(s, DO_FIRST_OVER, out);
}

static uint64_t from_of(const struct store_page *page)
{
	return page->down && page->after == 0 ? INT64_MAX : page->after;
}

static void bind_page(struct store *s, enum statement which, uint64_t of,
		      const struct store_page *page)
{
	const uint64_t numbers[] = {of, from_of(page), page->most};

	store_bind(s, which, numbers, ARRAY_LEN(numbers));
}

int store_each_work(struct store *s, uint64_t space, uint32_t state, const char *name,
		    const struct store_page *page, store_each_work_fn each, void *self)
{
	static const enum statement names[2][2] = {{DO_WORKS_NAME, DO_WORKS_NAME_STATE},
						   {DO_WORKS_NAME_DOWN, DO_WORKS_NAME_STATE_DOWN}};
	enum statement which = page->down ? DO_WORKS_DOWN : DO_WORKS;
	struct store_work work;
	int r;

	if (*name)
		which = names[page->down][state != WORK_STATE_COUNT];
	else if (state != WORK_STATE_COUNT)
		which = page->down ? DO_WORKS_STATE_DOWN : DO_WORKS_STATE;
	bind_page(s, which, space, page);
	if (*name)
		sql_bind_text(&s->sql, which, 4, name);
	if (state != WORK_STATE_COUNT)
		sql_bind_u64(&s->sql, which, *name ? 5 : 4, state);
	while ((r = store_next(s, which)) == 1) {
		read_work(s, which, &work);
		r = each(self, &work);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, which);
	return r;
}

/* ---- events ---- */

int store_put_event(struct store *s, const struct store_event *e)
{
	const uint64_t numbers[] = {e->work, e->number, e->space, e->type};
	int r = store_begin(s);

	if (r < 0)
		return r;
	store_bind(s, DO_PUT_EVENT, numbers, ARRAY_LEN(numbers));
	sql_bind_text(&s->sql, DO_PUT_EVENT, 5, e->correlation);
	sql_bind_u64(&s->sql, DO_PUT_EVENT, 6, e->spec);
	sql_bind_text(&s->sql, DO_PUT_EVENT, 7, e->once);
	sql_bind_u64(&s->sql, DO_PUT_EVENT, 8, e->created_us);
	sql_bind_u64(&s->sql, DO_PUT_EVENT, 9, e->occurred_ms);
	sql_bind_blob(&s->sql, DO_PUT_EVENT, 10, e->meta_size ? e->meta : "", e->meta_size);
	sql_bind_blob(&s->sql, DO_PUT_EVENT, 11, e->data_size ? e->data : "", e->data_size);
	return store_change(s, DO_PUT_EVENT);
}

static void read_event(struct store *s, enum statement which, struct store_event *e)
{
	e->id = sql_u64(&s->sql, which, 0);
	e->number = sql_u64(&s->sql, which, 1);
	sql_text(&s->sql, which, 2, e->work_id, sizeof(e->work_id));
	e->type = (uint32_t)sql_u64(&s->sql, which, 3);
	sql_text(&s->sql, which, 4, e->correlation, sizeof(e->correlation));
	e->spec = sql_u64(&s->sql, which, 5);
	e->created_us = sql_u64(&s->sql, which, 6);
	e->occurred_ms = sql_u64(&s->sql, which, 7);
	e->meta = sql_bytes(&s->sql, which, 8, &e->meta_size);
	e->data = sql_bytes(&s->sql, which, 9, &e->data_size);
}

static int each_event(struct store *s, enum statement which, store_each_event_fn each, void *self)
{
	struct store_event event = {0};
	int r;

	while ((r = store_next(s, which)) == 1) {
		read_event(s, which, &event);
		r = each(self, &event);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, which);
	return r;
}

int store_each_event(struct store *s, uint64_t work, const struct store_page *page,
		     store_each_event_fn each, void *self)
{
	enum statement which = page->down ? DO_EVENTS_DOWN : DO_EVENTS;

	bind_page(s, which, work, page);
	return each_event(s, which, each, self);
}

int store_each_event_about(struct store *s, uint64_t space, const char *correlation, uint64_t work,
			   const struct store_page *page, store_each_event_fn each, void *self)
{
	enum statement which = page->down ? DO_EVENTS_ABOUT_DOWN : DO_EVENTS_ABOUT;

	if (work)
		which = page->down ? DO_EVENTS_OF_RUN_ABOUT_DOWN : DO_EVENTS_OF_RUN_ABOUT;
	bind_page(s, which, work ? work : space, page);
	sql_bind_text(&s->sql, which, 4, correlation);
	return each_event(s, which, each, self);
}

/* The first row, if there is one. */
static int one_event(struct store *s, enum statement which, store_each_event_fn each, void *self)
{
	struct store_event event = {0};
	int r = store_next(s, which);

	if (r == 1) {
		read_event(s, which, &event);
		r = each(self, &event);
		r = r < 0 ? r : 1;
	}
	sql_reset(&s->sql, which);
	return r;
}

int store_event(struct store *s, uint64_t work, uint64_t number, store_each_event_fn each,
		void *self)
{
	sql_bind_u64(&s->sql, DO_EVENT, 1, work);
	sql_bind_u64(&s->sql, DO_EVENT, 2, number);
	return one_event(s, DO_EVENT, each, self);
}

int store_event_once(struct store *s, uint64_t work, const char *once, store_each_event_fn each,
		     void *self)
{
	sql_bind_u64(&s->sql, DO_EVENT_ONCE, 1, work);
	sql_bind_text(&s->sql, DO_EVENT_ONCE, 2, once);
	return one_event(s, DO_EVENT_ONCE, each, self);
}

/* ---- parts ---- */

int store_put_part(struct store *s, const struct store_part *p)
{
	const uint64_t states[] = {p->state,       p->attempts,   p->spec,       p->created_event,
				   p->ended_event, p->created_us, p->updated_us, p->started_us,
				   p->ended_us,    p->due_us};
	const uint64_t numbers[] = {p->work, p->space, p->kind};
	int r = store_begin(s);

	if (r < 0)
		return r;
	store_bind(s, DO_PUT_PART, numbers, ARRAY_LEN(numbers));
	sql_bind_text(&s->sql, DO_PUT_PART, 4, p->id);
	sql_bind_text(&s->sql, DO_PUT_PART, 5, p->name);
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		sql_bind_u64(&s->sql, DO_PUT_PART, (int)i + 6, states[i]);
	return store_change(s, DO_PUT_PART);
}

int store_dispose_hooks(struct store *s, uint64_t work, uint64_t now_us)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_DISPOSE_HOOKS, 1, work);
	sql_bind_u64(&s->sql, DO_DISPOSE_HOOKS, 2, now_us);
	return store_change(s, DO_DISPOSE_HOOKS);
}

static void read_part(struct store *s, enum statement which, struct store_part *p)
{
	*p = (struct store_part){.number = sql_u64(&s->sql, which, 0),
				 .work = sql_u64(&s->sql, which, 1),
				 .space = sql_u64(&s->sql, which, 2),
				 .kind = (uint32_t)sql_u64(&s->sql, which, 3),
				 .state = (uint32_t)sql_u64(&s->sql, which, 6),
				 .attempts = sql_u64(&s->sql, which, 7),
				 .spec = sql_u64(&s->sql, which, 8),
				 .created_event = sql_u64(&s->sql, which, 9),
				 .ended_event = sql_u64(&s->sql, which, 10),
				 .created_us = sql_u64(&s->sql, which, 11),
				 .updated_us = sql_u64(&s->sql, which, 12),
				 .started_us = sql_u64(&s->sql, which, 13),
				 .ended_us = sql_u64(&s->sql, which, 14),
				 .due_us = sql_u64(&s->sql, which, 15)};
	sql_text(&s->sql, which, 4, p->id, sizeof(p->id));
	sql_text(&s->sql, which, 5, p->name, sizeof(p->name));
	sql_text(&s->sql, which, 16, p->work_id, sizeof(p->work_id));
}

static int one_part(struct store *s, enum statement which, struct store_part *out)
{
	int r = store_next(s, which);

	if (r != 1)
		return r;
	read_part(s, which, out);
	sql_reset(&s->sql, which);
	return 1;
}

static void bind_part(struct store *s, enum statement which, uint64_t of, enum part_kind kind,
		      const char *id)
{
	sql_bind_u64(&s->sql, which, 1, of);
	sql_bind_u64(&s->sql, which, 2, kind);
	sql_bind_text(&s->sql, which, 3, id);
}

int store_part(struct store *s, uint64_t work, enum part_kind kind, const char *id,
	       struct store_part *out)
{
	bind_part(s, DO_PART, work, kind, id);
	return one_part(s, DO_PART, out);
}

int store_any_part(struct store *s, uint64_t space, enum part_kind kind, const char *id,
		   struct store_part *out)
{
	if (kind != PART_HOOK) {
		bind_part(s, DO_ANY_PART, space, kind, id);
		return one_part(s, DO_ANY_PART, out);
	}
	sql_bind_u64(&s->sql, DO_ANY_HOOK, 1, space);
	sql_bind_text(&s->sql, DO_ANY_HOOK, 2, id);
	return one_part(s, DO_ANY_HOOK, out);
}

int store_hook_of_token(struct store *s, uint64_t space, const char *token, struct store_part *out)
{
	sql_bind_u64(&s->sql, DO_HOOK_OF_TOKEN, 1, space);
	sql_bind_text(&s->sql, DO_HOOK_OF_TOKEN, 2, token);
	return one_part(s, DO_HOOK_OF_TOKEN, out);
}

static int each_part(struct store *s, enum statement which, store_each_part_fn each, void *self)
{
	struct store_part part;
	int r;

	while ((r = store_next(s, which)) == 1) {
		read_part(s, which, &part);
		r = each(self, &part);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, which);
	return r;
}

int store_each_part(struct store *s, uint64_t work, enum part_kind kind, const char *after,
		    const struct store_page *page, store_each_part_fn each, void *self)
{
	enum statement which = page->down ? DO_PARTS_DOWN : DO_PARTS;

	bind_part(s, which, work, kind, after);
	sql_bind_u64(&s->sql, which, 4, page->most);
	return each_part(s, which, each, self);
}

int store_each_hook(struct store *s, uint64_t space, const struct store_page *page,
		    store_each_part_fn each, void *self)
{
	enum statement which = page->down ? DO_HOOKS_DOWN : DO_HOOKS;

	bind_page(s, which, space, page);
	return each_part(s, which, each, self);
}

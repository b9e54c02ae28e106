// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/store_inside.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define STORE_FILE "flow.db"

int store_open(struct store **out, char *why)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = sql_open(&s->sql, STORE_FILE, &store_schema);
	if (r < 0) {
		(void)text_copy(why, sizeof(s->sql.why), s->sql.why);
		store_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	sql_close(&s->sql);
	free(s);
}

int store_broken(const struct store *s, const char **why)
{
	*why = s->sql.why;
	return s->sql.broken;
}

/* ---- changes ---- */

static int fail(struct store *s, int err)
{
	sql_break(&s->sql, -err);
	return err;
}

int store_begin(struct store *s)
{
	int r;

	if (s->sql.broken)
		return -s->sql.broken;
	if (s->begun)
		return 0;
	r = sql_run(&s->sql, DO_BEGIN);
	if (r < 0)
		return fail(s, r);
	s->begun = true;
	return 0;
}

int store_change(struct store *s, enum statement which)
{
	int r = sql_run(&s->sql, which);

	return r < 0 ? fail(s, r) : 0;
}

int store_put_schedule(struct store *s, const struct store_schedule *schedule)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_text(&s->sql, DO_PUT_SCHEDULE, 1, schedule->service);
	sql_bind_text(&s->sql, DO_PUT_SCHEDULE, 2, schedule->schedule);
	sql_bind_text(&s->sql, DO_PUT_SCHEDULE, 3, schedule->rule);
	sql_bind_u64(&s->sql, DO_PUT_SCHEDULE, 4, schedule->last_us);
	sql_bind_u64(&s->sql, DO_PUT_SCHEDULE, 5, schedule->next_us);
	return store_change(s, DO_PUT_SCHEDULE);
}

static int drop(struct store *s, enum statement which, const char *service, const char *schedule)
{
	sql_bind_text(&s->sql, which, 1, service);
	sql_bind_text(&s->sql, which, 2, schedule);
	return store_change(s, which);
}

int store_drop_schedule(struct store *s, const char *service, const char *schedule)
{
	int r = store_begin(s);

	if (r == 0)
		r = drop(s, DO_DROP_SCHEDULE, service, schedule);
	return r < 0 ? r : drop(s, DO_DROP_RUNS, service, schedule);
}

int store_put_run(struct store *s, const struct store_run *run)
{
	const uint64_t numbers[] = {run->state,    run->cause,    run->attempts,
				    run->failures, run->status,   run->scheduled_us,
				    run->due_us,   run->begun_us, run->ended_us};
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_text(&s->sql, DO_PUT_RUN, 1, run->id);
	sql_bind_text(&s->sql, DO_PUT_RUN, 2, run->service);
	sql_bind_text(&s->sql, DO_PUT_RUN, 3, run->schedule);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		sql_bind_u64(&s->sql, DO_PUT_RUN, (int)i + 4, numbers[i]);
	sql_bind_text(&s->sql, DO_PUT_RUN, 13, run->text);
	return store_change(s, DO_PUT_RUN);
}

int store_trim(struct store *s, const char *service, const char *schedule, uint32_t keep)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_text(&s->sql, DO_TRIM, 1, service);
	sql_bind_text(&s->sql, DO_TRIM, 2, schedule);
	sql_bind_u64(&s->sql, DO_TRIM, 3, keep);
	return store_change(s, DO_TRIM);
}

int store_commit(struct store *s)
{
	int r;

	if (s->sql.broken)
		return -s->sql.broken;
	if (!s->begun)
		return 0;
	r = sql_run(&s->sql, DO_COMMIT);
	if (r < 0)
		return fail(s, r);
	s->begun = false;
	sql_checkpoint(&s->sql);
	return 0;
}

/* ---- questions ---- */

int store_next(struct store *s, enum statement which)
{
	int r = sql_next(&s->sql, which);

	return r < 0 && r != -ENOMEM ? fail(s, r) : r;
}

int store_ask(struct store *s, enum statement which, uint64_t *out)
{
	int r = store_next(s, which);

	if (r != 1)
		return r;
	*out = sql_u64(&s->sql, which, 0);
	r = store_next(s, which); /* a change is done when its rows are through */
	sql_reset(&s->sql, which);
	return r < 0 ? r : 1;
}

int store_change_and_ask(struct store *s, enum statement which, uint64_t *out)
{
	int r = store_ask(s, which, out);

	return r == 1 ? 0 : r < 0 ? r : -EPROTO;
}

void store_bind(struct store *s, enum statement which, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sql_bind_u64(&s->sql, which, (int)i + 1, numbers[i]);
}

static void read_schedule(struct store *s, enum statement which, struct store_schedule *out)
{
	sql_text(&s->sql, which, 0, out->service, sizeof(out->service));
	sql_text(&s->sql, which, 1, out->schedule, sizeof(out->schedule));
	sql_text(&s->sql, which, 2, out->rule, sizeof(out->rule));
	out->last_us = sql_u64(&s->sql, which, 3);
	out->next_us = sql_u64(&s->sql, which, 4);
}

int store_schedule(struct store *s, const char *service, const char *schedule,
		   struct store_schedule *out)
{
	int r;

	sql_bind_text(&s->sql, DO_SCHEDULE, 1, service);
	sql_bind_text(&s->sql, DO_SCHEDULE, 2, schedule);
	r = store_next(s, DO_SCHEDULE);
	if (r != 1)
		return r;
	read_schedule(s, DO_SCHEDULE, out);
	sql_reset(&s->sql, DO_SCHEDULE);
	return 1;
}

int store_each_schedule(struct store *s, store_each_schedule_fn each, void *self)
{
	struct store_schedule schedule;
	int r;

	while ((r = store_next(s, DO_SCHEDULES)) == 1) {
		read_schedule(s, DO_SCHEDULES, &schedule);
		r = each(self, &schedule);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, DO_SCHEDULES);
	return r;
}

static void read_run(struct store *s, enum statement which, struct store_run *out)
{
	sql_text(&s->sql, which, 0, out->id, sizeof(out->id));
	sql_text(&s->sql, which, 1, out->service, sizeof(out->service));
	sql_text(&s->sql, which, 2, out->schedule, sizeof(out->schedule));
	out->state = (uint32_t)sql_u64(&s->sql, which, 3);
	out->cause = (uint32_t)sql_u64(&s->sql, which, 4);
	out->attempts = (uint32_t)sql_u64(&s->sql, which, 5);
	out->failures = (uint32_t)sql_u64(&s->sql, which, 6);
	out->status = (uint32_t)sql_u64(&s->sql, which, 7);
	out->scheduled_us = sql_u64(&s->sql, which, 8);
	out->due_us = sql_u64(&s->sql, which, 9);
	out->begun_us = sql_u64(&s->sql, which, 10);
	out->ended_us = sql_u64(&s->sql, which, 11);
	sql_text(&s->sql, which, 12, out->text, sizeof(out->text));
}

static int each_row(struct store *s, enum statement which, store_each_run_fn each, void *self)
{
	struct store_run run;
	int r;

	while ((r = store_next(s, which)) == 1) {
		read_run(s, which, &run);
		r = each(self, &run);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, which);
	return r;
}

int store_each_open(struct store *s, store_each_run_fn each, void *self)
{
	return each_row(s, DO_OPEN_RUNS, each, self);
}

int store_each_run(struct store *s, const char *service, const char *schedule, uint32_t most,
		   store_each_run_fn each, void *self)
{
	sql_bind_text(&s->sql, DO_RUNS, 1, service);
	sql_bind_text(&s->sql, DO_RUNS, 2, schedule);
	sql_bind_u64(&s->sql, DO_RUNS, 3, most);
	return each_row(s, DO_RUNS, each, self);
}

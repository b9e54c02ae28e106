// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/workflows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/flow/queues.h"

#define WORK_OVERHEAD   1024 /* of a row with its indices */
#define EVENT_OVERHEAD  256
#define PART_OVERHEAD   512
#define FORGET_COST     8192 /* of what is forgotten at once: some 50 ms, and all wait for it */
#define EXPIRY_STEP_US  (60 * US_PER_SEC)
#define EXPIRY_AGAIN_US US_PER_SEC /* when there is more */
#define SMALL_BYTES     5120       /* an event of this size ends something on a disk that is full */

/* ---- namespaces ---- */

static int add_space(struct flow *f, const struct store_space *is, struct workspace **out)
{
	struct workspace *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	chain_init(&w->all);
	w->is = *is;
	chain_add_last(&f->workspaces, &w->all);
	f->totals.works += is->open;
	*out = w;
	return 0;
}

static int on_space(void *self, const struct store_space *space)
{
	struct workspace *w;

	return add_space(self, space, &w);
}

int workflows_load(struct flow *f)
{
	return store_each_space(f->store, on_space, f);
}

void workflows_free(struct flow *f)
{
	struct workspace *w;

	chain_each(w, &f->workspaces, all)
		free(w);
}

struct workspace *workflows_space(struct flow *f, const char *name)
{
	struct workspace *w;

	chain_each(w, &f->workspaces, all)
		if (strcmp(w->is.name, name) == 0)
			return w;
	return NULL;
}

static struct workspace *space_of(struct flow *f, uint64_t id)
{
	struct workspace *w;

	chain_each(w, &f->workspaces, all)
		if (w->is.id == id)
			return w;
	return NULL;
}

int workflows_make_space(struct flow *f, const char *name, struct workspace **out)
{
	struct store_space is = {0};
	int r;

	*out = workflows_space(f, name);
	if (*out)
		return 0;
	(void)text_copy(is.name, sizeof(is.name), name);
	r = store_make_space(f->store, name, &is.id);
	return r < 0 ? r : add_space(f, &is, out);
}

/* ---- room ---- */

void workflows_grew(struct flow *f, struct workspace *w, uint64_t bytes)
{
	w->is.bytes += bytes;
	f->uncommitted += bytes;
}

static void shrink(struct workspace *w, uint64_t bytes)
{
	w->is.bytes -= bytes < w->is.bytes ? bytes : w->is.bytes;
}

/* Forgets a run, or as much of it as d allows: 1, 0 when the rest goes later, or -errno. */
static int forget(struct flow *f, struct store_work *run, struct store_drop *d)
{
	struct workspace *w = space_of(f, run->space);
	int r;

	d->bytes = 0;
	r = store_drop_work(f->store, run, d);
	if (r == 0)
		f->work_first_us = f->work_expire_us = clock_real_us() + EXPIRY_AGAIN_US;
	if (r < 0 || !w)
		return r;
	shrink(w, d->bytes);
	w->is.works -= r == 1 && w->is.works > 0;
	return r;
}

/* Forgets of the oldest run that is over: 1, 0 when there is none or much went already, or -errno.
 */
static int drop_oldest(struct flow *f, struct workspace *w, struct store_drop *d)
{
	struct store_work run;
	int r = d->cost < d->most ? store_oldest_over(f->store, w->is.id, &run) : 0;

	if (r != 1 || (w->keep && strcmp(w->keep, run.id) == 0))
		return r < 0 ? r : 0;
	r = forget(f, &run, d);
	return r < 0 ? r : 1;
}

/* Runs that are over give way: so many at once that nobody waits for long. A disk that was full
 * once would refuse runs until the old ones are forgotten, otherwise. */
static int give_way(struct flow *f, struct workspace *w, uint64_t bytes, bool ends)
{
	uint64_t bytes_max = WORK_BYTES_MAX + (ends ? WORK_BYTES_ENDING : 0);
	struct store_drop d = {.most = FORGET_COST + store_drop_cost(bytes)};
	int r = 1;

	while (w->is.bytes + bytes > bytes_max || w->is.works >= WORKS_MAX) {
		r = drop_oldest(f, w, &d);
		if (r != 1)
			return r < 0 ? r : -EDQUOT;
	}
	if (ends && bytes <= SMALL_BYTES)
		return room_for_end(f, bytes) ? 0 : -ENOSPC;
	while (!room_for_bytes(f, bytes)) {
		r = drop_oldest(f, w, &d);
		if (r != 1)
			return r < 0 ? r : -ENOSPC;
	}
	return 0;
}

int workflows_room(struct flow *f, struct workspace *w, uint64_t bytes, bool ends)
{
	int r = give_way(f, w, bytes, ends);

	f->totals.refused += r == -EDQUOT || r == -ENOSPC;
	return r;
}

/* ---- events ---- */

static int put_event(struct flow *f, struct workspace *w, struct workflow_result *out)
{
	struct store_event *e = &out->event;
	uint64_t bytes = e->meta_size + e->data_size + EVENT_OVERHEAD;
	int r;

	e->number = ++out->run.events;
	out->has_event = true;
	out->run.bytes += bytes;
	workflows_grew(f, w, bytes);
	r = store_put_event(f->store, e);
	return r < 0 ? r : store_put_work(f->store, &out->run);
}

static void fill_event(const struct workflow_offer *o, uint64_t now_us, struct workflow_result *out)
{
	struct store_event *e = &out->event;

	*e = (struct store_event){.work = out->run.number,
				  .space = out->run.space,
				  .type = o->type,
				  .spec = o->spec,
				  .created_us = now_us,
				  .occurred_ms = o->occurred_ms,
				  .meta = o->meta.at,
				  .meta_size = o->meta.size,
				  .data = o->data.at,
				  .data_size = o->data.size};
	(void)text_copy(e->work_id, sizeof(e->work_id), out->run.id);
	(void)text_copy(e->correlation, sizeof(e->correlation), o->correlation);
	(void)text_copy(e->once, sizeof(e->once), o->once);
}

/* A run that is not there: made by its first event, or by run_started, which brings all that it is
 * made of because run_created may have been lost. */
static int make_run(struct flow *f, const char *space, const char *id,
		    const struct workflow_offer *o, struct workflow_result *out)
{
	struct store_work *run = &out->run;
	struct workflow_offer first = *o;
	uint64_t bytes = o->meta.size + o->data.size + WORK_OVERHEAD + EVENT_OVERHEAD;
	struct workspace *w;
	int r = workflows_make_space(f, space, &w);

	if (r < 0)
		return r;
	if (w->is.open >= WORKS_OPEN_MAX)
		return -EDQUOT;
	r = workflows_room(f, w, bytes, false);
	if (r < 0)
		return r;
	*run = (struct store_work){.space = w->is.id,
				   .spec = o->spec,
				   .bytes = WORK_OVERHEAD,
				   .created_us = clock_real_us()};
	run->updated_us = run->created_us;
	(void)text_copy(run->id, sizeof(run->id), id);
	(void)text_copy(run->name, sizeof(run->name), o->name);
	(void)text_copy(run->deployment, sizeof(run->deployment), o->deployment);
	(void)text_copy(run->service, sizeof(run->service), o->service);
	r = store_make_work(f->store, run);
	if (r < 0)
		return r;
	workflows_grew(f, w, WORK_OVERHEAD);
	w->is.works++;
	w->is.open++;
	f->totals.works++;
	first.type = EVENT_run_created;
	if (o->type != EVENT_run_created)
		*first.once = *first.correlation = '\0';
	fill_event(&first, run->created_us, out);
	return put_event(f, w, out);
}

static int end_run(struct flow *f, struct workspace *w, const struct store_work *run)
{
	w->is.open -= w->is.open > 0;
	f->totals.works -= f->totals.works > 0;
	f->totals.works_completed += run->state == WORK_COMPLETED;
	f->totals.works_failed += run->state == WORK_FAILED;
	f->totals.works_cancelled += run->state == WORK_CANCELLED;
	if (run->state == WORK_FAILED)
		tell_failed(f, w->is.name, run);
	return store_dispose_hooks(f->store, run->number, run->updated_us);
}

static int check_size(const struct workflow_change *c, uint64_t bytes)
{
	const struct store_work *run = &c->result->run;
	uint64_t most = WORK_BYTES_OF_RUN;

	if (c->offer->type <= EVENT_run_cancelled)
		return 0; /* it comes once */
	if (run->events >= EVENTS_OF_WORK_MAX)
		return REFUSED_events_limit;
	if (workflow_ends(c->offer->type))
		most += RUN_BYTES_ENDING;
	return run->bytes + bytes > most ? REFUSED_too_large : 0;
}

static int write_change(struct workflow_change *c, struct workspace *w)
{
	struct workflow_result *out = c->result;
	bool made = c->put_part && out->part.created_event > out->run.events;
	bool ended = out->run.ended_event > out->run.events;
	int r;

	out->run.updated_us = c->now_us;
	if (made) {
		out->run.bytes += PART_OVERHEAD;
		workflows_grew(c->flow, w, PART_OVERHEAD);
	}
	r = put_event(c->flow, w, out);
	if (r == 0 && c->put_part)
		r = store_put_part(c->flow->store, &out->part);
	if (r == 0 && ended)
		r = end_run(c->flow, w, &out->run);
	return r;
}

static int change(struct flow *f, struct workspace *w, const struct workflow_offer *o,
		  struct workflow_result *out)
{
	uint64_t now_us = clock_real_us();
	uint64_t bytes = o->type == EVENT_run_started
				 ? EVENT_OVERHEAD
				 : o->meta.size + o->data.size + EVENT_OVERHEAD + PART_OVERHEAD;
	struct workflow_change c = {.flow = f, .offer = o, .result = out};
	int r;

	/* The time of a run never falls, so ids of its events are in their order. */
	c.now_us = now_us > out->run.updated_us ? now_us : out->run.updated_us;
	fill_event(o, c.now_us, out);
	if (o->type == EVENT_run_started)
		out->event.meta_size = out->event.data_size = 0;
	r = workflow_rule(&c);
	if (r != 0 || c.no_event)
		return r;
	r = check_size(&c, bytes);
	w->keep = out->run.id;
	if (r == 0)
		r = workflows_room(f, w, bytes, workflow_ends(o->type));
	w->keep = NULL;
	return r != 0 ? r : write_change(&c, w);
}

static int on_repeated(void *self, const struct store_event *event)
{
	struct workflow_result *out = self;

	out->event = *event;
	out->event.meta_size = out->event.data_size = 0;
	return 0;
}

/* The same request came before: its answer is told again. */
static int repeat(struct flow *f, const struct workflow_offer *o, struct workflow_result *out)
{
	int r = *o->once ? store_event_once(f->store, out->run.number, o->once, on_repeated, out)
			 : 0;

	out->repeated = out->has_event = r == 1;
	if (r != 1 || o->type < EVENT_step_created || out->event.type == EVENT_hook_conflict)
		return r;
	r = store_part(f->store, out->run.number,
		       o->type < EVENT_hook_created   ? PART_STEP
		       : o->type < EVENT_wait_created ? PART_HOOK
						      : PART_WAIT,
		       o->correlation, &out->part);
	out->has_part = r == 1;
	return r < 0 ? r : 1;
}

int workflows_make(struct flow *f, const char *space, const char *id,
		   const struct workflow_offer *o, struct workflow_result *out)
{
	struct workspace *w = workflows_space(f, space);
	bool may_make = o->type <= EVENT_run_started && *o->name && *o->deployment;
	int r = w ? store_work(f->store, w->is.id, id, &out->run) : 0;

	if (r < 0)
		return r;
	if (r == 0 && !may_make)
		return REFUSED_run_not_found;
	out->has_run = o->type <= EVENT_run_cancelled;
	if (r == 0) {
		r = make_run(f, space, id, o, out);
		if (r < 0 || o->type == EVENT_run_created)
			return r;
		return change(f, workflows_space(f, space), o, out);
	}
	r = repeat(f, o, out);
	return r != 0 ? (r < 0 ? r : 0) : change(f, w, o, out);
}

/* ---- time that is over ---- */

/* 1: it is forgotten, 0: nothing is to be done, or not now, or -errno. */
static int expire_run(struct flow *f, uint64_t now_us, struct store_drop *d)
{
	struct store_work run;
	int r = store_first_over(f->store, &run);

	if (r != 1)
		return r;
	if (run.ended_us + WORK_KEPT_US > now_us && run.ended_us > 0) {
		f->work_first_us = run.ended_us + WORK_KEPT_US;
		return 0;
	}
	return forget(f, &run, d);
}

static int expire_stream(struct flow *f, uint64_t now_us, struct store_drop *d)
{
	struct store_stream t;
	struct workspace *w;
	int r = store_first_alone(f->store, &t);

	if (r != 1)
		return r;
	if (t.touched_us + STREAM_ALONE_KEPT_US > now_us) {
		if (t.touched_us + STREAM_ALONE_KEPT_US < f->work_first_us)
			f->work_first_us = t.touched_us + STREAM_ALONE_KEPT_US;
		return 0;
	}
	d->bytes = 0;
	r = store_drop_stream(f->store, &t, d);
	w = space_of(f, t.space);
	if (r >= 0 && w)
		shrink(w, d->bytes);
	return r;
}

void workflows_expire(struct flow *f, uint64_t now_us)
{
	struct store_drop of_runs = {.most = FORGET_COST / 2}, of_streams = of_runs;
	const char *why;

	if (now_us < f->work_expire_us || store_broken(f->store, &why))
		return;
	f->work_first_us = HEAP_EMPTY;
	while (of_runs.cost < of_runs.most && expire_run(f, now_us, &of_runs) == 1)
		;
	while (of_streams.cost < of_streams.most && expire_stream(f, now_us, &of_streams) == 1)
		;
	f->work_expire_us = now_us + EXPIRY_STEP_US;
	if (of_runs.cost >= of_runs.most || of_streams.cost >= of_streams.most)
		f->work_first_us = f->work_expire_us = now_us + EXPIRY_AGAIN_US;
}

uint64_t workflows_expiry(struct flow *f)
{
	return f->work_first_us == HEAP_EMPTY || f->work_first_us > f->work_expire_us
		       ? f->work_first_us
		       : f->work_expire_us;
}

// SPDX-License-Identifier: Apache-2.0
/* The channel of ebb-api: schedules, questions, and what ebb-flow says to it. */
#include "runtime/flow/queue_words.h"
#include "runtime/flow/queues.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define RUNS_SHOWN_MAX    100
#define TERMINATED(field) text_terminated(field, sizeof(field))

/* ---- schedules ---- */

static int on_service(void *self, struct wire_message *m)
{
	struct flow *f = self;
	const struct wire_flow_service *service = (const void *)m->record;

	if (f->saying.count + f->saying.triggers > 0 || service->count > SCHEDULES_MAX ||
	    service->triggers > TRIGGERS_MAX || !TERMINATED(service->service) ||
	    !text_is_label(service->service))
		return -EPROTO;
	f->saying = *service;
	schedules_unsay(f, service->service);
	triggers_unsay(f, service->service);
	if (service->count == 0)
		schedules_settle(f, service->service);
	if (service->triggers == 0)
		triggers_settle(f, service->service);
	return 0;
}

/* ---- triggers ---- */

static bool topic_valid(const char *topic)
{
	char plain[QUEUE_NAME_SIZE];
	size_t n = strlen(topic);

	(void)text_copy(plain, sizeof(plain), topic);
	if (n > 0 && topic[n - 1] == '*')
		plain[n - 1] = n == 1 ? 'x' : '\0';
	return queue_name_valid(plain);
}

static bool trigger_valid(const struct flow *f, const struct wire_flow_trigger *t)
{
	return f->saying.triggers > 0 && TERMINATED(t->service) && TERMINATED(t->space) &&
	       TERMINATED(t->topic) && TERMINATED(t->consumer) && TERMINATED(t->path) &&
	       TERMINATED(t->host) && strcmp(t->service, f->saying.service) == 0 &&
	       text_is_label(t->space) && topic_valid(t->topic) && queue_name_valid(t->consumer) &&
	       *t->path == '/' && text_is_printable(t->path) && !strchr(t->path, ' ') &&
	       text_is_printable(t->host) && t->deliveries_max > 0 && t->concurrency_max > 0;
}

static int on_trigger(void *self, struct wire_message *m)
{
	struct flow *f = self;
	const struct wire_flow_trigger *t = (const void *)m->record;

	if (!trigger_valid(f, t))
		return -EPROTO;
	if (triggers_put(f, t) < 0) { /* the next ebb-flow is told all again */
		log_error("event=trigger_lost service=%s why=\"no memory\"", t->service);
		loop_stop(f->loop, -ENOMEM);
	}
	f->saying.triggers--;
	if (f->saying.triggers == 0)
		triggers_settle(f, f->saying.service);
	return 0;
}

static bool target_valid(const struct wire_flow_schedule *s)
{
	if (!TERMINATED(s->path) || !TERMINATED(s->topic) || !TERMINATED(s->space))
		return false;
	if (*s->topic)
		return queue_name_valid(s->topic) && text_is_label(s->space);
	return *s->path == '/' && text_is_printable(s->path) && !strchr(s->path, ' ');
}

static bool schedule_valid(const struct flow *f, const struct wire_flow_schedule *s)
{
	return f->saying.count > 0 && TERMINATED(s->service) && TERMINATED(s->name) &&
	       TERMINATED(s->expression) && TERMINATED(s->zone) && target_valid(s) &&
	       TERMINATED(s->host) && TERMINATED(s->token) &&
	       strcmp(s->service, f->saying.service) == 0 && *s->name &&
	       text_is_printable(s->name) && text_is_printable(s->host) &&
	       text_is_printable(s->token) && s->overlap < WIRE_OVERLAP_COUNT &&
	       s->missed < WIRE_MISSED_COUNT && s->method < WIRE_RUN_METHOD_COUNT &&
	       s->zone_size <= SCHEDULE_ZONE_BYTES;
}

static int on_schedule(void *self, struct wire_message *m)
{
	struct flow *f = self;
	struct wire_flow_schedule *s = (void *)m->record;
	int r;

	if (!schedule_valid(f, s))
		return -EPROTO;
	r = schedules_put(f, s);
	explicit_bzero(s->token, sizeof(s->token));
	if (r == -EINVAL)
		return -EPROTO;
	if (r == -ENOMEM) { /* the next ebb-flow is told all again */
		log_error("event=schedule_lost service=%s why=\"no memory\"", s->service);
		loop_stop(f->loop, r);
	}
	f->saying.count--;
	if (f->saying.count == 0)
		schedules_settle(f, f->saying.service);
	return 0;
}

static int on_known(void *self, struct wire_message *m)
{
	struct flow *f = self;

	(void)m;
	if (f->saying.count + f->saying.triggers > 0)
		return -EPROTO;
	schedules_known(f);
	tell_totals(f);
	return 0;
}

/* ---- questions ---- */

static void fill_run(struct wire_run_row *row, const struct store_run *run)
{
	row->state = run->state;
	row->cause = run->cause;
	row->attempts = run->attempts;
	row->status = run->status;
	row->scheduled_us = run->scheduled_us;
	row->due_us = run->due_us;
	row->begun_us = run->begun_us;
	row->ended_us = run->ended_us;
	(void)text_copy(row->id, sizeof(row->id), run->id);
	(void)text_copy(row->service, sizeof(row->service), run->service);
	(void)text_copy(row->schedule, sizeof(row->schedule), run->schedule);
	(void)text_copy(row->text, sizeof(row->text), run->text);
}

static int note_last(void *self, const struct store_run *run)
{
	struct wire_schedule_row *row = self;

	row->has_run = 1;
	fill_run(&row->run, run);
	return 1;
}

static void send_row(struct flow *f, const struct schedule *s, uint64_t cookie)
{
	struct wire_schedule_row row = {.cookie = cookie, .open = s->open, .next_us = s->next_us};

	(void)text_copy(row.service, sizeof(row.service), s->is.service);
	(void)text_copy(row.schedule, sizeof(row.schedule), s->is.name);
	(void)text_copy(row.expression, sizeof(row.expression), s->is.expression);
	(void)text_copy(row.zone, sizeof(row.zone), s->is.zone);
	(void)text_copy(row.path, sizeof(row.path), s->is.path);
	(void)text_copy(row.topic, sizeof(row.topic), s->is.topic);
	(void)store_each_run(f->store, s->is.service, s->is.name, 1, note_last, &row);
	tell(f, WIRE_SCHEDULE_ROW, &row, sizeof(row));
}

static int on_schedules_get(void *self, struct wire_message *m)
{
	struct flow *f = self;
	const struct wire_schedules_get *get = (const void *)m->record;
	struct wire_schedule_row last = {.cookie = get->cookie, .last = 1};

	if (!TERMINATED(get->service))
		return -EPROTO;
	for (uint32_t n = 0; n < f->schedule_count; n++)
		if (!*get->service || strcmp(f->schedules[n]->is.service, get->service) == 0)
			send_row(f, f->schedules[n], get->cookie);
	tell(f, WIRE_SCHEDULE_ROW, &last, sizeof(last));
	return 0;
}

struct listing {
	struct flow *flow;
	uint64_t cookie;
};

static int send_run(void *self, const struct store_run *run)
{
	struct listing *l = self;
	struct wire_run_row row = {.cookie = l->cookie};

	fill_run(&row, run);
	tell(l->flow, WIRE_RUN_ROW, &row, sizeof(row));
	return 0;
}

static int on_runs_get(void *self, struct wire_message *m)
{
	struct flow *f = self;
	const struct wire_runs_get *get = (const void *)m->record;
	struct wire_run_row last = {.cookie = get->cookie, .last = 1};
	struct listing l = {.flow = f, .cookie = get->cookie};
	int r;

	if (!TERMINATED(get->service) || !TERMINATED(get->schedule))
		return -EPROTO;
	r = store_each_run(f->store, get->service, get->schedule, RUNS_SHOWN_MAX, send_run, &l);
	last.err = r < 0 ? -r : 0;
	tell(f, WIRE_RUN_ROW, &last, sizeof(last));
	return 0;
}

/* The answer goes out when the run is in the store (loop.c). */
static int on_run(void *self, struct wire_message *m)
{
	struct flow *f = self;
	const struct wire_schedule_run *get = (const void *)m->record;
	uint64_t now_us = clock_real_us();
	struct schedule *s;
	struct run *run;

	if (!TERMINATED(get->service) || !TERMINATED(get->schedule))
		return -EPROTO;
	s = schedules_find(f, get->service, get->schedule);
	if (!s) {
		tell_result(f, get->cookie, ENOENT, "there is no such schedule");
		return 0;
	}
	run = runs_add(f, s, WIRE_RUN_BY_HAND, now_us, now_us);
	if (run)
		run->cookie = get->cookie;
	else
		tell_result(f, get->cookie, EBUSY, "too many runs are not over");
	return 0;
}

const struct wire_rule told_rules[] = {
	{WIRE_FLOW_SERVICE, sizeof(struct wire_flow_service), 1, 0, 0, on_service},
	{WIRE_FLOW_SCHEDULE, sizeof(struct wire_flow_schedule), 1, 0, 0, on_schedule},
	{WIRE_FLOW_TRIGGER, sizeof(struct wire_flow_trigger), 1, 0, 0, on_trigger},
	{WIRE_QUEUES_GET, sizeof(struct wire_queues_get), 1, 0, 0, told_queues_get},
	{WIRE_LETTERS_GET, sizeof(struct wire_letters_get), 1, 0, 0, told_letters_get},
	{WIRE_LETTERS_MOVE, sizeof(struct wire_letters_get), 1, 0, 0, told_letters_move},
	{WIRE_WORKS_GET, sizeof(struct wire_works_get), 1, 0, 0, told_works_get},
	{WIRE_WORK_EVENTS_GET, sizeof(struct wire_work_events_get), 1, 0, 0, told_work_events_get},
	{WIRE_WORK_MOVE, sizeof(struct wire_works_get), 1, 0, 0, told_work_move},
	{WIRE_FLOW_KNOWN, 0, 1, 0, 0, on_known},
	{WIRE_SCHEDULES_GET, sizeof(struct wire_schedules_get), 1, 0, 0, on_schedules_get},
	{WIRE_RUNS_GET, sizeof(struct wire_runs_get), 1, 0, 0, on_runs_get},
	{WIRE_SCHEDULE_RUN, sizeof(struct wire_schedule_run), 1, 0, 0, on_run},
};
const size_t told_rule_count = ARRAY_LEN(told_rules);

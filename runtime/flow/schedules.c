// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* A run that is later than this was missed: nobody was there when it was due. */
#define MISSED_US (60 * US_PER_SEC)
/* cron(8): a clock that is set by more is believed, one that is set by less changes nothing. */
#define CLOCK_SET_US (INT64_C(3) * 3600 * (int64_t)US_PER_SEC)
/* The last of many missed times is looked for from so long ago. */
#define MISSED_LOOK_US (UINT64_C(49) * 3600 * US_PER_SEC)

static int compare(const struct schedule *s, const char *service, const char *name)
{
	int r = strcmp(s->is.service, service);

	return r ? r : strcmp(s->is.name, name);
}

/* Where it is, or where it would have to be. */
static uint32_t place_of(const struct flow *f, const char *service, const char *name, bool *found)
{
	uint32_t low = 0, high = f->schedule_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare(f->schedules[middle], service, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < f->schedule_count && compare(f->schedules[low], service, name) == 0;
	return low;
}

struct schedule *schedules_find(const struct flow *f, const char *service, const char *name)
{
	bool found;
	uint32_t at = place_of(f, service, name, &found);

	return found ? f->schedules[at] : NULL;
}

static uint64_t next_of(const struct schedule *s, uint64_t after_us)
{
	int64_t at = cron_next(&s->cron, s->zone, (int64_t)(after_us / US_PER_SEC));

	return at == CRON_NEVER || at < 0 ? 0 : (uint64_t)at * US_PER_SEC;
}

static void arm(struct flow *f, struct schedule *s, uint64_t next_us)
{
	s->next_us = next_us;
	if (next_us == 0)
		heap_remove(&f->plans, &s->item);
	else
		must(heap_put(&f->plans, &s->item, next_us) == 0); /* schedules_put made room */
}

static void rule_of(const struct schedule *s, struct store_schedule *out)
{
	(void)text_copy(out->service, sizeof(out->service), s->is.service);
	(void)text_copy(out->schedule, sizeof(out->schedule), s->is.name);
	(void)text_format(out->rule, sizeof(out->rule), "%s %s", s->is.expression, s->is.zone);
	out->last_us = s->last_us;
	out->next_us = s->next_us;
}

static int save(struct flow *f, const struct schedule *s)
{
	struct store_schedule row = {0};

	rule_of(s, &row);
	return store_put_schedule(f->store, &row);
}

/* ---- the words of ebb-api ---- */

static void free_one(struct schedule *s)
{
	zone_free(s->zone);
	explicit_bzero(s->is.token, sizeof(s->is.token));
	free(s);
}

static int make(const struct wire_flow_schedule *record, struct schedule **out)
{
	struct schedule *s = calloc(1, sizeof(*s));
	char why[CRON_WHY_SIZE];
	int r;

	if (!s)
		return -ENOMEM;
	memcpy(&s->is, record, offsetof(struct wire_flow_schedule, zone_bytes));
	chain_init(&s->runs);
	r = cron_parse(record->expression, &s->cron, why);
	if (r == 0 && record->zone_size > 0)
		r = zone_parse(record->zone_bytes, record->zone_size, &s->zone);
	if (r < 0) {
		free_one(s);
		return r;
	}
	*out = s;
	return 0;
}

static int insert(struct flow *f, struct schedule *s)
{
	bool found;
	uint32_t at = place_of(f, s->is.service, s->is.name, &found);

	must(!found);
	if (f->schedule_count == f->schedule_room) {
		uint32_t room = f->schedule_room ? 2 * f->schedule_room : 64;
		struct schedule **more = reallocarray(f->schedules, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		f->schedules = more;
		f->schedule_room = room;
	}
	memmove(f->schedules + at + 1, f->schedules + at,
		(f->schedule_count - at) * sizeof(*f->schedules));
	f->schedules[at] = s;
	f->schedule_count++;
	return heap_reserve(&f->plans, f->schedule_count);
}

/* A new rule begins now. One that the store has goes on, unless the clock was far ahead then. */
static int begin(struct flow *f, struct schedule *s)
{
	struct store_schedule before, row = {0};
	uint64_t now_us = clock_real_us();
	int r = store_schedule(f->store, s->is.service, s->is.name, &before);

	if (r < 0)
		return r;
	rule_of(s, &row);
	if (r == 1 && strcmp(before.rule, row.rule) == 0 &&
	    before.last_us <= now_us + (uint64_t)CLOCK_SET_US) {
		s->last_us = before.last_us;
		arm(f, s, before.next_us);
		return 0;
	}
	arm(f, s, next_of(s, now_us));
	return save(f, s);
}

/* The settings change; the time of the next run only if the rule did. */
static int replace(struct flow *f, struct schedule *s, struct schedule *with)
{
	struct store_schedule before = {0}, after = {0};
	struct zone *zone = s->zone;

	rule_of(s, &before);
	rule_of(with, &after);
	s->is = with->is;
	s->cron = with->cron;
	s->zone = with->zone;
	s->said = true;
	with->zone = zone;
	free_one(with);
	if (strcmp(before.rule, after.rule) == 0)
		return 0;
	arm(f, s, next_of(s, clock_real_us()));
	return save(f, s);
}

int schedules_put(struct flow *f, const struct wire_flow_schedule *record)
{
	struct schedule *s, *present = schedules_find(f, record->service, record->name);
	int r = make(record, &s);

	if (r < 0)
		return r;
	if (present)
		return replace(f, present, s);
	r = insert(f, s);
	if (r == 0)
		r = begin(f, s);
	s->said = true;
	runs_adopt(f, s);
	return r;
}

static void drop(struct flow *f, uint32_t at)
{
	struct schedule *s = f->schedules[at];

	runs_orphan(f, s);
	heap_remove(&f->plans, &s->item);
	(void)store_drop_schedule(f->store, s->is.service, s->is.name); /* if it fails, all ends */
	f->schedule_count--;
	memmove(f->schedules + at, f->schedules + at + 1,
		(f->schedule_count - at) * sizeof(*f->schedules));
	free_one(s);
}

void schedules_unsay(struct flow *f, const char *service)
{
	for (uint32_t n = 0; n < f->schedule_count; n++)
		if (strcmp(f->schedules[n]->is.service, service) == 0)
			f->schedules[n]->said = false;
}

void schedules_settle(struct flow *f, const char *service)
{
	for (uint32_t n = f->schedule_count; n-- > 0;)
		if (strcmp(f->schedules[n]->is.service, service) == 0 && !f->schedules[n]->said)
			drop(f, n);
}

/* One of the store that nobody said. */
struct stray {
	const struct flow *flow;
	struct store_schedule found;
};

static int find_stray(void *self, const struct store_schedule *schedule)
{
	struct stray *stray = self;

	if (schedules_find(stray->flow, schedule->service, schedule->schedule))
		return 0;
	stray->found = *schedule;
	return 1;
}

void schedules_known(struct flow *f)
{
	struct stray stray = {.flow = f};
	struct run *r;

	while (store_each_schedule(f->store, find_stray, &stray) == 1)
		if (store_drop_schedule(f->store, stray.found.service, stray.found.schedule) < 0)
			return;
	chain_each(r, &f->runs, all)
		if (!r->of)
			run_free(f, r);
	f->known = true;
	log_info("event=ready schedules=%u runs=%u", f->schedule_count, f->open);
}

/* ---- runs that are due ---- */

static uint64_t jitter_us(const struct schedule *s)
{
	uint32_t draw = 0;

	if (s->is.jitter_s == 0 || getrandom(&draw, sizeof(draw), 0) != sizeof(draw))
		return 0;
	return (uint64_t)s->is.jitter_s * US_PER_SEC * draw / UINT32_MAX;
}

/* The last time that is not behind now. */
static uint64_t last_missed(const struct schedule *s, uint64_t now_us)
{
	uint64_t last = s->next_us, at = now_us - MISSED_LOOK_US;

	if (at > last && (at = next_of(s, at)) != 0 && at <= now_us)
		last = at;
	while ((at = next_of(s, last)) != 0 && at <= now_us)
		last = at;
	return last;
}

static void run_missed(struct flow *f, struct schedule *s, uint64_t now_us)
{
	char text[128], date[CLOCK_DATE_SIZE];
	struct store_run told = {0};

	f->totals.missed++;
	s->last_us = last_missed(s, now_us);
	if (s->is.missed == WIRE_MISSED_ONCE) {
		(void)runs_add(f, s, WIRE_RUN_MISSED, s->last_us, now_us);
		return;
	}
	(void)text_copy(told.service, sizeof(told.service), s->is.service);
	(void)text_copy(told.schedule, sizeof(told.schedule), s->is.name);
	(void)text_format(text, sizeof(text), "it was due at %s, while ebb did not run",
			  clock_rfc3339(s->last_us, date));
	f->totals.skipped++;
	tell_event(f, WIRE_EVENT_RUN_SKIPPED, &told, text);
}

static void run_due(struct flow *f, struct schedule *s, uint64_t now_us)
{
	uint64_t due_us = s->next_us;

	if (now_us - due_us > MISSED_US) {
		run_missed(f, s, now_us);
	} else {
		s->last_us = due_us;
		(void)runs_add(f, s, WIRE_RUN_BY_TIME, due_us, due_us + jitter_us(s));
	}
	arm(f, s, next_of(s, s->last_us));
	(void)save(f, s);
}

void schedules_plan(struct flow *f, uint64_t now_us)
{
	const char *why;

	while (f->known && heap_first_key(&f->plans) <= now_us && !store_broken(f->store, &why))
		run_due(f, container_of(heap_first(&f->plans), struct schedule, item), now_us);
}

void schedules_clock_set(struct flow *f, int64_t by_us)
{
	if (by_us > -CLOCK_SET_US)
		return; /* a schedule is due once at each time, and later times come */
	log_info("event=clock_set by_s=%lld", (long long)(by_us / (int64_t)US_PER_SEC));
	for (uint32_t n = 0; n < f->schedule_count; n++) {
		struct schedule *s = f->schedules[n];

		s->last_us = 0;
		arm(f, s, next_of(s, clock_real_us()));
		(void)save(f, s);
	}
}

void schedules_free(struct flow *f)
{
	for (uint32_t n = 0; n < f->schedule_count; n++)
		free_one(f->schedules[n]);
	free(f->schedules);
	heap_fini(&f->plans);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/queues.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define REQUEST_MAX 8192
#define HELD_US     (24 * 3600 * US_PER_SEC) /* ebb itself refuses a run for so long at most */
#define HOLD_MOST_S 60u

/* Seconds until the next delivery, by the number of those that failed. */
static const uint32_t pauses_s[] = {1, 5, 30, 60};

static void link_run(struct flow *f, struct run *r)
{
	chain_init(&r->of_schedule);
	chain_init(&r->all);
	chain_add_last(&f->runs, &r->all);
	f->open++;
}

static void give(struct schedule *s, struct run *r)
{
	r->of = s;
	chain_add_last(&s->runs, &r->of_schedule);
	s->open++;
}

void run_free(struct flow *f, struct run *r)
{
	delivery_end(r->delivery);
	heap_remove(&f->waiting, &r->item);
	if (r->of) {
		chain_remove(&r->of_schedule);
		r->of->open--;
	}
	chain_remove(&r->all);
	f->open--;
	free(r);
}

/* With `queue` only the oldest run of a schedule may begin. */
static bool may_begin(const struct run *r)
{
	return r->of && (r->of->is.overlap != WIRE_OVERLAP_QUEUE ||
			 chain_first(&r->of->runs) == &r->of_schedule);
}

/* Puts a run in line by its time, if it may begin. */
static void line_up(struct flow *f, struct run *r)
{
	if (may_begin(r) && r->is.state == WIRE_RUN_WAITING)
		must(heap_put(&f->waiting, &r->item, r->is.due_us) == 0); /* runs_load made room */
}

static int load(void *self, const struct store_run *is)
{
	struct flow *f = self;
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->is = *is;
	/* Nobody knows whether it was delivered: it is, once more. */
	if (is->state == WIRE_RUN_DELIVERING)
		r->is.due_us = clock_real_us();
	r->is.state = WIRE_RUN_WAITING;
	link_run(f, r);
	return 0;
}

int runs_load(struct flow *f)
{
	int r = heap_reserve(&f->waiting, RUNS_OPEN_MAX);

	return r < 0 ? r : store_each_open(f->store, load, f);
}

void runs_adopt(struct flow *f, struct schedule *s)
{
	struct run *r;

	chain_each(r, &f->runs, all) {
		if (r->of || strcmp(r->is.service, s->is.service) != 0 ||
		    strcmp(r->is.schedule, s->is.name) != 0)
			continue;
		give(s, r);
		line_up(f, r);
	}
}

void runs_orphan(struct flow *f, struct schedule *s)
{
	struct run *r;

	chain_each(r, &s->runs, of_schedule)
		run_free(f, r);
	must(s->open == 0);
}

static int make_id(char id[RUN_ID_SIZE])
{
	uint8_t bytes[(RUN_ID_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	text_hex(id, bytes, sizeof(bytes));
	return 0;
}

/* Why a run is left out, or NULL. */
static const char *left_out(const struct flow *f, const struct schedule *s, uint32_t cause)
{
	if (f->open >= RUNS_OPEN_MAX)
		return "too many runs of all schedules are not over";
	if (s->open >= RUNS_OF_SCHEDULE_MAX)
		return "too many runs of this schedule are not over";
	if (s->is.overlap == WIRE_OVERLAP_SKIP && s->open > 0 && cause != WIRE_RUN_BY_HAND)
		return "an earlier run is not over (overlap: skip)";
	return NULL;
}

static void leave_out(struct flow *f, struct store_run *is, const char *why)
{
	is->state = WIRE_RUN_SKIPPED;
	is->ended_us = clock_real_us();
	(void)text_copy(is->text, sizeof(is->text), why);
	f->totals.skipped++;
	(void)store_put_run(f->store, is);
	(void)store_trim(f->store, is->service, is->schedule, RUNS_KEPT);
	tell_event(f, WIRE_EVENT_RUN_SKIPPED, is, why);
}

struct run *runs_add(struct flow *f, struct schedule *s, uint32_t cause, uint64_t scheduled_us,
		     uint64_t due_us)
{
	const char *why = left_out(f, s, cause);
	struct store_run is = {.state = WIRE_RUN_WAITING,
			       .cause = cause,
			       .scheduled_us = scheduled_us,
			       .due_us = due_us};
	struct run *r;

	(void)text_copy(is.service, sizeof(is.service), s->is.service);
	(void)text_copy(is.schedule, sizeof(is.schedule), s->is.name);
	if (make_id(is.id) < 0)
		return NULL;
	r = why ? NULL : calloc(1, sizeof(*r));
	if (!r) {
		leave_out(f, &is, why ? why : "there is no memory for it");
		return NULL;
	}
	r->is = is;
	link_run(f, r);
	give(s, r);
	line_up(f, r);
	(void)store_put_run(f->store, &r->is);
	return r;
}

void runs_take(struct flow *f, uint64_t now_us)
{
	const char *why;

	while (f->known && f->deliveries < DELIVERIES_MAX &&
	       heap_first_key(&f->waiting) <= now_us && !store_broken(f->store, &why)) {
		struct run *r = container_of(heap_first(&f->waiting), struct run, item);

		heap_remove(&f->waiting, &r->item);
		if (r->is.begun_us == 0) {
			r->is.begun_us = now_us;
			f->totals.due++;
			f->totals.late += now_us - r->is.due_us > LATE_US;
			f->totals.late_us += now_us - r->is.due_us;
		}
		r->is.state = WIRE_RUN_DELIVERING;
		r->is.attempts++;
		r->fresh = true;
		f->deliveries++;
		(void)store_put_run(f->store, &r->is);
	}
}

/* The oldest of those that wait for their turn. */
static void next_in_line(struct flow *f, struct schedule *s)
{
	struct chain *first = chain_first(&s->runs);

	if (first)
		line_up(f, container_of(first, struct run, of_schedule));
}

static void conclude(struct flow *f, struct run *r, uint32_t state)
{
	struct schedule *s = r->of;
	char text[ERROR_TEXT_SIZE];

	r->is.state = state;
	r->is.ended_us = clock_real_us();
	if (state == WIRE_RUN_DONE) {
		f->totals.done++;
	} else {
		f->totals.failed++;
		(void)text_format(text, sizeof(text), "%s, after %u deliveries", r->is.text,
				  r->is.attempts);
		tell_event(f, WIRE_EVENT_RUN_FAILED, &r->is, text);
	}
	(void)store_put_run(f->store, &r->is);
	(void)store_trim(f->store, r->is.service, r->is.schedule, RUNS_KEPT);
	run_free(f, r);
	next_in_line(f, s);
}

static void again(struct flow *f, struct run *r, uint32_t pause_s)
{
	r->is.state = WIRE_RUN_WAITING;
	r->is.due_us = clock_real_us() + pause_s * US_PER_SEC;
	(void)store_put_run(f->store, &r->is);
	line_up(f, r);
}

/* ebb has no room, or its gateways are not there: the service had no say, so it does not count. */
static void hold(struct flow *f, struct run *r)
{
	uint32_t pause_s = 1u << (r->held < 6 ? r->held : 6);

	r->held++;
	if (clock_real_us() - r->is.scheduled_us > HELD_US)
		conclude(f, r, WIRE_RUN_FAILED);
	else
		again(f, r, pause_s < HOLD_MOST_S ? pause_s : HOLD_MOST_S);
}

/* Another delivery can make these good; the others say that the request is wrong. */
static bool is_passing(int status)
{
	return status >= 500 || status == 408 || status == 425 || status == 429;
}

static const char *const methods[WIRE_RUN_METHOD_COUNT] = {
	[WIRE_RUN_GET] = "GET", [WIRE_RUN_POST] = "POST"};

/* The id of the run is that of the request, too: access log and traces have it. */
static int write_request(const struct run *r, char *text, size_t size)
{
	const struct wire_flow_schedule *s = &r->of->is;
	char date[CLOCK_DATE_SIZE];
	bool token = *s->token;

	return text_format(text, size,
			   "%s %s HTTP/1.1\r\nhost: %s\r\nuser-agent: vercel-cron/1.0\r\n"
			   "x-ebb-service: %s\r\nx-ebb-id: %s\r\nx-ebb-run: %s\r\n"
			   "x-ebb-schedule: %s\r\nx-ebb-scheduled: %s\r\nx-ebb-attempt: %u\r\n"
			   "%s%s%s%sconnection: close\r\n\r\n",
			   methods[s->method], s->path, s->host, s->service, r->is.id, r->is.id,
			   s->name, clock_rfc3339(r->is.scheduled_us, date), r->is.attempts,
			   token ? "authorization: Bearer " : "", s->token, token ? "\r\n" : "",
			   s->method == WIRE_RUN_POST ? "content-length: 0\r\n" : "");
}

/* The delivery is over. */
static void on_ended(struct flow *f, void *owner, const char *lost)
{
	struct run *r = owner;
	int status = r->delivery ? r->delivery->status : 0;
	bool refused = r->delivery ? r->delivery->refused && is_passing(status) : true;
	uint32_t n = r->is.failures;

	must(r->is.state == WIRE_RUN_DELIVERING && f->deliveries > 0);
	f->deliveries--;
	delivery_end(r->delivery);
	r->delivery = NULL;
	r->is.status = (uint32_t)status;
	if (lost)
		(void)text_copy(r->is.text, sizeof(r->is.text), lost);
	else
		(void)text_format(r->is.text, sizeof(r->is.text), "the answer was %d", status);
	if (!lost && status >= 200 && status < 300) {
		conclude(f, r, WIRE_RUN_DONE);
		return;
	}
	if (refused && (lost || status == 503)) {
		hold(f, r);
		return;
	}
	r->held = 0;
	r->is.failures++;
	if ((!lost && !is_passing(status)) || n >= r->of->is.retries)
		conclude(f, r, WIRE_RUN_FAILED);
	else
		again(f, r, pauses_s[n < ARRAY_LEN(pauses_s) ? n : ARRAY_LEN(pauses_s) - 1]);
}

/* ---- a message instead of a request ---- */

/* Its key is the id of the run: one that is sent again, behind a death, is the same message. */
static int publish(struct flow *f, const struct run *r)
{
	const struct wire_flow_schedule *s = &r->of->is;
	uint64_t now_us = clock_real_us(), until_us = now_us + RETENTION_S * US_PER_SEC;
	struct store_message m = {.created_us = now_us,
				  .due_us = now_us,
				  .expires_us = until_us,
				  .key_until_us = until_us,
				  .type = "application/json"};
	char body[SCHEDULE_NAME_SIZE + 128], date[CLOCK_DATE_SIZE];
	struct topic *t = NULL;
	int e = text_format(body, sizeof(body),
			    "{\"schedule\":\"%s\",\"run\":\"%s\",\"scheduled\":\"%s\"}", s->name,
			    r->is.id, clock_rfc3339(r->is.scheduled_us, date));

	m.body = body;
	m.size = strlen(body);
	(void)text_copy(m.key, sizeof(m.key), r->is.id);
	if (e == 0)
		e = queues_make_topic(f, s->space, s->topic, &t);
	return e < 0 ? e : queues_send(f, t, &m);
}

/* The message and the end of the run become durable together. */
static void begin_message(struct flow *f, struct run *r)
{
	int e = publish(f, r);

	if (e < 0) {
		on_ended(f, r,
			 e == -ENOSPC || e == -EDQUOT || e == -ENOBUFS
				 ? "its topic takes no message: see `ebb queue ls`"
				 : strerror(-e));
		return;
	}
	must(f->deliveries > 0);
	f->deliveries--;
	conclude(f, r, WIRE_RUN_DONE);
}

static void begin_request(struct flow *f, struct run *r)
{
	char *request = malloc(REQUEST_MAX);
	int e = -ENOMEM;

	if (request && write_request(r, request, REQUEST_MAX) == 0)
		e = deliver(f, request, strlen(request), r, on_ended, &r->delivery);
	else
		free(request);
	if (e < 0)
		on_ended(f, r, strerror(-e));
}

void runs_deliver(struct flow *f)
{
	struct run *r;

	chain_each(r, &f->runs, all) {
		if (!r->fresh)
			continue;
		r->fresh = false;
		f->totals.attempts++;
		if (*r->of->is.topic)
			begin_message(f, r);
		else
			begin_request(f, r);
	}
}

void runs_put_back(struct flow *f)
{
	struct run *r;

	chain_each(r, &f->runs, all) {
		if (!r->fresh)
			continue;
		r->fresh = false;
		r->is.state = WIRE_RUN_WAITING;
		must(f->deliveries > 0);
		f->deliveries--;
	}
}

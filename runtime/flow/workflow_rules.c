// SPDX-License-Identifier: Apache-2.0
/* Changes by each event of a workflow, and reasons to refuse it. */
#include <errno.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/flow/workflows.h"

static bool is_over(const struct store_work *run)
{
	return run->state >= WORK_COMPLETED;
}

/* ---- runs ---- */

static int run_created(struct workflow_change *c)
{
	(void)c;
	return REFUSED_run_exists;
}

/* Two deliveries may begin one run: its replay is the same. */
static int run_started(struct workflow_change *c)
{
	struct store_work *run = &c->result->run;

	if (is_over(run))
		return REFUSED_run_gone;
	c->no_event = run->state == WORK_RUNNING;
	if (c->no_event)
		return 0;
	run->state = WORK_RUNNING;
	run->started_us = c->now_us;
	return 0;
}

static int run_ended(struct workflow_change *c)
{
	static const uint32_t states[WORKFLOW_TYPE_COUNT] = {
		[EVENT_run_completed] = WORK_COMPLETED,
		[EVENT_run_failed] = WORK_FAILED,
		[EVENT_run_cancelled] = WORK_CANCELLED,
	};
	struct store_work *run = &c->result->run;

	if (run->state == WORK_CANCELLED && c->offer->type == EVENT_run_cancelled) {
		c->no_event = true;
		return 0;
	}
	if (is_over(run))
		return REFUSED_run_over;
	run->state = states[c->offer->type];
	run->ended_us = c->now_us;
	run->ended_event = run->events + 1;
	return 0;
}

/* ---- steps, hooks, waits ---- */

static int find(struct workflow_change *c, enum part_kind kind, int none)
{
	int r = store_part(c->flow->store, c->result->run.number, kind, c->offer->correlation,
			   &c->result->part);

	if (r < 0)
		return r;
	c->result->has_part = r == 1;
	return r == 1 ? 0 : none;
}

static int make(struct workflow_change *c, enum part_kind kind)
{
	const struct workflow_offer *o = c->offer;
	struct store_work *run = &c->result->run;
	int r;

	if (is_over(run))
		return REFUSED_run_over;
	r = find(c, kind, REFUSED_NOT);
	if (r != 0 || c->result->has_part)
		return r != 0 ? r : REFUSED_exists;
	c->result->part =
		(struct store_part){.work = run->number,
				    .space = run->space,
				    .kind = kind,
				    .spec = o->spec,
				    .created_event = run->events + 1,
				    .created_us = c->now_us,
				    .due_us = kind == PART_WAIT ? o->due_ms * US_PER_MS : 0};
	(void)text_copy(c->result->part.id, PART_ID_SIZE, o->correlation);
	(void)text_copy(c->result->part.work_id, WORK_ID_SIZE, run->id);
	c->result->has_part = c->put_part = true;
	return 0;
}

static int step_created(struct workflow_change *c)
{
	int r = make(c, PART_STEP);

	(void)text_copy(c->result->part.name, WORK_NAME_SIZE, c->offer->name);
	return r;
}

static int find_step(struct workflow_change *c)
{
	int r = find(c, PART_STEP, REFUSED_step_not_found);

	c->put_part = true;
	return r == 0 && c->result->part.state >= PART_COMPLETED ? REFUSED_step_over : r;
}

static int step_started(struct workflow_change *c)
{
	struct store_part *step = &c->result->part;
	int r = find_step(c);

	if (r != 0)
		return r;
	if (is_over(&c->result->run) && step->state != PART_RUNNING)
		return REFUSED_run_gone;
	if (step->due_us > c->now_us) {
		c->result->wait_ms = (step->due_us - c->now_us + US_PER_MS - 1) / US_PER_MS;
		return REFUSED_too_early;
	}
	step->state = PART_RUNNING;
	step->attempts++;
	step->due_us = 0;
	if (!step->started_us)
		step->started_us = c->now_us;
	return 0;
}

static int step_ended(struct workflow_change *c)
{
	static const uint32_t states[WORKFLOW_TYPE_COUNT] = {
		[EVENT_step_completed] = PART_COMPLETED,
		[EVENT_step_failed] = PART_FAILED,
		[EVENT_step_retrying] = PART_PENDING,
	};
	struct store_part *step = &c->result->part;
	int r = find_step(c);

	if (r != 0)
		return r;
	step->state = states[c->offer->type];
	step->ended_event = c->result->run.events + 1;
	step->ended_us = step->state == PART_PENDING ? 0 : c->now_us;
	step->due_us = step->state == PART_PENDING ? c->offer->due_ms * US_PER_MS : 0;
	return 0;
}

/* Another hook has the token: the log says so, and the workflow hears of it when it waits for its
 * hook. */
static int conflict(struct workflow_change *c, const struct store_part *other)
{
	struct workflow_result *r = c->result;
	struct json_out o;
	int e;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "token", c->offer->token);
	json_out_string(&o, "conflictingRunId", other->work_id);
	json_out_end_object(&o);
	e = o.failed ? -ENOMEM : text_copy(r->text, sizeof(r->text), o.text);
	json_out_fini(&o);
	if (e < 0)
		return e;
	r->event.type = EVENT_hook_conflict;
	r->event.meta = r->text;
	r->event.meta_size = strlen(r->text);
	r->event.data_size = 0;
	r->has_part = c->put_part = false;
	return 0;
}

static int hook_created(struct workflow_change *c)
{
	struct store_part other;
	int r = make(c, PART_HOOK);

	if (r != 0)
		return r;
	(void)text_copy(c->result->part.name, WORK_NAME_SIZE, c->offer->token);
	r = store_hook_of_token(c->flow->store, c->result->run.space, c->offer->token, &other);
	return r == 1 ? conflict(c, &other) : r;
}

static int find_hook(struct workflow_change *c)
{
	int r = find(c, PART_HOOK, REFUSED_hook_not_found);

	return r == 0 && c->result->part.state == PART_DISPOSED ? REFUSED_hook_not_found : r;
}

static int hook_received(struct workflow_change *c)
{
	return find_hook(c);
}

static int hook_disposed(struct workflow_change *c)
{
	c->put_part = true;
	c->result->part.state = PART_DISPOSED;
	return 0;
}

static int find_and_dispose(struct workflow_change *c)
{
	int r = find_hook(c);

	return r != 0 ? r : hook_disposed(c);
}

static int wait_created(struct workflow_change *c)
{
	return make(c, PART_WAIT);
}

static int wait_completed(struct workflow_change *c)
{
	int r = find(c, PART_WAIT, REFUSED_wait_not_found);

	if (r != 0)
		return r;
	if (c->result->part.state != PART_PENDING)
		return REFUSED_wait_over;
	if (is_over(&c->result->run))
		return REFUSED_run_over;
	c->put_part = true;
	c->result->part.state = PART_COMPLETED;
	c->result->part.ended_us = c->now_us;
	return 0;
}

/* ---- the table ---- */

static const struct {
	int (*apply)(struct workflow_change *c);
	bool ends;
} rules[WORKFLOW_TYPE_COUNT] = {
	[EVENT_run_created] = {run_created, false},
	[EVENT_run_started] = {run_started, false},
	[EVENT_run_completed] = {run_ended, true},
	[EVENT_run_failed] = {run_ended, true},
	[EVENT_run_cancelled] = {run_ended, true},
	[EVENT_step_created] = {step_created, false},
	[EVENT_step_started] = {step_started, false},
	[EVENT_step_completed] = {step_ended, true},
	[EVENT_step_failed] = {step_ended, true},
	[EVENT_step_retrying] = {step_ended, false},
	[EVENT_hook_created] = {hook_created, false},
	[EVENT_hook_received] = {hook_received, false},
	[EVENT_hook_disposed] = {find_and_dispose, true},
	[EVENT_wait_created] = {wait_created, false},
	[EVENT_wait_completed] = {wait_completed, true},
};

bool workflow_ends(uint32_t type)
{
	return rules[type].ends;
}

/* Events that a replay does not make: a replay that has not seen them is to begin anew. */
static bool is_stale(const struct workflow_change *c)
{
	return c->offer->seen_ms != UINT64_MAX &&
	       c->result->run.outside_us / US_PER_MS > c->offer->seen_ms;
}

static bool is_outside(const struct workflow_offer *o)
{
	return o->seen_ms == UINT64_MAX &&
	       (o->type == EVENT_hook_received || o->type == EVENT_step_completed);
}

int workflow_rule(struct workflow_change *c)
{
	int r;

	if (!rules[c->offer->type].apply)
		return REFUSED_malformed;
	if (is_stale(c))
		return REFUSED_stale;
	r = rules[c->offer->type].apply(c);
	if (r != 0 || c->no_event)
		return r;
	if (c->put_part)
		c->result->part.updated_us = c->now_us;
	if (is_outside(c->offer))
		c->result->run.outside_us = c->now_us;
	return 0;
}

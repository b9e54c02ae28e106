// SPDX-License-Identifier: Apache-2.0
/* Runs, events and what they made, as JSON. Bytes of clients are base64: nobody looks at them. */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/flow/workflow_calls.h"

static void put_ms(struct json_out *o, const char *key, uint64_t us)
{
	if (us)
		json_out_u64(o, key, us / US_PER_MS);
}

static void put_bytes(struct json_out *o, const struct store_event *e, bool data)
{
	if (e->meta_size)
		json_out_base64(o, "meta", e->meta, e->meta_size);
	if (data && e->data_size)
		json_out_base64(o, "data", e->data, e->data_size);
}

void workflow_write_event(struct json_out *o, const char *key, const struct store_event *e,
			  bool data)
{
	char id[EVENT_ID_SIZE];

	workflow_event_id(id, e->created_us, e->number);
	json_out_object(o, key);
	json_out_string(o, "eventId", id);
	json_out_string(o, "runId", e->work_id);
	json_out_string(o, "eventType", workflow_type_name(e->type));
	if (*e->correlation)
		json_out_string(o, "correlationId", e->correlation);
	json_out_u64(o, "specVersion", e->spec);
	put_ms(o, "createdAt", e->created_us);
	if (e->occurred_ms)
		json_out_u64(o, "occurredAt", e->occurred_ms);
	put_bytes(o, e, data);
	json_out_end_object(o);
}

/* ---- sources of an entity ---- */

struct source {
	struct json_out *out;
	bool data, typed;
};

static int on_source(void *self, const struct store_event *e)
{
	struct source *s = self;

	if (s->typed)
		json_out_string(s->out, "eventType", workflow_type_name(e->type));
	put_bytes(s->out, e, s->data);
	return 0;
}

static int put_source(struct flow *f, struct json_out *o, const char *key, uint64_t work,
		      uint64_t number, bool data)
{
	struct source s = {o, data, strcmp(key, "ended") == 0};
	int r;

	json_out_object(o, key);
	r = store_event(f->store, work, number, on_source, &s);
	json_out_end_object(o);
	return r < 0 ? r : 0;
}

int workflow_write_run(struct flow *f, struct json_out *o, const char *key,
		       const struct store_work *run, bool data)
{
	int r;

	json_out_object(o, key);
	json_out_string(o, "runId", run->id);
	json_out_string(o, "status", workflow_state_name(run->state));
	json_out_string(o, "workflowName", run->name);
	json_out_string(o, "deploymentId", run->deployment);
	json_out_u64(o, "specVersion", run->spec);
	put_ms(o, "createdAt", run->created_us);
	put_ms(o, "updatedAt", run->updated_us);
	put_ms(o, "startedAt", run->started_us);
	put_ms(o, "completedAt", run->ended_us);
	json_out_u64(o, "events", run->events);
	json_out_u64(o, "maxEvents", EVENTS_OF_WORK_MAX);
	r = put_source(f, o, "created", run->number, 1, data);
	if (r == 0 && run->ended_event)
		r = put_source(f, o, "ended", run->number, run->ended_event, data);
	json_out_end_object(o);
	return r;
}

/* ---- steps, hooks, waits ---- */

static void put_step(struct json_out *o, const struct store_part *p)
{
	static const char *const states[] = {
		[PART_PENDING] = "pending",
		[PART_RUNNING] = "running",
		[PART_COMPLETED] = "completed",
		[PART_FAILED] = "failed",
	};

	json_out_string(o, "stepName", p->name);
	json_out_string(o, "status", states[p->state % ARRAY_LEN(states)]);
	json_out_u64(o, "attempt", p->attempts);
	put_ms(o, "startedAt", p->started_us);
	put_ms(o, "completedAt", p->ended_us);
	put_ms(o, "retryAfter", p->due_us);
}

static void put_hook(struct json_out *o, const struct store_part *p)
{
	json_out_string(o, "token", p->name);
}

static void put_wait(struct json_out *o, const struct store_part *p)
{
	json_out_string(o, "status", p->state == PART_COMPLETED ? "completed" : "waiting");
	put_ms(o, "resumeAt", p->due_us);
	put_ms(o, "completedAt", p->ended_us);
}

static const struct {
	const char *id;
	void (*put)(struct json_out *o, const struct store_part *p);
} kinds[PART_KIND_COUNT] = {
	[PART_STEP] = {"stepId", put_step},
	[PART_HOOK] = {"hookId", put_hook},
	[PART_WAIT] = {"waitId", put_wait},
};

int workflow_write_part(struct flow *f, struct json_out *o, const char *key,
			const struct store_part *p, bool data)
{
	int r;

	json_out_object(o, key);
	json_out_string(o, "runId", p->work_id);
	json_out_string(o, kinds[p->kind].id, p->id);
	kinds[p->kind].put(o, p);
	json_out_u64(o, "specVersion", p->spec);
	put_ms(o, "createdAt", p->created_us);
	put_ms(o, "updatedAt", p->updated_us);
	r = put_source(f, o, "created", p->work, p->created_event, data);
	if (r == 0 && p->ended_event)
		r = put_source(f, o, "ended", p->work, p->ended_event, data);
	json_out_end_object(o);
	return r;
}

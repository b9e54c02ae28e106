// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/workflow_calls.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define ANSWER_ROOM  (18u << 20) /* of an event with the input and the output of its run */
#define SMALL_ROOM   (1u << 20)  /* of one thing without data */
#define RUNS_LIMIT   20
#define EVENTS_LIMIT 100

/* ---- one thing ---- */

/* Nobody sees the rest of a run that is forgotten in steps. */
static bool is_going(const struct store_work *run)
{
	return run->state >= WORK_COMPLETED && run->ended_us == 0;
}

static int find_run(const struct workflow_hand *k, struct store_work *run)
{
	int r = k->space ? store_work(k->flow->store, k->space->is.id, k->target.run, run) : 0;

	if (r < 0)
		return r;
	return r == 0 || is_going(run) ? REFUSED_run_not_found : 0;
}

static void call_run(const struct workflow_hand *k)
{
	struct store_work run;
	struct json_out o;
	int r = find_run(k, &run);

	if (r != 0) {
		workflow_refuse(k, r, NULL);
		return;
	}
	json_out_init(&o);
	r = workflow_write_run(k->flow, &o, NULL, &run, k->query.data);
	if (r < 0)
		workflow_refuse(k, r, NULL);
	else
		workflow_answer(k, 200, &o);
	json_out_fini(&o);
}

static void answer_part(const struct workflow_hand *k, int r, int none,
			const struct store_part *part)
{
	struct json_out o;

	if (r != 1) {
		workflow_refuse(k, r < 0 ? r : none, NULL);
		return;
	}
	json_out_init(&o);
	r = workflow_write_part(k->flow, &o, NULL, part, k->query.data);
	if (r < 0)
		workflow_refuse(k, r, NULL);
	else
		workflow_answer(k, 200, &o);
	json_out_fini(&o);
}

static void call_step(const struct workflow_hand *k)
{
	struct store_part part;
	struct store_work run;
	int r = find_run(k, &run);

	if (r == 0)
		r = store_part(k->flow->store, run.number, PART_STEP, k->target.id, &part);
	else if (r > 0)
		r = 0;
	answer_part(k, r, REFUSED_step_not_found, &part);
}

static void call_any_part(const struct workflow_hand *k)
{
	enum part_kind kind = k->target.what == WF_HOOK ? PART_HOOK : PART_STEP;
	struct store_part part;
	int r = k->space
			? store_any_part(k->flow->store, k->space->is.id, kind, k->target.id, &part)
			: 0;

	answer_part(k, r, kind == PART_HOOK ? REFUSED_hook_not_found : REFUSED_step_not_found,
		    &part);
}

static void call_token(const struct workflow_hand *k)
{
	char token[WORK_NAME_SIZE];
	struct store_part part;
	int r = 0;

	if (workflow_field(k->head, "x-ebb-token", token, sizeof(token)) < 0 || !*token) {
		workflow_refuse(k, REFUSED_malformed,
				"x-ebb-token is 1 to 512 bytes of printable ASCII without spaces");
		return;
	}
	if (k->space)
		r = store_hook_of_token(k->flow->store, k->space->is.id, token, &part);
	answer_part(k, r, REFUSED_hook_not_found, &part);
}

/* ---- pages ---- */

struct page {
	const struct workflow_hand *k;
	struct json_out out;
	struct store_page want;
	uint32_t count, limit;
	bool more, about; /* about: its cursor is of the store's order */
	int err;
	char cursor[CURSOR_SIZE];
};

/* Whether one more row fits: it is written then. */
static bool has_room(struct page *p)
{
	p->more = p->count == p->limit || (p->count > 0 && p->out.length > PAGE_BYTES_MAX);
	p->count += !p->more;
	return !p->more;
}

static int on_event(void *self, const struct store_event *e)
{
	struct page *p = self;

	if (!has_room(p))
		return 1;
	workflow_write_event(&p->out, NULL, e, p->k->query.data);
	if (p->about)
		(void)text_format(p->cursor, sizeof(p->cursor), "%llu", (unsigned long long)e->id);
	else
		workflow_event_id(p->cursor, e->created_us, e->number);
	return 0;
}

static int on_run(void *self, const struct store_work *run)
{
	struct page *p = self;

	if (!has_room(p))
		return 1;
	(void)text_format(p->cursor, sizeof(p->cursor), "%llu", (unsigned long long)run->number);
	p->err = workflow_write_run(p->k->flow, &p->out, NULL, run, p->k->query.data);
	return p->err < 0;
}

static int on_part(void *self, const struct store_part *part)
{
	struct page *p = self;

	if (!has_room(p))
		return 1;
	if (p->k->target.what == WF_HOOKS)
		(void)text_format(p->cursor, sizeof(p->cursor), "%llu",
				  (unsigned long long)part->number);
	else
		(void)text_copy(p->cursor, sizeof(p->cursor), part->id);
	p->err = workflow_write_part(p->k->flow, &p->out, NULL, part, p->k->query.data);
	return p->err < 0;
}

static int begin_page(struct page *p, const struct workflow_hand *k, uint32_t limit, bool down)
{
	uint64_t said = k->query.limit;

	*p = (struct page){.k = k, .limit = said == UINT64_MAX ? limit : (uint32_t)said};
	p->want.down = k->query.down || (down && !k->query.up);
	p->want.most = p->limit + 1;
	if (p->limit == 0)
		return REFUSED_malformed;
	json_out_init(&p->out);
	json_out_object(&p->out, NULL);
	json_out_array(&p->out, "data");
	return 0;
}

/* r: of the walk. */
static void end_page(struct page *p, int r)
{
	if (p->err < 0)
		r = p->err;
	json_out_end_array(&p->out);
	json_out_string(&p->out, "cursor", *p->cursor ? p->cursor : NULL);
	json_out_bool(&p->out, "hasMore", p->more);
	json_out_end_object(&p->out);
	if (r < 0)
		workflow_refuse(p->k, r, NULL);
	else
		workflow_answer(p->k, 200, &p->out);
	json_out_fini(&p->out);
}

static int number_of(const char *cursor, uint64_t *out)
{
	return *cursor && text_parse_u64(cursor, 0, INT64_MAX, out) < 0 ? -EINVAL : 0;
}

static void refuse_page(const struct workflow_hand *k)
{
	workflow_refuse(k, REFUSED_malformed,
			"limit is 1 to 1000, and cursor is that of an answer of the same list");
}

static void call_runs(const struct workflow_hand *k)
{
	struct page p;
	char name[WORK_NAME_SIZE];
	uint64_t after = 0;
	int r = 0;

	if (workflow_field(k->head, "x-ebb-name", name, sizeof(name)) < 0 ||
	    number_of(k->query.cursor, &after) < 0 || begin_page(&p, k, RUNS_LIMIT, true) != 0) {
		refuse_page(k);
		return;
	}
	p.want.after = after;
	if (k->space)
		r = store_each_work(k->flow->store, k->space->is.id, k->query.state, name, &p.want,
				    on_run, &p);
	end_page(&p, r);
}

static void call_events(const struct workflow_hand *k)
{
	struct store_work run;
	struct page p;
	uint64_t after = 0;
	int r = find_run(k, &run);

	if (r != 0) {
		workflow_refuse(k, r, NULL);
		return;
	}
	if ((*k->query.cursor && workflow_event_number(k->query.cursor, &after) < 0) ||
	    begin_page(&p, k, EVENTS_LIMIT, false) != 0) {
		refuse_page(k);
		return;
	}
	p.want.after = after;
	end_page(&p, store_each_event(k->flow->store, run.number, &p.want, on_event, &p));
}

static int on_one_event(void *self, const struct store_event *e)
{
	struct page *p = self;

	workflow_write_event(&p->out, NULL, e, p->k->query.data);
	return 0;
}

static void call_event(const struct workflow_hand *k)
{
	struct page p = {.k = k};
	struct store_work run;
	uint64_t number = 0;
	int r = find_run(k, &run);

	json_out_init(&p.out);
	if (r == 0 && workflow_event_number(k->target.id, &number) == 0)
		r = store_event(k->flow->store, run.number, number, on_one_event, &p);
	else if (r > 0)
		r = 0;
	if (r == 1)
		workflow_answer(k, 200, &p.out);
	else
		workflow_refuse(k, r < 0 ? r : REFUSED_event_not_found, NULL);
	json_out_fini(&p.out);
}

static void call_events_about(const struct workflow_hand *k)
{
	char correlation[PART_ID_SIZE];
	struct store_work run = {0};
	struct page p;
	uint64_t after = 0;
	int r = 0;

	if (workflow_field(k->head, "x-ebb-correlation", correlation, sizeof(correlation)) < 0 ||
	    !*correlation || number_of(k->query.cursor, &after) < 0 ||
	    begin_page(&p, k, EVENTS_LIMIT, false) != 0) {
		refuse_page(k);
		return;
	}
	p.want.after = after;
	p.about = true;
	if (k->space && *k->query.run)
		r = store_work(k->flow->store, k->space->is.id, k->query.run, &run);
	if (k->space && r >= 0 && (r == 1 || !*k->query.run))
		r = store_each_event_about(k->flow->store, k->space->is.id, correlation, run.number,
					   &p.want, on_event, &p);
	end_page(&p, r);
}

static void call_parts(const struct workflow_hand *k)
{
	static const enum part_kind kinds[WF_COUNT] = {
		[WF_STEPS] = PART_STEP,
		[WF_HOOKS_OF_RUN] = PART_HOOK,
		[WF_WAITS] = PART_WAIT,
	};
	struct store_work run;
	struct page p;
	int r = find_run(k, &run);

	if (r != 0) {
		workflow_refuse(k, r, NULL);
		return;
	}
	if (begin_page(&p, k, EVENTS_LIMIT, k->target.what == WF_STEPS) != 0) {
		refuse_page(k);
		return;
	}
	end_page(&p, store_each_part(k->flow->store, run.number, kinds[k->target.what],
				     k->query.cursor, &p.want, on_part, &p));
}

static void call_hooks(const struct workflow_hand *k)
{
	struct page p;
	uint64_t after = 0;

	if (number_of(k->query.cursor, &after) < 0 || begin_page(&p, k, EVENTS_LIMIT, false) != 0) {
		refuse_page(k);
		return;
	}
	p.want.after = after;
	end_page(&p,
		 k->space ? store_each_hook(k->flow->store, k->space->is.id, &p.want, on_part, &p)
			  : 0);
}

/* ---- an event ---- */

static int put_event_again(void *self, const struct store_event *e)
{
	struct page *p = self;

	workflow_write_event(&p->out, "event", e, p->k->query.data);
	return 0;
}

static int write_result(const struct workflow_hand *k, const struct workflow_result *made,
			struct page *p)
{
	static const char *const names[PART_KIND_COUNT] = {
		[PART_STEP] = "step", [PART_HOOK] = "hook", [PART_WAIT] = "wait"};
	int r = 0;

	json_out_object(&p->out, NULL);
	if (made->repeated)
		r = store_event(k->flow->store, made->run.number, made->event.number,
				put_event_again, p);
	else if (made->has_event)
		workflow_write_event(&p->out, "event", &made->event, k->query.data);
	if (r >= 0 && made->has_run)
		r = workflow_write_run(k->flow, &p->out, "run", &made->run, k->query.data);
	if (r >= 0 && made->has_part)
		r = workflow_write_part(k->flow, &p->out, names[made->part.kind], &made->part,
					k->query.data);
	json_out_end_object(&p->out);
	return r;
}

static void call_make(const struct workflow_hand *k)
{
	struct workflow_result made = {0};
	struct page p = {.k = k};
	struct workflow_offer o;
	const char *why = "";
	int r;

	if (workflow_offer_parse(k->head, k->body, &o, &why) < 0) {
		workflow_refuse(k, REFUSED_malformed, why);
		return;
	}
	o.service = k->conn->door->inlet->service;
	r = workflows_make(k->flow, k->conn->door->space, k->target.run, &o, &made);
	if (r != 0) {
		workflow_refuse_later(k, r, NULL, made.wait_ms);
		return;
	}
	json_out_init(&p.out);
	r = write_result(k, &made, &p);
	if (r < 0)
		workflow_refuse(k, r, NULL);
	else
		workflow_answer(k, made.has_event && !made.repeated ? 201 : 200, &p.out);
	json_out_fini(&p.out);
}

/* ---- the table ---- */

static const struct {
	void (*get)(const struct workflow_hand *k);
	void (*post)(const struct workflow_hand *k);
} calls[WF_COUNT] = {
	[WF_RUNS] = {call_runs, NULL},
	[WF_RUN] = {call_run, NULL},
	[WF_EVENTS] = {call_events, call_make},
	[WF_EVENT] = {call_event, NULL},
	[WF_STEPS] = {call_parts, NULL},
	[WF_STEP] = {call_step, NULL},
	[WF_HOOKS_OF_RUN] = {call_parts, NULL},
	[WF_WAITS] = {call_parts, NULL},
	[WF_EVENTS_ABOUT] = {call_events_about, NULL},
	[WF_ANY_STEP] = {call_any_part, NULL},
	[WF_HOOKS] = {call_hooks, NULL},
	[WF_HOOK] = {call_any_part, NULL},
	[WF_TOKEN] = {call_token, NULL},
	[WF_STREAMS] = {streams_list, NULL},
	[WF_STREAM] = {stream_read, stream_append},
};

/* Room for small answers ends no connection of others. */
static size_t room_of(const struct workflow_hand *k)
{
	static const bool small[WF_COUNT] = {
		[WF_RUN] = true,  [WF_EVENT] = true, [WF_STEP] = true,    [WF_ANY_STEP] = true,
		[WF_HOOK] = true, [WF_TOKEN] = true, [WF_STREAMS] = true,
	};
	bool post = http_slice_is(k->head->method, "POST");

	return !k->query.data && (post || small[k->target.what]) ? SMALL_ROOM : ANSWER_ROOM;
}

static void dispatch(const struct workflow_hand *k)
{
	void (*run)(const struct workflow_hand *k) = NULL;
	const char *words;

	if (http_slice_is(k->head->method, "GET"))
		run = calls[k->target.what].get;
	else if (http_slice_is(k->head->method, "POST"))
		run = calls[k->target.what].post;
	if (!run)
		workflow_error(k, 405, "malformed",
			       "the method does not fit: GET reads, POST makes an event or appends "
			       "to a stream",
			       0);
	else if (store_broken(k->flow->store, &words))
		workflow_refuse(k, -EIO, NULL);
	else if (!inlet_has_room(k->conn->door->inlet, room_of(k)))
		workflow_error(
			k, 503, "unavailable",
			"this instance has more than 14 MiB of requests and answers on their "
			"way: read them first",
			0);
	else
		run(k);
}

void workflow_call(struct conn *c, const struct http_head *head)
{
	struct workflow_hand k = {.flow = c->door->inlet->flow,
				  .conn = c,
				  .head = head,
				  .body = {c->body ? c->body : "", c->body_size}};
	const char *why = "";
	int r = workflow_target_parse(head->path, &k.target, &why);

	k.space = workflows_space(k.flow, c->door->space);
	if (r == 0)
		r = workflow_query_parse(head->query, &k.query, &why);
	if (r == -ENOENT)
		workflow_error(&k, 404, "malformed",
			       "there is nothing here: runs of workflows are at " WORKFLOW_BASE
			       "/runs",
			       0);
	else if (r < 0)
		workflow_refuse(&k, REFUSED_malformed, why);
	else
		dispatch(&k);
}

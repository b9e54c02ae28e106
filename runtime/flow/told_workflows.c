// SPDX-License-Identifier: Apache-2.0
/* Questions of ebb-api about runs of workflows; a run is cancelled, or goes on once more. */
#include <errno.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/text.h"
#include "runtime/flow/queue_words.h"
#include "runtime/flow/queues.h"
#include "runtime/flow/workflows.h"

#define WORKS_SHOWN       100
#define EVENTS_SHOWN      1000
#define EVENT_BYTES_READ  (UINT64_C(4) << 20)
#define QUEUE_PREFIX      "__wkf_workflow_"
#define MESSAGE_KEPT_US   (UINT64_C(86400) * US_PER_SEC)
#define TERMINATED(field) text_terminated(field, sizeof(field))

_Static_assert((int)WIRE_WORK_ALL == WORK_STATE_COUNT && (int)WIRE_WORK_FAILED == WORK_FAILED &&
		       WORK_ID_ROOM >= WORK_ID_SIZE,
	       "a row has room for a run");
_Static_assert(sizeof(((struct wire_work_event_row *)0)->id) >= EVENT_ID_SIZE &&
		       sizeof(((struct wire_work_event_row *)0)->about) >= PART_ID_SIZE &&
		       sizeof(((struct wire_work_event_row *)0)->step) >= WORK_NAME_SIZE,
	       "a row has room for an event");

struct listing {
	struct flow *flow;
	const struct wire_works_get *get;
	const struct workspace *space;
	uint32_t count;
};

static int send_work(void *self, const struct store_work *run)
{
	struct listing *l = self;
	struct wire_work_row row = {.cookie = l->get->cookie,
				    .state = run->state,
				    .created_us = run->created_us,
				    .started_us = run->started_us,
				    .ended_us = run->ended_us,
				    .updated_us = run->updated_us,
				    .events = run->events,
				    .bytes = run->bytes};

	(void)text_copy(row.space, sizeof(row.space), l->space->is.name);
	(void)text_copy(row.service, sizeof(row.service), run->service);
	(void)text_copy(row.id, sizeof(row.id), run->id);
	(void)text_copy(row.deployment, sizeof(row.deployment), run->deployment);
	(void)text_copy(row.name, sizeof(row.name), run->name);
	tell(l->flow, WIRE_WORK_ROW, &row, sizeof(row));
	l->count++;
	return l->count >= WORKS_SHOWN;
}

static int send_space(struct listing *l)
{
	const struct store_page newest = {.down = true, .most = WORKS_SHOWN};
	struct store_work run;
	int r;

	if (!*l->get->id)
		return store_each_work(l->flow->store, l->space->is.id, l->get->state, "", &newest,
				       send_work, l);
	r = store_work(l->flow->store, l->space->is.id, l->get->id, &run);
	return r == 1 ? send_work(l, &run) : r;
}

static bool get_valid(const struct wire_works_get *get)
{
	return TERMINATED(get->space) && TERMINATED(get->id) && get->state <= WORK_STATE_COUNT;
}

int told_works_get(void *self, struct wire_message *m)
{
	struct listing l = {.flow = self, .get = (const void *)m->record};
	struct wire_work_row last = {.cookie = l.get->cookie, .last = 1};
	struct workspace *w;
	int r = 0;

	if (!get_valid(l.get))
		return -EPROTO;
	chain_each(w, &l.flow->workspaces, all) {
		if (*l.get->space && strcmp(w->is.name, l.get->space) != 0)
			continue;
		l.space = w;
		if (r >= 0 && l.count < WORKS_SHOWN)
			r = send_space(&l);
	}
	if (r >= 0 && *l.get->id && l.count == 0)
		r = -ENOENT;
	last.err = r < 0 ? -r : 0;
	tell(l.flow, WIRE_WORK_ROW, &last, sizeof(last));
	return 0;
}

/* ---- the log of one ---- */

struct log_listing {
	struct flow *flow;
	uint64_t cookie, work, bytes; /* work: the number of the run; bytes: read so far */
	uint32_t count;
};

static bool is_of_step(const struct store_event *e)
{
	return e->type >= EVENT_step_created && e->type <= EVENT_step_retrying;
}

/* Rows are read with their bytes, so a page of large ones is short. */
static int send_event(void *self, const struct store_event *e)
{
	struct log_listing *l = self;
	struct wire_work_event_row row = {.cookie = l->cookie,
					  .number = e->number,
					  .created_us = e->created_us,
					  .bytes = e->meta_size + e->data_size};
	struct store_part step;

	workflow_event_id(row.id, e->created_us, e->number);
	(void)text_copy(row.type, sizeof(row.type), workflow_type_name(e->type));
	(void)text_copy(row.about, sizeof(row.about), e->correlation);
	if (is_of_step(e) &&
	    store_part(l->flow->store, l->work, PART_STEP, e->correlation, &step) == 1)
		(void)text_copy(row.step, sizeof(row.step), step.name);
	tell(l->flow, WIRE_WORK_EVENT_ROW, &row, sizeof(row));
	l->bytes += row.bytes;
	return ++l->count >= EVENTS_SHOWN || l->bytes >= EVENT_BYTES_READ;
}

static bool log_valid(const struct wire_work_events_get *get)
{
	return TERMINATED(get->space) && TERMINATED(get->id) && *get->space &&
	       workflow_id_valid(get->id);
}

int told_work_events_get(void *self, struct wire_message *m)
{
	const struct wire_work_events_get *get = (const void *)m->record;
	struct log_listing l = {.flow = self, .cookie = get->cookie};
	const struct store_page page = {.after = get->after, .most = EVENTS_SHOWN};
	struct wire_work_event_row last = {.cookie = get->cookie, .last = 1};
	struct workspace *w;
	struct store_work run = {0};
	int r;

	if (!log_valid(get))
		return -EPROTO;
	w = workflows_space(l.flow, get->space);
	r = w ? store_work(l.flow->store, w->is.id, get->id, &run) : 0;
	l.work = run.number;
	if (r == 1)
		r = store_each_event(l.flow->store, run.number, &page, send_event, &l);
	else if (r == 0)
		r = -ENOENT;
	last.err = r < 0 ? -r : 0;
	tell(l.flow, WIRE_WORK_EVENT_ROW, &last, sizeof(last));
	return 0;
}

/* ---- moving one ---- */

static int cancel(struct flow *f, const struct wire_works_get *get)
{
	const struct workflow_offer o = {.type = EVENT_run_cancelled,
					 .seen_ms = UINT64_MAX,
					 .meta = {"", 0},
					 .data = {"", 0},
					 .service = ""};
	struct workflow_result made = {0};
	int r = workflows_make(f, get->space, get->id, &o, &made);

	return r == REFUSED_run_not_found ? -ENOENT : r > 0 ? -EALREADY : r;
}

/* The name of the queue of a workflow, as its client would write it: %xx is a byte. */
static void decode(const char *word, char *out, size_t size)
{
	size_t n = 0;

	for (; *word && n + 1 < size; word++) {
		char hex[3] = {0};
		uint8_t byte;

		if (*word == '%' && word[1] && word[2]) {
			hex[0] = (char)(word[1] | 0x20);
			hex[1] = (char)(word[2] | 0x20);
			if (text_unhex(&byte, 1, hex) == 0 && byte) {
				out[n++] = (char)byte;
				word += 2;
				continue;
			}
		}
		out[n++] = *word;
	}
	out[n] = '\0';
}

static int write_message(const struct store_work *run, struct json_out *o)
{
	char name[WORK_NAME_SIZE], queue[WORK_NAME_SIZE + sizeof(QUEUE_PREFIX)];

	decode(run->name, name, sizeof(name));
	(void)text_format(queue, sizeof(queue), QUEUE_PREFIX "%s", name);
	json_out_object(o, NULL);
	json_out_string(o, "queueName", queue);
	json_out_object(o, "payload");
	json_out_string(o, "runId", run->id);
	json_out_end_object(o);
	json_out_string(o, "deploymentId", run->deployment);
	json_out_end_object(o);
	return o->failed ? -ENOMEM : 0;
}

static int send_message(struct flow *f, const struct wire_works_get *get,
			const struct store_work *run, const struct json_out *body)
{
	struct http_slice deployment = {run->deployment, strlen(run->deployment)};
	struct store_message m = {.body = body->text, .size = body->length};
	char topic[QUEUE_NAME_SIZE];
	struct topic *t;
	int r = text_format(topic, sizeof(topic), QUEUE_PREFIX "%s", run->service);

	if (r == 0)
		r = queues_make_topic(f, get->space, topic, &t);
	if (r < 0)
		return r;
	if (queue_number(deployment, 1, INT64_MAX, &m.revision) < 0)
		m.revision = 0;
	m.created_us = m.due_us = clock_real_us();
	m.expires_us = m.key_until_us = m.created_us + MESSAGE_KEPT_US;
	(void)text_copy(m.type, sizeof(m.type), "application/json");
	r = queues_send(f, t, &m);
	return r < 0 ? r : 0;
}

/* A run whose message was lost goes on with another one: its replay is the same. */
static int retry(struct flow *f, const struct wire_works_get *get)
{
	struct workspace *w = workflows_space(f, get->space);
	struct store_work run;
	struct json_out body;
	int r = w ? store_work(f->store, w->is.id, get->id, &run) : 0;

	if (r != 1)
		return r < 0 ? r : -ENOENT;
	if (run.state >= WORK_COMPLETED)
		return -EALREADY;
	json_out_init(&body);
	r = write_message(&run, &body);
	if (r == 0)
		r = send_message(f, get, &run, &body);
	json_out_fini(&body);
	return r;
}

/* The answer follows the commit of the change. */
int told_work_move(void *self, struct wire_message *m)
{
	struct flow *f = self;
	const struct wire_works_get *get = (const void *)m->record;
	int r;

	if (!get_valid(get) || !*get->space || !workflow_id_valid(get->id))
		return -EPROTO;
	r = get->retry ? retry(f, get) : cancel(f, get);
	if (r == 0)
		r = store_commit(f->store);
	tell_result(f, get->cookie, -r,
		    r == -ENOENT     ? "there is no such run"
		    : r == -EALREADY ? "the run is over"
				     : get->id);
	return 0;
}

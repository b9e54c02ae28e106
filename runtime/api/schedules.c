// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/schedules.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "runtime/api/api.h"
#include "runtime/api/binding_use.h"
#include "runtime/api/blob.h"
#include "runtime/api/buffer.h"
#include "runtime/api/calls.h"
#include "runtime/api/secret_use.h"
#include "runtime/api/services.h"
#include "runtime/api/watch.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cron/zone.h"

#define TOKEN_VARIABLE "CRON_SECRET"
#define WAITING_MAX    65536

/* ---- the needs of a schedule ---- */

/* The bytes of a zone's file. Their number, 0 for UTC, -EINVAL: they are none, or -errno. */
static ssize_t read_zone(const struct api *api, const char *name, uint8_t bytes[ZONE_BYTES_MAX])
{
	SCOPED_FD fd = -1;
	struct zone *zone;
	ssize_t n;
	int r;

	if (!*name)
		return 0;
	if (api->zones_fd < 0)
		return -ENODEV;
	if (!zone_name_valid(name))
		return -EINVAL;
	fd = openat(api->zones_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	n = fd < 0 ? -errno : fd_read_all(fd, bytes, ZONE_BYTES_MAX);
	if (n < 0)
		return n;
	r = zone_parse(bytes, (size_t)n, &zone);
	if (r < 0)
		return r;
	zone_free(zone);
	return n;
}

/* The value of CRON_SECRET. 0, also without one; -EINVAL: no header can have it. */
static int read_token(struct api *api, const struct service_spec *spec, char *token, size_t size,
		      struct problem_list *errors)
{
	const char *plain = blob_find(spec->env, spec->env_count, TOKEN_VARIABLE);
	char values[SETTING_ENV_BYTES + SPEC_SECRETS_SIZE];
	struct blob given = {.memory = values, .size = sizeof(values)};
	int r = 0;

	*token = '\0';
	if (!plain && blob_find(spec->secrets, spec->secret_count, TOKEN_VARIABLE)) {
		secrets_fill(api, spec, &given, errors);
		plain = blob_find(values, given.count, TOKEN_VARIABLE);
	}
	if (plain && (!text_is_printable(plain) || text_copy(token, size, plain) < 0))
		r = -EINVAL;
	explicit_bzero(values, sizeof(values));
	return r;
}

static void check_zone(const struct api *api, const struct spec_schedule *s,
		       struct problem_list *errors)
{
	uint8_t bytes[ZONE_BYTES_MAX];
	ssize_t n = read_zone(api, s->zone, bytes);
	char path[96];

	(void)text_format(path, sizeof(path), "schedules.%.60s.timezone", s->name);
	if (n == -ENODEV)
		problem_add(errors, path,
			    "\"%s\" is not known: this host has no time zones but UTC (package "
			    "tzdata)",
			    s->zone);
	else if (n < 0)
		problem_add(errors, path,
			    "\"%s\" is not a time zone of this host, which has those of the IANA, "
			    "such as \"Europe/Berlin\"",
			    s->zone);
}

void schedules_check(struct api *api, const struct service_spec *spec, struct problem_list *errors)
{
	char token[SCHEDULE_TOKEN_SIZE];

	if (spec->schedule_count == 0)
		return;
	for (uint32_t i = 0; i < spec->schedule_count; i++)
		check_zone(api, &spec->schedules[i], errors);
	if (read_token(api, spec, token, sizeof(token), errors) < 0)
		problem_add(errors, "env." TOKEN_VARIABLE,
			    "cannot be sent as a header (printable ASCII, ..%d bytes)",
			    SCHEDULE_TOKEN_SIZE - 1);
	explicit_bzero(token, sizeof(token));
}

/* ---- saying it ---- */

static void send(struct api *api, uint32_t type, const void *record, size_t size)
{
	(void)wire_link_send(&api->flow, type, record, size, NULL, 0);
}

static void host_of(char *host, size_t size, const struct service_spec *spec, const char *service)
{
	if (spec->host_count)
		(void)text_copy(host, size, spec->hosts[0]);
	else
		(void)text_format(host, size, "%s.localhost", service);
}

static void fill(struct wire_flow_schedule *record, const struct service_spec *spec,
		 const struct spec_schedule *s)
{
	const char *space = queues_space(spec, record->service);

	record->overlap = s->overlap;
	record->missed = s->missed;
	record->method = s->method;
	record->jitter_s = s->jitter_s;
	record->retries = s->retries;
	(void)text_copy(record->name, sizeof(record->name), s->name);
	(void)text_copy(record->expression, sizeof(record->expression), s->expression);
	(void)text_copy(record->zone, sizeof(record->zone), s->zone);
	(void)text_copy(record->path, sizeof(record->path), s->path);
	(void)text_copy(record->topic, sizeof(record->topic), s->topic);
	(void)text_copy(record->space, sizeof(record->space), space ? space : record->service);
	host_of(record->host, sizeof(record->host), spec, record->service);
}

static void say_trigger(struct api *api, const struct service *service,
			const struct spec_trigger *t)
{
	const struct service_spec *spec = &service->current.spec;
	struct wire_flow_trigger record = {.deliveries_max = t->deliveries_max,
					   .retry_after_s = t->retry_after_s,
					   .initial_delay_s = t->initial_delay_s,
					   .concurrency_max = t->concurrency_max};

	(void)text_copy(record.service, sizeof(record.service), service->name);
	(void)text_copy(record.space, sizeof(record.space), queues_space(spec, service->name));
	(void)text_copy(record.topic, sizeof(record.topic), t->topic);
	(void)text_copy(record.consumer, sizeof(record.consumer), t->consumer);
	(void)text_copy(record.path, sizeof(record.path), t->path);
	host_of(record.host, sizeof(record.host), spec, service->name);
	send(api, WIRE_FLOW_TRIGGER, &record, sizeof(record));
}

static void say_one(struct api *api, const struct service *service, const struct spec_schedule *s,
		    const char *token)
{
	struct wire_flow_schedule record = {0};
	ssize_t n = read_zone(api, s->zone, record.zone_bytes);

	if (n < 0)
		log_error("event=zone_unreadable service=%s zone=%s err=\"%s\" mend=\"its schedule "
			  "is in UTC until tzdata is there\"",
			  service->name, s->zone, strerror((int)-n));
	record.zone_size = n > 0 ? (uint32_t)n : 0;
	(void)text_copy(record.service, sizeof(record.service), service->name);
	(void)text_copy(record.token, sizeof(record.token), token);
	fill(&record, &service->current.spec, s);
	send(api, WIRE_FLOW_SCHEDULE, &record, sizeof(record));
	explicit_bzero(&record, sizeof(record));
}

void schedules_say(struct api *api, const char *name)
{
	const struct service *s = services_find(api->services, name);
	const struct service_spec *spec = s && !s->refused ? &s->current.spec : NULL;
	struct wire_flow_service head = {.count = spec ? spec->schedule_count : 0,
					 .triggers = spec ? spec->trigger_count : 0};
	struct problem_list errors = {0};
	char token[SCHEDULE_TOKEN_SIZE];

	if (!wire_link_is_open(&api->flow) || !api->ready)
		return; /* schedules_say_all follows */
	(void)text_copy(head.service, sizeof(head.service), name);
	send(api, WIRE_FLOW_SERVICE, &head, sizeof(head));
	for (uint32_t i = 0; i < head.triggers; i++)
		say_trigger(api, s, &spec->triggers[i]);
	if (head.count == 0)
		return;
	(void)read_token(api, spec, token, sizeof(token), &errors);
	for (uint32_t i = 0; i < spec->schedule_count; i++)
		say_one(api, s, &spec->schedules[i], token);
	explicit_bzero(token, sizeof(token));
}

void schedules_say_all(struct api *api)
{
	if (!wire_link_is_open(&api->flow) || !api->ready)
		return;
	for (size_t i = 0; i < services_count(api->services); i++) {
		const struct service *s = services_at(api->services, i);

		if (s->current.number)
			schedules_say(api, s->name);
	}
	send(api, WIRE_FLOW_KNOWN, NULL, 0);
}

/* ---- the channel ---- */

#define TERMINATED(field) text_terminated(field, sizeof(field))

_Static_assert(offsetof(struct wire_schedule_row, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_run_row, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_queue_row, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_letter_row, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_work_row, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_work_event_row, cookie) == 0, "cookie first");

static bool run_valid(const struct wire_run_row *r)
{
	return TERMINATED(r->id) && TERMINATED(r->service) && TERMINATED(r->schedule) &&
	       TERMINATED(r->text);
}

static int on_schedule_row(void *self, struct wire_message *m)
{
	const struct wire_schedule_row *row = (const void *)m->record;

	if (!TERMINATED(row->service) || !TERMINATED(row->schedule) ||
	    !TERMINATED(row->expression) || !TERMINATED(row->zone) || !TERMINATED(row->path) ||
	    !TERMINATED(row->topic) || !run_valid(&row->run))
		return -EPROTO;
	calls_take_row(self, row, sizeof(*row), row->service, row->last, row->err);
	return 0;
}

static int on_run_row(void *self, struct wire_message *m)
{
	const struct wire_run_row *row = (const void *)m->record;

	if (!run_valid(row))
		return -EPROTO;
	calls_take_row(self, row, sizeof(*row), row->service, row->last, row->err);
	return 0;
}

static int on_queue_row(void *self, struct wire_message *m)
{
	const struct wire_queue_row *row = (const void *)m->record;

	if (!TERMINATED(row->space) || !TERMINATED(row->topic) || !TERMINATED(row->consumer))
		return -EPROTO;
	calls_take_row(self, row, sizeof(*row), row->topic, row->last, row->err);
	return 0;
}

static int on_letter_row(void *self, struct wire_message *m)
{
	const struct wire_letter_row *row = (const void *)m->record;

	if (!TERMINATED(row->space) || !TERMINATED(row->topic) || !TERMINATED(row->consumer) ||
	    !TERMINATED(row->type) || !TERMINATED(row->text) || row->shown > sizeof(row->body))
		return -EPROTO;
	calls_take_row(self, row, sizeof(*row), row->topic, row->last, row->err);
	return 0;
}

static int on_work_row(void *self, struct wire_message *m)
{
	const struct wire_work_row *row = (const void *)m->record;

	if (!TERMINATED(row->space) || !TERMINATED(row->service) || !TERMINATED(row->id) ||
	    !TERMINATED(row->deployment) || !TERMINATED(row->name))
		return -EPROTO;
	calls_take_row(self, row, sizeof(*row), row->id, row->last, row->err);
	return 0;
}

static int on_work_event_row(void *self, struct wire_message *m)
{
	const struct wire_work_event_row *row = (const void *)m->record;

	if (!TERMINATED(row->id) || !TERMINATED(row->type) || !TERMINATED(row->about) ||
	    !TERMINATED(row->step))
		return -EPROTO;
	calls_take_row(self, row, sizeof(*row), row->id, row->last, row->err);
	return 0;
}

/* ebbd numbers all events and keeps them for the next ebb-api; this one comes back from there. */
static int on_event(void *self, struct wire_message *m)
{
	const struct wire_event *event = (const void *)m->record;
	struct api *api = self;

	if (!TERMINATED(event->service) || !TERMINATED(event->instance) ||
	    !TERMINATED(event->text) || !wire_event_is_of_flow(event->kind))
		return -EPROTO;
	(void)wire_link_send(&api->control, WIRE_EVENT, event, sizeof(*event), NULL, 0);
	return 0;
}

static int on_totals(void *self, struct wire_message *m)
{
	struct api *api = self;

	memcpy(&api->flow_totals, m->record, sizeof(api->flow_totals));
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_SCHEDULE_ROW, sizeof(struct wire_schedule_row), 1, 0, 0, on_schedule_row},
	{WIRE_RUN_ROW, sizeof(struct wire_run_row), 1, 0, 0, on_run_row},
	{WIRE_QUEUE_ROW, sizeof(struct wire_queue_row), 1, 0, 0, on_queue_row},
	{WIRE_LETTER_ROW, sizeof(struct wire_letter_row), 1, 0, 0, on_letter_row},
	{WIRE_WORK_ROW, sizeof(struct wire_work_row), 1, 0, 0, on_work_row},
	{WIRE_WORK_EVENT_ROW, sizeof(struct wire_work_event_row), 1, 0, 0, on_work_event_row},
	{WIRE_RESULT, sizeof(struct wire_result), 1, 0, 0, calls_on_result},
	{WIRE_EVENT, sizeof(struct wire_event), 1, 0, 0, on_event},
	{WIRE_FLOW_TOTALS, sizeof(struct wire_flow_totals), 1, 0, 0, on_totals},
};

/* ebbd starts another ebb-flow and sends the channel to it (API_FLOW). */
static void on_lost(struct wire_link *link, int err)
{
	struct api *api = link->self;

	log_warn("event=flow_lost err=\"%s\"", err < 0 ? strerror(-err) : "closed");
	calls_peer_lost(api, CALL_FLOW);
}

int flow_open(struct api *api, int flow_fd)
{
	int r;

	wire_link_close(&api->flow);
	calls_peer_lost(api, CALL_FLOW);
	memset(&api->flow_totals, 0, sizeof(api->flow_totals));
	api->flow = (struct wire_link){.name = "ebb-flow",
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .phase = 1,
				       .self = api,
				       .lost = on_lost,
				       .queue_max = WAITING_MAX};
	r = wire_link_open(&api->flow, api->loop, flow_fd);
	if (r == 0)
		schedules_say_all(api);
	return r;
}

/* ---- metrics ---- */

bool schedules_up(const struct api *api)
{
	return wire_link_is_open(&api->flow) && !api->flow_totals.broken;
}

int schedules_metrics(const struct api *api, struct buffer *out)
{
	const struct wire_flow_totals *t = &api->flow_totals;
	const struct {
		const char *name, *help;
		uint64_t n;
	} rows[] = {
		{"ebb_schedule_due_total", "Runs that began.", t->due},
		{"ebb_schedule_late_total", "Runs that began more than 50 ms late.", t->late},
		{"ebb_schedule_attempts_total", "Deliveries of runs.", t->attempts},
		{"ebb_schedule_done_total", "Runs that were answered with 2xx.", t->done},
		{"ebb_schedule_failed_total", "Runs that failed for good.", t->failed},
		{"ebb_schedule_skipped_total", "Runs that were left out.", t->skipped},
		{"ebb_schedule_missed_total", "Times that ebb did not run when a run was due.",
		 t->missed},
		{"ebb_queue_sent_total", "Messages that were taken.", t->sent},
		{"ebb_queue_due_total", "Messages that were delivered for the first time.",
		 t->given},
		{"ebb_queue_late_total", "Those of them that were more than 50 ms late.",
		 t->given_late},
		{"ebb_queue_attempts_total", "Deliveries of messages, polled or pushed.", t->tries},
		{"ebb_queue_handled_total", "Messages that a consumer acknowledged.", t->handled},
		{"ebb_queue_dead_total", "Messages that became dead letters.", t->dead},
		{"ebb_queue_refused_total", "Messages that were refused: no room.", t->refused},
		{"ebb_queue_expired_total", "Messages whose time was over.", t->expired},
		{"ebb_workflow_completed_total", "Runs of workflows that completed.",
		 t->works_completed},
		{"ebb_workflow_failed_total", "Runs of workflows that failed.", t->works_failed},
		{"ebb_workflow_cancelled_total", "Runs of workflows that were cancelled.",
		 t->works_cancelled},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows) && r == 0; i++)
		r = buffer_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %" PRIu64 "\n",
				  rows[i].name, rows[i].help, rows[i].name, rows[i].name,
				  rows[i].n);
	if (r == 0)
		r = buffer_printf(out,
				  "# HELP ebb_schedule_late_seconds_total How late runs began.\n"
				  "# TYPE ebb_schedule_late_seconds_total counter\n"
				  "ebb_schedule_late_seconds_total %" PRIu64 ".%06" PRIu64 "\n"
				  "# HELP ebb_queue_messages Messages that are there.\n"
				  "# TYPE ebb_queue_messages gauge\nebb_queue_messages %" PRIu64
				  "\n"
				  "# HELP ebb_queue_bytes Bytes of their bodies.\n"
				  "# TYPE ebb_queue_bytes gauge\nebb_queue_bytes %" PRIu64 "\n"
				  "# HELP ebb_workflow_runs Runs of workflows that are not over.\n"
				  "# TYPE ebb_workflow_runs gauge\nebb_workflow_runs %" PRIu64 "\n"
				  "# HELP ebb_flow_up Whether ebb-flow answers and can write.\n"
				  "# TYPE ebb_flow_up gauge\nebb_flow_up %d\n",
				  t->late_us / US_PER_SEC, t->late_us % US_PER_SEC, t->messages,
				  t->bytes, t->works, schedules_up(api));
	return r;
}

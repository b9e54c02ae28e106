// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/control.h"

#include <errno.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/deploying.h"
#include "runtime/api/exec.h"
#include "runtime/api/gateway_files.h"
#include "runtime/api/gather.h"
#include "runtime/api/logs.h"
#include "runtime/api/schedules.h"
#include "runtime/api/services.h"
#include "runtime/api/watch.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/loop.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define WAITING_MAX 256 /* records that wait for a peer that does not read */

#define TERMINATED(field) text_terminated(field, sizeof(field))

/* Every answer begins with its cookie, which is how calls_take finds its call. */
_Static_assert(offsetof(struct wire_result, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_image_done, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_instance_info, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_sockets_of, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct one_socket, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_usage_row, cookie) == 0, "cookie first");
_Static_assert(offsetof(struct wire_ledger_verdict, cookie) == 0, "cookie first");

static bool config_valid(const struct wire_api_config *c)
{
	bool good = TERMINATED(c->node) && TERMINATED(c->domain) && TERMINATED(c->run_dir) &&
		    TERMINATED(c->state_dir) && TERMINATED(c->version) &&
		    TERMINATED(c->secret_fault) && TERMINATED(c->secret_mend) &&
		    c->listener_count <= LISTENERS_MAX;

	for (uint32_t i = 0; good && i < c->listener_count; i++)
		good = TERMINATED(c->listeners[i]);
	return good;
}

int control_read_config(struct api *api, struct wire_message *m)
{
	int r = wire_recv(API_CONTROL_FD, m);

	if (r <= 0)
		return r < 0 ? r : -EPIPE;
	if (m->head.type != WIRE_API_CONFIG || m->head.size != sizeof(api->config) ||
	    m->fd_count < CONFIG_STATUS || m->fd_count > CONFIG_FDS)
		return -EPROTO;
	memcpy(&api->config, m->record, sizeof(api->config));
	explicit_bzero(((struct wire_api_config *)(void *)m->record)->secret_key, SECRET_KEY_BYTES);
	return config_valid(&api->config) ? 0 : -EPROTO;
}

/* ---- ebbd ---- */

static int on_image_done(void *self, struct wire_message *m)
{
	const struct wire_image_done *done = (const void *)m->record;

	if (!TERMINATED(done->text))
		return -EPROTO;
	calls_take(self, &(struct call_part){.record = done,
					     .size = sizeof(*done),
					     .append = true,
					     .last = true,
					     .err = done->err,
					     .text = done->text});
	return 0;
}

static int on_instance_info(void *self, struct wire_message *m)
{
	const struct wire_instance_info *info = (const void *)m->record;
	struct api *api = self;

	if (!TERMINATED(info->id) || !TERMINATED(info->service) || !TERMINATED(info->why))
		return -EPROTO;
	if (info->last)
		api->health = *info;
	calls_take(self, &(struct call_part){.record = info,
					     .size = sizeof(*info),
					     .append = *info->id,
					     .last = info->last});
	return 0;
}

static int on_log_pipe(void *self, struct wire_message *m)
{
	const struct wire_log_pipe *record = (const void *)m->record;
	struct api *api = self;
	int r;

	/* The id and the service become file names. */
	if (!TERMINATED(record->id) || !TERMINATED(record->service) ||
	    !text_is_label(record->service) || !*record->id || strchr(record->id, '/') ||
	    record->id[0] == '.')
		return -EPROTO;
	r = logs_add_pipe(api->logs, record->service, record->id, keep_fd(&m->fds[0]));
	if (r < 0)
		log_warn("event=log_pipe_lost instance=%s err=\"%s\"", record->id, strerror(-r));
	return 0;
}

/* A service counts as failed from an instance that does not get ready until one that does. */
static void note_start(struct api *api, const struct wire_event *event)
{
	struct service *s = services_find(api->services, event->service);

	if (!s || (event->revision && event->revision != s->current.number))
		return;
	if (event->kind == WIRE_EVENT_INSTANCE_READY)
		s->start_error[0] = '\0';
	else if (event->kind == WIRE_EVENT_INSTANCE_FAILED && event->unready)
		(void)text_copy(s->start_error, sizeof(s->start_error), event->text);
}

static int on_event(void *self, struct wire_message *m)
{
	const struct wire_event *event = (const void *)m->record;
	struct api *api = self;

	if (!TERMINATED(event->service) || !TERMINATED(event->instance) || !TERMINATED(event->text))
		return -EPROTO;
	if (!event->again) {
		note_start(api, event);
		deploying_hear(api, event);
	}
	events_watch_add(api->watch, event);
	return 0;
}

static int on_gateway_files(void *self, struct wire_message *m)
{
	const struct wire_gateway_files *record = (const void *)m->record;
	struct api *api = self;

	return gateway_files_put(api->gateways, record->index, m->fds[0], keep_fd(&m->fds[1]));
}

static int on_new_ledger(void *self, struct wire_message *m)
{
	struct api *api = self;
	int r;

	wire_link_close(&api->ledger);
	calls_peer_lost(api, CALL_LEDGER);
	r = ledger_open(api, keep_fd(&m->fds[0]));
	if (r < 0)
		log_error("event=ledger_lost err=\"%s\"", strerror(-r));
	return 0;
}

static int on_zones(void *self, struct wire_message *m)
{
	struct api *api = self;

	fd_close(&api->zones_fd);
	api->zones_fd = keep_fd(&m->fds[0]);
	return 0;
}

static int on_flow(void *self, struct wire_message *m)
{
	int r = flow_open(self, keep_fd(&m->fds[0]));

	if (r < 0)
		log_error("event=flow_lost err=\"%s\"", strerror(-r));
	return 0;
}

static int on_exec_started(void *self, struct wire_message *m)
{
	execs_started(self, (const void *)m->record, m->fds, m->fd_count);
	return 0;
}

static int on_exec_ended(void *self, struct wire_message *m)
{
	const struct wire_exec_ended *record = (const void *)m->record;

	if (!TERMINATED(record->text))
		return -EPROTO;
	execs_ended(self, record);
	return 0;
}

/* A list that goes through the hands of ebbd is nothing that root has to read. */
struct socket_list {
	struct api *api;
	uint64_t cookie;
	uint32_t count;
};

static void on_socket(void *self, const struct net_socket *s)
{
	struct socket_list *list = self;
	const struct one_socket one = {.cookie = list->cookie, .socket = *s};

	if (list->count++ < SOCKETS_SHOWN_MAX)
		calls_take(list->api, &(struct call_part){
					      .record = &one, .size = sizeof(one), .append = true});
}

static int on_sockets_of(void *self, struct wire_message *m)
{
	const struct wire_sockets_of *record = (const void *)m->record;
	struct socket_list list = {.api = self, .cookie = record->cookie};
	int err = record->err;

	if (err == 0 && m->fd_count == 1)
		err = -net_sockets_each(m->fds[0], on_socket, &list);
	calls_take(self,
		   &(struct call_part){
			   .record = record, .size = sizeof(*record), .last = true, .err = err});
	return 0;
}

static int on_health(void *self, struct wire_message *m)
{
	struct api *api = self;

	api->ill = ((const struct wire_health *)(const void *)m->record)->ill;
	return 0;
}

/* ebbd was reloaded: it may listen at another address or have another capacity. */
static int on_change(void *self, struct wire_message *m)
{
	const struct wire_api_config *c = (const void *)m->record;
	struct api *api = self;

	if (!config_valid(c))
		return -EPROTO;
	api->config.instances_max = c->instances_max;
	api->config.upgrades = c->upgrades;
	api->config.upgrades_failed = c->upgrades_failed;
	api->config.listener_count = c->listener_count;
	memcpy(api->config.listeners, c->listeners, sizeof(api->config.listeners));
	memcpy(api->config.domain, c->domain, sizeof(api->config.domain));
	return 0;
}

static const struct wire_rule control_rules[] = {
	{WIRE_RESULT, sizeof(struct wire_result), 1, 0, 0, calls_on_result},
	{WIRE_IMAGE_DONE, sizeof(struct wire_image_done), 1, 0, 0, on_image_done},
	{WIRE_INSTANCE_INFO, sizeof(struct wire_instance_info), 1, 0, 0, on_instance_info},
	{WIRE_LOG_PIPE, sizeof(struct wire_log_pipe), 1, 1, 1, on_log_pipe},
	{WIRE_GATEWAY_FILES, sizeof(struct wire_gateway_files), 1, 2, 2, on_gateway_files},
	{WIRE_EVENT, sizeof(struct wire_event), 1, 0, 0, on_event},
	{WIRE_API_LEDGER, 0, 1, 1, 1, on_new_ledger},
	{WIRE_API_ZONES, 0, 1, 1, 1, on_zones},
	{WIRE_API_FLOW, 0, 1, 1, 1, on_flow},
	{WIRE_EXEC_STARTED, sizeof(struct wire_exec_started), 1, 1, 3, on_exec_started},
	{WIRE_EXEC_ENDED, sizeof(struct wire_exec_ended), 1, 0, 0, on_exec_ended},
	{WIRE_SOCKETS_OF, sizeof(struct wire_sockets_of), 1, 0, 1, on_sockets_of},
	{WIRE_HEALTH, sizeof(struct wire_health), 1, 0, 0, on_health},
	{WIRE_API_CHANGE, sizeof(struct wire_api_config), 1, 0, 0, on_change},
};

/* Without ebbd there is nothing to serve; the next ebbd starts a new ebb-api. */
static void on_control_lost(struct wire_link *link, int err)
{
	struct api *api = link->self;

	if (err < 0)
		log_error("event=control_lost err=\"%s\"", strerror(-err));
	else
		log_info("event=control_closed");
	loop_stop(api->loop, err);
}

int control_open(struct api *api)
{
	api->control = (struct wire_link){.name = "ebbd",
					  .rules = control_rules,
					  .rule_count = ARRAY_LEN(control_rules),
					  .phase = 1,
					  .self = api,
					  .lost = on_control_lost,
					  .queue_max = WAITING_MAX,
					  .burst = 1};
	return wire_link_open(&api->control, api->loop, API_CONTROL_FD);
}

/* ---- ledger ---- */

static int on_usage_row(void *self, struct wire_message *m)
{
	const struct wire_usage_row *row = (const void *)m->record;

	if (!TERMINATED(row->service) || (*row->service && !text_is_label(row->service)))
		return -EPROTO;
	calls_take_row(self, row, sizeof(*row), row->service, row->last, row->err);
	return 0;
}

static int on_verdict(void *self, struct wire_message *m)
{
	const struct wire_ledger_verdict *v = (const void *)m->record;

	if (!TERMINATED(v->text))
		return -EPROTO;
	/* A ledger that does not add up is a finding, not a failure of the question. */
	calls_take(self, &(struct call_part){
				 .record = v, .size = sizeof(*v), .append = true, .last = true});
	return 0;
}

static const struct wire_rule ledger_rules[] = {
	{WIRE_USAGE_ROW, sizeof(struct wire_usage_row), 1, 0, 0, on_usage_row},
	{WIRE_LEDGER_VERDICT, sizeof(struct wire_ledger_verdict), 1, 0, 0, on_verdict},
};

/* ebbd starts another ebb-ledger and sends the channel to it (API_LEDGER). */
static void on_ledger_lost(struct wire_link *link, int err)
{
	struct api *api = link->self;

	log_warn("event=ledger_lost err=\"%s\"", err < 0 ? strerror(-err) : "closed");
	calls_peer_lost(api, CALL_LEDGER);
}

int ledger_open(struct api *api, int ledger_fd)
{
	api->ledger = (struct wire_link){.name = "ebb-ledger",
					 .rules = ledger_rules,
					 .rule_count = ARRAY_LEN(ledger_rules),
					 .phase = 1,
					 .self = api,
					 .lost = on_ledger_lost,
					 .queue_max = WAITING_MAX,
					 .burst = 1};
	return wire_link_open(&api->ledger, api->loop, ledger_fd);
}

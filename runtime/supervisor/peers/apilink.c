// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/apilink_inside.h"
#include "runtime/supervisor/peers/api_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/egresslink.h"
#include "runtime/supervisor/peers/flowlink.h"
#include "runtime/supervisor/programs/daemon.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/host/zones.h"
#include "runtime/supervisor/peers/imports.h"
#include "runtime/supervisor/peers/walk.h"

#define INFOS_AHEAD 1024 /* queued for one that does not read; then a listing waits */

static void send_health(struct apilink *a)
{
	const struct wire_health health = {.ill = a->ill};

	daemon_send(&a->daemon, WIRE_HEALTH, &health, sizeof(health), NULL, 0);
}

void apilink_ill(struct apilink *a, enum wire_ill what, bool ill)
{
	uint32_t before = a->ill;

	a->ill = ill ? before | what : before & ~(uint32_t)what;
	if (a->ill != before && a->daemon.link.phase == PHASE_SERVING)
		send_health(a);
}

/* ---- services ---- */

static int on_ready(void *self, struct wire_message *m)
{
	struct apilink *a = self;

	a->daemon.link.phase = PHASE_SERVING;
	send_health(a);
	apilink_events_again(a);
	return 0;
}

static void remove_service(struct apilink *a, struct service *service)
{
	gateways_unroute(a->gateways, service->index);
	fleet_service_gone(a->fleet, service);
	services_remove(a->options.services, service);
}

static int on_settled(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	struct service *service;

	a->settled = true;
	while ((service = services_not_put(a->options.services)))
		remove_service(a, service); /* it was removed while nobody heard it */
	gateways_settled(a->gateways);
	apilink_answer(a, *(const uint64_t *)(const void *)m->record, 0, "");
	a->options.on_ready(a->options.self);
	return 0;
}

static int on_service_put(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_service_put *put = (const void *)m->record;
	struct service *service, *before;
	char text[ERROR_TEXT_SIZE] = "";
	int r;

	if (put->layer_count <= IMAGE_LAYERS_MAX &&
	    !apilink_mounts_done(a, put->layers, put->layer_count))
		return WIRE_LATER;
	/* A host that lost an ability keeps the services it had: their starts say what is
	 * missing. */
	before = text_terminated(put->name, sizeof(put->name))
			 ? services_find(a->options.services, put->name, 0)
			 : NULL;
	r = a->settled ? egresslink_check(a->egress, &put->egress, text, sizeof(text)) : 0;

	if (r == 0)
		r = services_put(a->options.services, put, a->options.images, &service, text,
				 sizeof(text));

	if (r >= 0)
		gateways_route(a->gateways, service);
	if (r == SERVICES_PROMOTED) {
		gateways_route_variants(a->gateways, service);
		fleet_service_promoted(a->fleet, service, before);
		apilink_say(a, WIRE_EVENT_SERVICE_UP, service->name,
			    "a revision that served beside it");
	}
	if (r == 0) {
		fleet_service_changed(a->fleet, service);
		apilink_say(a, WIRE_EVENT_SERVICE_UP, service->name, "put");
	}
	apilink_answer(a, put->cookie, r < 0 ? r : 0, text);
	return 0;
}

static int on_service_del(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_service_del *del = (const void *)m->record;
	struct service *service, *variant;

	if (!text_terminated(del->name, sizeof(del->name)) || !del->name[0])
		return -EPROTO;
	service = services_find(a->options.services, del->name, del->variant);
	if (!service) {
		apilink_answer(a, del->cookie, -ENOENT, "there is no such service");
		return 0;
	}
	while (!del->variant && (variant = services_variant(a->options.services, del->name)))
		remove_service(a, variant);
	remove_service(a, service);
	apilink_say(a, WIRE_EVENT_SERVICE_GONE, del->name,
		    del->variant ? "an earlier revision serves no more" : "removed");
	apilink_answer(a, del->cookie, 0, "");
	return 0;
}

static int on_service_start(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_service_start *start = (const void *)m->record;
	struct service *service;

	if (!text_terminated(start->name, sizeof(start->name)) || !start->name[0])
		return -EPROTO;
	service = services_find(a->options.services, start->name, start->variant);
	if (service)
		fleet_prove(a->fleet, service);
	apilink_answer(a, start->cookie, service ? 0 : -ENOENT,
		       service ? "" : "there is no such service");
	return 0;
}

/* ---- images ---- */

/* Reading a pipe could last for ever, and so could its unpacker. */
static bool is_archive(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_WRONLY &&
	       fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* An import ended. done is NULL if the ebb-api that asked for it is gone. */
static void on_import_done(void *self, const struct wire_image_done *done, const char *death,
			   bool imported)
{
	struct apilink *a = self;
	char text[ERROR_TEXT_SIZE];

	if (*death) {
		log_warn("event=program_died program=ebb-unpack text=%s",
			 log_quote(text, sizeof(text), death));
		apilink_say(a, WIRE_EVENT_PROGRAM_DIED, "", death);
	}
	if (done)
		daemon_send(&a->daemon, WIRE_IMAGE_DONE, done, sizeof(*done), NULL, 0);
	if (imported)
		apilink_say(a, WIRE_EVENT_IMAGE_IMPORTED, "", "imported");
}

static int on_image_import(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_image_import *job = (const void *)m->record;
	struct wire_image_done *failed;
	int r;

	if (job->format >= WIRE_IMAGE_FORMAT_COUNT || !is_archive(m->fds[0]) ||
	    !text_terminated(job->reference, sizeof(job->reference)))
		return -EPROTO;
	r = imports_start(&a->imports, job, m->fds[0]);
	if (r == 0)
		return 0;
	failed = calloc(1, sizeof(*failed));
	if (!failed)
		return -ENOMEM;
	failed->cookie = job->cookie;
	failed->err = -r;
	(void)text_copy(failed->text, sizeof(failed->text),
			r == -EBUSY ? "too many imports are under way; try again" : imports_why(r));
	daemon_send(&a->daemon, WIRE_IMAGE_DONE, failed, sizeof(*failed), NULL, 0);
	free(failed);
	return 0;
}

/* Gives up the import or the export with this cookie, for which nobody waits; its answer still
 * comes. */
static int on_image_cancel(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const uint64_t *cookie = (const void *)m->record;

	imports_cancel(&a->imports, *cookie);
	exports_cancel(&a->exports, *cookie);
	return 0;
}

static int on_image_del(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_image_del *del = (const void *)m->record;
	int r = image_layer_remove(a->options.images, del->layer);

	apilink_answer(a, del->cookie, r, r < 0 ? strerror(-r) : "");
	return 0;
}

/* ---- instances and meters ---- */

static bool has_enough(void *self)
{
	struct apilink *a = self;

	return a->daemon.link.queued > INFOS_AHEAD;
}

static void send(struct apilink *a, uint64_t cookie, struct instance *i, bool counted)
{
	struct wire_instance_info info;

	if (!instance_is_shown(i))
		return;
	fleet_info(i, counted, &info);
	info.cookie = cookie;
	daemon_send(&a->daemon, WIRE_INSTANCE_INFO, &info, sizeof(info), NULL, 0);
}

static void send_info(void *self, uint64_t cookie, struct instance *i)
{
	send(self, cookie, i, false);
}

static void send_counted(void *self, uint64_t cookie, struct instance *i)
{
	send(self, cookie, i, true);
}

static void send_last(void *self, uint64_t cookie)
{
	struct apilink *a = self;
	const struct loop_health *h = loop_health(a->options.host->loop);
	struct wire_instance_info last = {.cookie = cookie,
					  .last = 1,
					  .stalls = h->stalls,
					  .delays = h->delays,
					  .longest_handler_us = h->longest_ns / NS_PER_US,
					  .longest_handler_cpu_us = h->longest_cpu_ns / NS_PER_US};

	daemon_send(&a->daemon, WIRE_INSTANCE_INFO, &last, sizeof(last), NULL, 0);
}

static int on_instances_get(void *self, struct wire_message *m)
{
	static const struct walk_kind listing = {.each = send_info, .end = send_last},
				      counting = {.each = send_counted, .end = send_last};
	struct apilink *a = self;
	const struct wire_instances_get *get = (const void *)m->record;

	return walks_add(&a->walks, get->counted ? &counting : &listing, get->cookie);
}

static int on_instance_command(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_instance_command_record *c = (const void *)m->record;
	char text[ERROR_TEXT_SIZE] = "";
	int r;

	if (!text_terminated(c->id, sizeof(c->id)) || c->command > WIRE_COMMAND_STOP)
		return -EPROTO;
	r = fleet_command(a->fleet, c->id, c->command, text, sizeof(text));
	apilink_answer(a, c->cookie, r, text);
	return 0;
}

static void flush_meter(void *self, uint64_t cookie, struct instance *i)
{
	fleet_flush(i);
}

static void flush_ledger(void *self, uint64_t cookie)
{
	struct apilink *a = self;

	ledgerlink_flush(a->ledger, cookie);
}

static int on_meter_flush(void *self, struct wire_message *m)
{
	static const struct walk_kind flushing = {.each = flush_meter, .end = flush_ledger};
	struct apilink *a = self;
	const struct wire_meter_flush *flush = (const void *)m->record;

	if (flush->cookie == LEDGER_FLUSH_OWN)
		return -EPROTO;
	return walks_add(&a->walks, &flushing, flush->cookie);
}

static int on_shutdown(void *self, struct wire_message *m)
{
	return kill(getpid(), SIGTERM) < 0 ? -errno : 0;
}

static const struct wire_rule rules[] = {
	{WIRE_API_READY, 0, PHASE_STARTING, 0, 0, on_ready},
	{WIRE_API_SETTLED, sizeof(uint64_t), PHASE_SERVING, 0, 0, on_settled},
	{WIRE_SERVICE_PUT, sizeof(struct wire_service_put), PHASE_SERVING, 0, 0, on_service_put},
	{WIRE_SERVICE_DEL, sizeof(struct wire_service_del), PHASE_SERVING, 0, 0, on_service_del},
	{WIRE_SITE_PUT, sizeof(struct wire_site), PHASE_SERVING, 1, 1, apilink_on_site_put},
	{WIRE_SITE_DEL, sizeof(struct wire_site_del), PHASE_SERVING, 0, 0, apilink_on_site_del},
	{WIRE_SERVICE_START, sizeof(struct wire_service_start), PHASE_SERVING, 0, 0,
	 on_service_start},
	{WIRE_IMAGE_IMPORT, sizeof(struct wire_image_import), PHASE_SERVING, 1, 1, on_image_import},
	{WIRE_IMAGE_EXPORT, sizeof(struct wire_image_export), PHASE_SERVING, 1, 1,
	 apilink_on_image_export},
	{WIRE_IMAGE_CANCEL, sizeof(uint64_t), PHASE_SERVING, 0, 0, on_image_cancel},
	{WIRE_IMAGE_DEL, sizeof(struct wire_image_del), PHASE_SERVING, 0, 0, on_image_del},
	{WIRE_INSTANCES_GET, sizeof(struct wire_instances_get), PHASE_SERVING, 0, 0,
	 on_instances_get},
	{WIRE_SOCKETS_GET, sizeof(struct wire_sockets_get), PHASE_SERVING, 0, 0,
	 apilink_on_sockets_get},
	{WIRE_INSTANCE_COMMAND, sizeof(struct wire_instance_command_record), PHASE_SERVING, 0, 0,
	 on_instance_command},
	{WIRE_METER_FLUSH, sizeof(struct wire_meter_flush), PHASE_SERVING, 0, 0, on_meter_flush},
	{WIRE_NODE_UPGRADE, sizeof(struct wire_node_upgrade), PHASE_SERVING, 0, 0,
	 apilink_on_upgrade},
	{WIRE_NODE_DRAIN, sizeof(struct wire_node_drain), PHASE_SERVING, 0, 0, apilink_on_drain},
	{WIRE_EXEC_START, sizeof(struct wire_exec_start), PHASE_SERVING, 0, 0, apilink_on_exec},
	{WIRE_EXEC_SIGNAL, sizeof(struct wire_exec_signal), PHASE_SERVING, 0, 0,
	 apilink_on_exec_signal},
	{WIRE_EVENT, sizeof(struct wire_event), PHASE_SERVING, 0, 0, apilink_on_event},
	{WIRE_SHUTDOWN, 0, PHASE_SERVING, 0, 0, on_shutdown},
};

/* ---- the process ---- */

static void send_log_pipe(void *self, struct instance *i)
{
	struct apilink *a = self;
	struct wire_log_pipe record;
	int fd = instance_log_fd(i);

	if (fd < 0)
		return;
	instance_log_record(i, &record);
	daemon_send(&a->daemon, WIRE_LOG_PIPE, &record, sizeof(record), &fd, 1);
}

static void send_config(struct apilink *a)
{
	const int fds[] = {a->listener_fd, a->state_fd, a->log_fd, a->ledger_fd, a->status_fd};
	const uint32_t count = a->status_fd < 0 ? 4 : 5;
	struct wire_api_config config;

	api_settings_fill(a->options.host, a->options.boot_us, &config);
	api_settings_add_key(a->options.host->config, &config);
	daemon_send(&a->daemon, WIRE_API_CONFIG, &config, sizeof(config), fds, count);
	explicit_bzero(&config, sizeof(config));
}

void apilink_gateway_files(struct apilink *a, uint32_t index)
{
	struct wire_gateway_files record = {.index = index};
	int fds[2];

	if (gateways_files(a->gateways, index, fds))
		daemon_send(&a->daemon, WIRE_GATEWAY_FILES, &record, sizeof(record), fds, 2);
}

static void send_gateway_files(struct apilink *a)
{
	for (uint32_t n = 0; n < gateways_count(a->gateways); n++)
		apilink_gateway_files(a, n);
}

static void on_started(struct daemon *d)
{
	struct apilink *a = d->self;

	d->link.phase = PHASE_STARTING;
	a->settled = false;
	services_unput(a->options.services);
	gateways_sites_again(a->gateways);
	if (a->configured) {
		a->configured = false;
		ledgerlink_channel(a->ledger);
		flowlink_channel(a->flow);
	}
	send_config(a);
	a->configured = true;
	apilink_send_flow(a);
	send_gateway_files(a);
	fleet_each(a->fleet, send_log_pipe, a);
}

/* Its requests are gone with it: nobody waits for those imports any more. */
static void on_ended(struct daemon *d)
{
	struct apilink *a = d->self;

	a->drain_cookie = a->upgrade_cookie = 0;
	execs_end(a->execs);
	walks_drop(&a->walks);
	apilink_mounts_drop(a);
	imports_orphan(&a->imports);
	exports_end(&a->exports);
}

static int open_directory(const char *path, int *out_fd, struct fault *f)
{
	*out_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out_fd < 0 ? fault_errno(f, -errno, "cannot open the directory %s", path) : 0;
}

/* Opens the descriptors that ebb-api gets when it starts. */
/* Both listeners are those of the ebbd before, if there was one: clients wait in their queues. */
static int open_listener(struct apilink *a, struct fault *f)
{
	const struct config *c = a->options.host->config;
	struct estate *estate = a->options.host->estate;
	char path[CONFIG_PATH_SIZE + 16];
	int r;

	a->listener_fd = estate_file(estate, "api");
	if (a->listener_fd >= 0)
		return 0;
	(void)text_format(path, sizeof(path), "%s/api.sock", c->run_dir);
	r = listener_unix(path, c->api_group, f);
	if (r < 0)
		return r;
	a->listener_fd = r;
	return estate_keep_file(estate, "api", r);
}

static int open_status(struct apilink *a, struct fault *f)
{
	struct estate *estate = a->options.host->estate;
	int r;

	a->status_fd = estate_file(estate, "status");
	if (a->status_fd >= 0)
		return 0;
	r = listener_tcp(a->options.host->config->status_listen, a->options.listener_owner, f);
	if (r < 0)
		return r;
	a->status_fd = r;
	return estate_keep_file(estate, "status", r);
}

static int open_files(struct apilink *a, struct fault *f)
{
	const struct config *c = a->options.host->config;
	int r = open_listener(a, f);

	if (r == 0)
		r = open_directory(c->state_dir, &a->state_fd, f);
	if (r == 0)
		r = open_directory(c->log_dir, &a->log_fd, f);
	return r < 0 || !*c->status_listen ? r : open_status(a, f);
}

int apilink_new(const struct apilink_options *options, struct apilink **out, struct fault *f)
{
	struct apilink *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->options = *options;
	imports_init(&a->imports, options->host->loop, options->images, a, on_import_done);
	exports_init(&a->exports, options->host->loop, options->images, a, apilink_on_exported);
	a->ledger_fd = a->listener_fd = a->state_fd = a->log_fd = a->status_fd = a->flow_fd = -1;
	a->zones_fd = zones_open();
	r = open_files(a, f);
	if (r < 0) {
		apilink_free(a);
		return r;
	}
	imports_limit(options->images, options->host->config);
	*out = a;
	return 0;
}

void apilink_change(struct apilink *a)
{
	const struct config *c = a->options.host->config;
	struct wire_api_config config;

	imports_limit(a->options.images, c);
	api_settings_give_socket(c);
	api_settings_fill(a->options.host, a->options.boot_us, &config);
	if (a->configured)
		daemon_send(&a->daemon, WIRE_API_CHANGE, &config, sizeof(config), NULL, 0);
}

void apilink_notice(struct apilink *a, uint32_t kind, const char *text)
{
	struct wire_event event = {.when_us = clock_real_us(), .kind = kind};

	(void)text_copy(event.text, sizeof(event.text), text);
	apilink_event(a, &event);
}

static const struct program program = {.file = "ebb-api",
				       .uid = UID_API,
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .on_started = on_started,
				       .on_ended = on_ended};

int apilink_start(struct apilink *a, struct fleet *fleet, struct gateways *gateways,
		  struct ledgerlink *ledger, struct egresslink *egress, struct flowlink *flow,
		  struct fault *f)
{
	a->flow = flow;
	a->egress = egress;
	a->fleet = fleet;
	apilink_mounts_init(a);
	walks_init(&a->walks, a->options.host->loop, fleet, a, has_enough);
	a->gateways = gateways;
	a->ledger = ledger;
	a->daemon.self = a;
	if (apilink_open_execs(a) < 0)
		return fault_errno(f, -ENOMEM, "cannot start ebb-api");
	return daemon_start(&a->daemon, &program, a->options.host, f);
}

void apilink_free(struct apilink *a)
{
	if (!a)
		return;
	daemon_kill(&a->daemon);
	execs_free(a->execs);
	imports_end(&a->imports);
	exports_end(&a->exports);
	estate_drop_file(a->options.host->estate, "api");
	estate_drop_file(a->options.host->estate, "status");
	fd_close(&a->listener_fd);
	fd_close(&a->status_fd);
	fd_close(&a->state_fd);
	fd_close(&a->log_fd);
	fd_close(&a->ledger_fd);
	fd_close(&a->flow_fd);
	fd_close(&a->zones_fd);
	free(a);
}

void apilink_flushed(struct apilink *a, uint64_t cookie, int error)
{
	apilink_answer(a, cookie, error,
		       error < 0 ? "the ledger cannot write; see ebbd's log, and free disk space"
				 : "");
}

void apilink_ledger_channel(struct apilink *a, int fd)
{
	fd_close(&a->ledger_fd);
	a->ledger_fd = fd;
	if (a->configured)
		daemon_send(&a->daemon, WIRE_API_LEDGER, NULL, 0, &fd, 1);
}

static void on_starts(void *self, bool can)
{
	apilink_ill(self, WIRE_ILL_STARTS, !can);
}

struct observer apilink_observer(struct apilink *a)
{
	return (struct observer){.self = a,
				 .event = apilink_event,
				 .announced = send_log_pipe,
				 .starts = on_starts,
				 .drained = apilink_on_drained};
}

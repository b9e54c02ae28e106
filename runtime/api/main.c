// SPDX-License-Identifier: Apache-2.0
/*
 * ebb-api: the REST server. ebbd starts it in an empty root under its own uid, with one descriptor
 * (fd 3).
 */
#include <errno.h>
#include <sys/prctl.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/change.h"
#include "runtime/api/control.h"
#include "runtime/api/deploying.h"
#include "runtime/api/early.h"
#include "runtime/api/exec.h"
#include "runtime/api/gateway_files.h"
#include "runtime/api/image_export.h"
#include "runtime/api/images.h"
#include "runtime/api/logs.h"
#include "runtime/api/operations.h"
#include "runtime/api/routes.h"
#include "runtime/api/secrets.h"
#include "runtime/api/server.h"
#include "runtime/api/services.h"
#include "runtime/api/sites.h"
#include "runtime/api/state.h"
#include "runtime/api/watch.h"
#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/loop.h"
#include "runtime/base/program.h"
#include "runtime/base/seal.h"

FILTER_EMBED(policy, "runtime/api/seccomp.policy");

#define TICK_NS NS_PER_SEC

/* The client of this request is gone. */
static void forget(struct api *api, struct request *rq)
{
	calls_forget(api, rq);
	early_forget(api->early, rq);
	events_watch_forget(api->watch, rq);
	logs_forget(api->logs, rq);
	operations_forget(api->operations, rq);
	execs_forget(api, rq);
	deploying_forget(api, rq);
	image_exports_forget(api, rq);
}

/* Runs behind every event. Calls expire first, so that their answers are sent in the same turn. */
static void after_event(void *self)
{
	struct api *api = self;
	uint64_t now_ns = clock_mono_ns();
	bool waiting = calls_expire(api, now_ns);
	uint64_t next_ns = operations_expire(api->operations, now_ns);
	uint64_t early_ns = early_turn(api, now_ns);
	uint64_t drain_ns = drain_retry(api, now_ns);
	unsigned int open = server_turn(api->server, now_ns);

	if (api->status)
		open += server_turn(api->status, now_ns);
	execs_retry(api);
	if (drain_ns < next_ns)
		next_ns = drain_ns;
	if (early_ns < next_ns)
		next_ns = early_ns;
	if (waiting || open || drain_ns != UINT64_MAX)
		(void)loop_timer_by(api->loop, &api->tick,
				    next_ns < now_ns + TICK_NS ? next_ns : now_ns + TICK_NS);
}

/* The timer only wakes the loop: after_event then finds overdue calls, as behind every event. */
static void on_tick(struct timer *t)
{
	(void)t;
}

static int open_stores(struct api *api)
{
	char text[FAULT_TEXT_SIZE], quoted[2 * FAULT_TEXT_SIZE];
	struct fault fault = {0};
	int r = images_open(api->state_dir_fd, &api->images, &fault);

	if (r == 0)
		r = deployments_open(api->state_dir_fd, &api->deployments, &fault);
	if (r == 0)
		r = services_open(api->state_dir_fd, api->deployments, &api->services, &fault);
	if (r == 0)
		r = secrets_open(api->state_dir_fd, &api->config, &api->secrets, &fault);
	if (r == 0)
		r = sites_open(api->state_dir_fd, &api->sites, &fault);
	if (r == 0)
		deployments_go_on(api);
	if (r == 0)
		r = drain_load(api, &fault);
	if (r < 0)
		log_error("event=state_unreadable err=%s",
			  log_quote(quoted, sizeof(quoted), fault_text(&fault, text)));
	return r;
}

static int open_modules(struct api *api, int log_dir_fd)
{
	int r = loop_new(&api->loop);

	if (r == 0)
		r = calls_new(&api->calls);
	if (r == 0)
		r = early_new(clock_mono_ns(), &api->early);
	if (r == 0)
		r = events_watch_new(&api->watch);
	if (r == 0)
		r = operations_new(&api->operations);
	if (r == 0)
		r = execs_new(&api->execs);
	if (r == 0)
		r = logs_new(api->loop, log_dir_fd, &api->logs);
	if (r == 0)
		r = gateway_files_new(api->loop, log_dir_fd, &api->gateways);
	return r;
}

static void close_all(struct api *api)
{
	if (api->loop)
		loop_timer_off(api->loop, &api->tick);
	server_free(api->status);
	server_free(api->server); /* first: it tells the other modules which requests are gone */
	wire_link_close(&api->ledger);
	wire_link_close(&api->flow);
	fd_close(&api->zones_fd);
	wire_link_close(&api->control);
	gateway_files_free(api->gateways);
	logs_free(api->logs);
	events_watch_free(api->watch);
	calls_free(api->calls);
	early_free(api->early);
	operations_free(api->operations);
	execs_free(api, api->execs);
	image_exports_free(api);
	deploying_end_all(api);
	deployments_free(api->deployments);
	services_free(api->services);
	secrets_free(api->secrets);
	sites_free(api->sites);
	images_free(api->images);
	loop_free(api->loop);
}

static int open_channels(struct api *api, struct wire_message *m, int spool_dir_fd)
{
	struct server_options options = {.api = api,
					 .loop = api->loop,
					 .spool_dir_fd = spool_dir_fd,
					 .upload_bytes_max = api->config.upload_bytes_max,
					 .route_find = route_find,
					 .forget = forget};
	int r = control_open(api);

	if (r == 0)
		r = ledger_open(api, keep_fd(&m->fds[CONFIG_LEDGER]));
	if (r == 0)
		r = server_new(&options, keep_fd(&m->fds[CONFIG_LISTENER]), &api->server);
	options.route_find = route_find_status;
	if (r == 0 && m->fd_count > CONFIG_STATUS)
		r = server_new(&options, keep_fd(&m->fds[CONFIG_STATUS]), &api->status);
	if (r == 0)
		r = wire_link_send(&api->control, WIRE_API_READY, NULL, 0, NULL, 0);
	return r;
}

static int serve_clients(struct api *api)
{
	api->tick = (struct timer){.on_due = on_tick, .name = "api on_tick"};
	drain_resend(api);
	change_resend_all(api);
	after_event(api);
	loop_behind(api->loop, after_event, api);
	return loop_run(api->loop);
}

static int serve(struct api *api, struct wire_message *m)
{
	SCOPED_FD spool_dir_fd = state_dir(api->state_dir_fd, "spool");
	int r = spool_dir_fd < 0 ? spool_dir_fd : 0;

	chain_init(&api->imports);
	chain_init(&api->exports);
	if (r == 0)
		r = open_modules(api, m->fds[CONFIG_LOG_DIR]);
	if (r == 0)
		r = open_stores(api);
	if (r == 0)
		r = open_channels(api, m, spool_dir_fd);
	if (r == 0)
		r = serve_clients(api);
	close_all(api);
	return r;
}

/* The first record says all that this program needs to know. */
static int run(void *self)
{
	struct api *api = self;
	struct wire_message m = {0};
	int r = control_read_config(api, &m);

	if (r == 0) {
		api->state_dir_fd = m.fds[CONFIG_STATE_DIR];
		r = serve(api, &m);
	}
	wire_message_fini(&m);
	return r;
}

/* libcrypto looks for its configuration at its first use. That is here, before the filter is
 * loaded. The memory of this program has secrets: it leaves no core, and root alone may look into
 * it. */
static int prepare(const char **step)
{
	*step = "find AES-256-GCM in libcrypto";
	if (seal_try() < 0)
		return -EIO;
	*step = "leave no core";
	return prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct api api = {.zones_fd = -1};
	const struct program program = {.name = "ebb-api",
					.policy = policy_start,
					.policy_end = policy_end,
					.prepare = prepare,
					.run = run,
					.self = &api};

	return program_main(&program, argc, argv);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * ebb-api: the REST server. ebbd starts it in an empty root under its own uid, with one descriptor
 * (fd 3). It confines itself further before it reads a foreign byte.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/change.h"
#include "runtime/api/control.h"
#include "runtime/api/exec.h"
#include "runtime/api/gateway_files.h"
#include "runtime/api/images.h"
#include "runtime/api/logs.h"
#include "runtime/api/operations.h"
#include "runtime/api/routes.h"
#include "runtime/api/server.h"
#include "runtime/api/services.h"
#include "runtime/api/state.h"
#include "runtime/api/watch.h"
#include "runtime/base/clock.h"
#include "runtime/base/confine.h"
#include "runtime/base/fd.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/loop.h"
#include "runtime/base/rehearse.h"

FILTER_EMBED(policy, "runtime/api/seccomp.policy");

#define TICK_NS NS_PER_SEC

/* The client of this request is gone. */
static void forget(struct api *api, struct request *rq)
{
	calls_forget(api, rq);
	events_watch_forget(api->watch, rq);
	logs_forget(api->logs, rq);
	operations_forget(api->operations, rq);
	execs_forget(api, rq);
}

/* Runs behind every event. Calls expire first, so that their answers are sent in the same turn. */
static void after_event(void *self)
{
	struct api *api = self;
	uint64_t now_ns = clock_mono_ns();
	bool waiting = calls_expire(api, now_ns);
	uint64_t next_ns = operations_expire(api->operations, now_ns);
	unsigned int open = server_turn(api->server, now_ns);

	if (waiting || open)
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
		r = services_open(api->state_dir_fd, &api->services, &fault);
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

	chain_init(&api->imports);
	if (r == 0)
		r = calls_new(&api->calls);
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
	server_free(api->server); /* first: it tells the other modules which requests are gone */
	wire_link_close(&api->ledger);
	wire_link_close(&api->control);
	gateway_files_free(api->gateways);
	logs_free(api->logs);
	events_watch_free(api->watch);
	calls_free(api->calls);
	operations_free(api->operations);
	execs_free(api, api->execs);
	services_free(api->services);
	images_free(api->images);
	loop_free(api->loop);
}

static int open_channels(struct api *api, struct wire_message *m, int spool_dir_fd)
{
	const struct server_options options = {.api = api,
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
	if (r == 0)
		r = wire_link_send(&api->control, WIRE_API_READY, NULL, 0, NULL, 0);
	return r;
}

static int run(struct api *api)
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

	if (r == 0)
		r = open_modules(api, m->fds[CONFIG_LOG_DIR]);
	if (r == 0)
		r = open_stores(api);
	if (r == 0)
		r = open_channels(api, m, spool_dir_fd);
	if (r == 0)
		r = run(api);
	close_all(api);
	return r;
}

int main(int argc, char **argv)
{
	struct wire_message m = {0};
	struct api api = {0};
	const char *rehearsal = rehearse_wanted(argc, argv);
	int r;

	log_init_named("ebb-api");
	if (rehearsal)
		return confine_program(policy_start, policy_end) < 0 || rehearse(rehearsal) < 0 ? 1
												: 0;
	log_to_supervisor();
	signal(SIGPIPE, SIG_IGN);
	r = confine_program(policy_start, policy_end);
	if (r >= 0)
		r = control_read_config(&api, &m);
	if (r == 0) {
		api.state_dir_fd = m.fds[CONFIG_STATE_DIR];
		r = serve(&api, &m);
	}
	wire_message_fini(&m);
	if (r < 0)
		log_error("event=failed err=\"%s\"", strerror(-r));
	return r < 0 ? 1 : 0;
}

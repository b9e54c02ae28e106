// SPDX-License-Identifier: Apache-2.0
/*
 * ebb-api: the REST server. Started by ebbd in an empty root under its own uid, with one descriptor
 * (fd 3); it confines itself further before it reads a foreign byte.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/calls.h"
#include "runtime/api/change.h"
#include "runtime/api/control.h"
#include "runtime/api/gateway_files.h"
#include "runtime/api/images.h"
#include "runtime/api/link.h"
#include "runtime/api/logs.h"
#include "runtime/api/loop.h"
#include "runtime/api/server.h"
#include "runtime/api/services.h"
#include "runtime/api/state.h"
#include "runtime/api/watch.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/rehearse.h"

FILTER_EMBED(policy, "runtime/api/seccomp.policy");

#define TICK_MS 1000

/* A sanitizer's run-time makes calls of its own at any moment: such builds are for tests. */
#ifdef __SANITIZE_ADDRESS__
#define CONFINED false
#else
#define CONFINED true
#endif

void api_forget(struct api *api, struct request *rq)
{
	calls_forget(api, rq);
	watch_forget(api->watch, rq);
	logs_forget(api->logs, rq);
}

/* Behind every event. Calls first: what they answer is to be sent in the same turn. */
static int after_event(void *ctx)
{
	struct api *api = ctx;
	uint64_t now_ns = clock_mono_ns();
	bool waiting = calls_expire(api, now_ns);
	unsigned int open = server_turn(api->server, now_ns);
	int logs_ms = logs_turn(api->logs);

	if ((waiting || open) && (logs_ms < 0 || logs_ms > TICK_MS))
		return TICK_MS;
	return logs_ms;
}

static int confine(void)
{
	char err[256] = "";
	int r = 0;

	if (CONFINED)
		r = filter_apply(policy_start, (size_t)(policy_end - policy_start), err,
				 sizeof(err));
	if (r < 0)
		log_error("event=not_confined err=\"%s: %s\"", strerror(-r), err);
	return r;
}

static int open_stores(struct api *api)
{
	char err[512] = "";
	int r = images_open(api->state_dir_fd, &api->images, err, sizeof(err));

	if (r == 0)
		r = services_open(api->state_dir_fd, &api->services, err, sizeof(err));
	if (r < 0)
		log_error("event=state_unreadable err=\"%s: %s\"", strerror(-r), err);
	return r;
}

static int open_modules(struct api *api, int log_dir_fd)
{
	int r = loop_new(&api->loop);

	if (r == 0)
		r = calls_new(&api->calls);
	if (r == 0)
		r = watch_new(&api->watch);
	if (r == 0)
		r = logs_new(api->loop, log_dir_fd, &api->logs);
	if (r == 0)
		r = gateway_files_new(api->loop, log_dir_fd, &api->gateways);
	return r;
}

static void close_all(struct api *api)
{
	server_free(api->server); /* it still tells the others which requests are gone */
	wire_link_free(api->ledger);
	wire_link_free(api->control);
	gateway_files_free(api->gateways);
	logs_free(api->logs);
	watch_free(api->watch);
	calls_free(api->calls);
	services_free(api->services);
	images_free(api->images);
	loop_free(api->loop);
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
		r = control_open(api);
	if (r == 0)
		r = ledger_open(api, keep_fd(&m->fds[CONFIG_LEDGER]));
	if (r == 0)
		r = server_new(api, keep_fd(&m->fds[CONFIG_LISTENER]), spool_dir_fd,
			       api->config.upload_bytes_max, &api->server);
	if (r == 0)
		r = wire_link_send(api->control, WIRE_API_READY, NULL, 0, -1);
	if (r == 0) {
		change_resend_all(api);
		r = loop_run(api->loop, after_event, api);
	}
	close_all(api);
	return r;
}

int main(int argc, char **argv)
{
	struct wire_message m = {0};
	struct api api = {0};
	const char *wanted = getenv("EBB_LOG"), *rehearsal = rehearse_wanted(argc, argv);
	int level = wanted ? log_level_parse(wanted) : LOG_INFO_LEVEL;
	int r;

	log_init("ebb-api", level < 0 ? LOG_INFO_LEVEL : (enum log_level)level);
	if (rehearsal)
		return confine() < 0 || rehearse(rehearsal) < 0 ? 1 : 0;
	log_to_supervisor();
	signal(SIGPIPE, SIG_IGN);
	r = confine();
	if (r == 0)
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

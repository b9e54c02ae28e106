// SPDX-License-Identifier: Apache-2.0
/*
 * The fleet and the programs beside it. Each peer observes the instances, and ebbd joins two peers
 * where one needs the other.
 */
#include "runtime/supervisor/ebbd.h"

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/host/notify.h"
#include "runtime/supervisor/scale/follow.h"

static void tell_ready(struct ebbd *e)
{
	if (!e->gateways_ready || !e->api_ready || e->told_ready)
		return;
	e->told_ready = true;
	log_info("event=ready listen=%s gateways=%u api=%s/api.sock", e->config.listeners[0],
		 (unsigned int)e->config.gateways, e->config.run_dir);
	if (notify_send("READY=1") < 0)
		log_warn("event=notify_failed");
}

static void on_gateways_ready(void *self)
{
	struct ebbd *e = self;

	e->gateways_ready = true;
	tell_ready(e);
}

static void on_api_ready(void *self)
{
	struct ebbd *e = self;

	e->api_ready = true;
	tell_ready(e);
}

static void on_keeping_up(void *self, bool keeps_up)
{
	struct ebbd *e = self;

	apilink_ill(e->api, WIRE_ILL_LEDGER, !keeps_up);
}

static void on_ledger_channel(void *self, int fd)
{
	struct ebbd *e = self;

	apilink_ledger_channel(e->api, fd);
}

/* Makes events of the faults of ebbd itself and of its programs. */
void ebbd_notice(void *self, uint32_t kind, const char *text)
{
	struct ebbd *e = self;

	if (e->api)
		apilink_notice(e->api, kind, text);
}

static int open_fleet(struct ebbd *e, struct fault *f)
{
	struct fleet_options fleet = {
		.loop = e->loop,
		.board = e->board,
		.tree = e->tree,
		.services = e->services,
		.zygote = e->zygote,
		.stage_dir = e->stage_dir,
		.armed = (uint32_t)e->config.armed,
		.instances_max = (uint32_t)e->config.instances_max,
		.gateway_count = (uint32_t)e->config.gateways,
		.nofile_max = (uint32_t)e->config.nofile_max,
		.memory_max_bytes = e->config.memory_max_mb << 20,
		.memory_reserve_bytes = e->config.memory_reserve_mb << 20,
		.drain_ms = (uint32_t)e->config.drain_ms,
		.boot_us = e->boot_us,
		.followers = &fleet_followers,
	};
	int r = fleet_new(&fleet, &e->fleet);

	return r < 0 ? fault_errno(f, r, "cannot make the fleet") : 0;
}

static int open_ipc(struct ebbd *e, struct fault *f)
{
	struct ipclink_options ipc = {.host = &e->host,
				      .board = e->board,
				      .fleet = e->fleet,
				      .board_fd = e->board_fd,
				      .doorbell_fd = gateways_doorbell_fd(e->gateways)};

	return ipclink_new(&ipc, &e->ipc, f);
}

/* The observers of instances, in this order: gateways first, because somebody waits for them. */
static void observe(struct ebbd *e)
{
	const struct observer observers[] = {
		gateways_observer(e->gateways),
		apilink_observer(e->api),
		ipclink_observer(e->ipc),
		ledgerlink_observer(e->ledger),
		{.self = e, .emptied = ebbd_on_emptied, .starts = ebbd_on_starts},
	};

	for (size_t n = 0; n < ARRAY_LEN(observers); n++)
		fleet_observe(e->fleet, &observers[n]);
}

int ebbd_open_programs(struct ebbd *e, struct fault *f)
{
	struct apilink_options api = {.host = &e->host,
				      .services = e->services,
				      .images = e->images,
				      .boot_us = e->boot_us,
				      .self = e,
				      .on_ready = on_api_ready};
	struct ledgerlink_options ledger = {.host = &e->host,
					    .boot_us = e->boot_us,
					    .self = e,
					    .on_flushed = ebbd_on_flushed,
					    .on_stopped = ebbd_on_ledger_stopped,
					    .on_keeping_up = on_keeping_up,
					    .on_channel = on_ledger_channel};
	struct gateways_options gateways = {.host = &e->host,
					    .board = e->board,
					    .board_fd = e->board_fd,
					    .services = e->services,
					    .self = e,
					    .on_ready = on_gateways_ready,
					    .on_stopped = ebbd_on_gateways_stopped};
	int r = listener_owner(e->lock_fd, &gateways.listener_owner);

	if (r == 0)
		r = apilink_new(&api, &e->api, f);
	if (r == 0)
		r = ledgerlink_new(&ledger, &e->ledger, f);
	if (r == 0)
		r = open_fleet(e, f);
	if (r == 0)
		r = gateways_new(&gateways, &e->gateways, f);
	if (r == 0)
		r = open_ipc(e, f);
	if (r == 0)
		r = egresslink_new(&e->host, e->fleet, &e->egress, f);
	if (r < 0)
		return r;
	gateways_attach(e->gateways, e->fleet);
	observe(e);
	return apilink_start(e->api, e->fleet, e->gateways, e->ledger, e->egress, f);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The fleet and the programs beside it. Each peer observes the instances, and ebbd joins two peers
 * where one needs the other.
 */
#include "runtime/supervisor/ebbd.h"

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/host/notify.h"
#include "runtime/supervisor/scale/adopt.h"
#include "runtime/supervisor/scale/follow.h"

static const char *const upgrade_faults[] = {
	[UPGRADE_NOT_RUN] = "cannot be executed",
	[UPGRADE_NOT_BEGUN] = "could not begin; the log says why",
	[UPGRADE_DIED] = "died again and again",
	[UPGRADE_HANGS] = "was not ready in time",
};

/* ebb-api shows both counts. */
static void say_upgraded(struct ebbd *e)
{
	struct estate_words *words = estate_words(e->heritage.estate);
	uint32_t upgrades = atomic_load(&words->upgrades);
	uint32_t fault = atomic_exchange(&words->upgrade_fault, UPGRADE_WELL);
	char text[ERROR_TEXT_SIZE];

	if (fault != UPGRADE_WELL) {
		must(fault < ARRAY_LEN(upgrade_faults));
		(void)text_format(text, sizeof(text), "ebb %s goes on: %s %s", EBB_VERSION,
				  e->binary, upgrade_faults[fault]);
		atomic_fetch_add(&words->upgrades_failed, 1);
		log_error("event=not_upgraded version=%s cause=\"%s\"", EBB_VERSION, text);
		ebbd_notice(e, WIRE_EVENT_UPGRADE_FAILED, text);
	} else if (atomic_load(&words->upgrades_said) != upgrades) {
		(void)text_format(text, sizeof(text), "ebb %s runs now, from %s", EBB_VERSION,
				  e->binary);
		atomic_fetch_add(&words->upgrades_well, 1);
		log_info("event=upgraded version=%s", EBB_VERSION);
		ebbd_notice(e, WIRE_EVENT_UPGRADED, text);
	} else {
		return;
	}
	atomic_store(&words->upgrades_said, upgrades);
	apilink_change(e->api);
}

static void tell_ready(struct ebbd *e)
{
	struct estate_words *words = estate_words(e->heritage.estate);

	if (!e->gateways_ready || !e->api_ready || e->told_ready)
		return;
	e->told_ready = true;
	atomic_store(&words->ready, 1);
	log_info("event=ready listen=%s gateways=%u api=%s/api.sock", e->config.listeners[0],
		 (unsigned int)e->config.gateways, e->config.run_dir);
	if (notify_send("READY=1") < 0)
		log_warn("event=notify_failed");
	say_upgraded(e);
	gateways_renew(e->gateways);
	if (atomic_load(&words->reloads_asked) != atomic_load(&words->reloads_done))
		ebbd_reload(e); /* the ebbd before died of it, or while it came */
	if (atomic_load(&words->upgrades_asked) != atomic_load(&words->upgrades_done))
		ebbd_upgrade(e);
}

static void on_gateway_files(void *self, uint32_t index)
{
	struct ebbd *e = self;

	apilink_gateway_files(e->api, index);
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

static void on_flow_channel(void *self, int fd)
{
	struct ebbd *e = self;

	apilink_flow_channel(e->api, fd);
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
		.estate = e->heritage.estate,
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

static int open_gateways(struct ebbd *e, struct gateways_options *gateways, struct fault *f)
{
	struct flowlink_options flow = {.host = &e->host, .self = e, .on_channel = on_flow_channel};
	int r = flowlink_new(&flow, &e->flow, f);

	if (r < 0)
		return r;
	gateways->deliveries_fd = flowlink_deliveries_fd(e->flow);
	return gateways_new(gateways, &e->gateways, f);
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
		flowlink_observer(e->flow),
		apilink_observer(e->api),
		ipclink_observer(e->ipc),
		ledgerlink_observer(e->ledger),
		ticklink_observer(e->tick),
		{.self = e, .emptied = ebbd_on_emptied, .starts = ebbd_on_starts},
	};

	for (size_t n = 0; n < ARRAY_LEN(observers); n++)
		fleet_observe(e->fleet, &observers[n]);
}

/* Observers hear of it; ebb-api is not there yet. */
static void adopt(struct ebbd *e)
{
	if (e->life == KEEPER_ADOPT) {
		log_info("event=adopted instances=%u", fleet_adopt(e->fleet));
		egresslink_resume(e->egress);
	}
	services_adopted(e->services);
	gateways_resume(e->gateways);
	flowlink_resume(e->flow);
}

static void on_clock_jump(void *self)
{
	struct ebbd *e = self;

	log_info("event=clock_jumped");
	fleet_clock_jumped(e->fleet);
}

static int watch_clock(struct ebbd *e, struct fault *f)
{
	int r = jumps_watch(&e->jumps, e->loop, on_clock_jump, e);

	return r < 0 ? fault_errno(f, r, "cannot watch the clock") : 0;
}

int ebbd_open_programs(struct ebbd *e, struct fault *f)
{
	struct apilink_options api = {.host = &e->host,
				      .services = e->services,
				      .images = e->images,
				      .boot_us = e->boot_us,
				      .self = e,
				      .on_ready = on_api_ready,
				      .on_upgrade = ebbd_on_upgrade};
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
					    .on_stopped = ebbd_on_gateways_stopped,
					    .on_files = on_gateway_files};
	int r = listener_owner(e->lock_fd, &gateways.listener_owner);

	api.listener_owner = gateways.listener_owner;
	if (r == 0)
		r = apilink_new(&api, &e->api, f);
	if (r == 0)
		r = ledgerlink_new(&ledger, &e->ledger, f);
	if (r == 0)
		r = open_fleet(e, f);
	if (r == 0)
		r = watch_clock(e, f);
	if (r == 0)
		r = open_gateways(e, &gateways, f);
	if (r == 0)
		r = open_ipc(e, f);
	if (r == 0)
		r = egresslink_new(&e->host, e->fleet, &e->egress, f);
	if (r == 0)
		r = ticklink_new(&e->host, &e->tick, f);
	if (r < 0)
		return r;
	gateways_attach(e->gateways, e->fleet);
	flowlink_attach(e->flow, e->fleet);
	observe(e);
	adopt(e);
	return apilink_start(e->api, e->fleet, e->gateways, e->ledger, e->egress, e->flow, f);
}

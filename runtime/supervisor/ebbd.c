// SPDX-License-Identifier: Apache-2.0
/*
 * ebbd: root, small and boring. Puts the parts together, starts the unprivileged programs, and
 * takes everything down again in order: gateways drain, instances stop, the ledger has the last
 * meters.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/base/turn.h"
#include "runtime/supervisor/peers/apilink.h"
#include "runtime/supervisor/host/config.h"
#include "runtime/supervisor/peers/ipclink.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/host/notify.h"
#include "runtime/supervisor/host/prepare.h"
#include "runtime/supervisor/programs/program_log.h"
#include "runtime/supervisor/scale/follow.h"
#include "sandbox/sandbox.h"

#define PURGE_MS 10000
/* A dead zygote is started again soon; if that fails, now and then. */
#define REVIVE_FIRST_NS (50 * NS_PER_MS)
#define REVIVE_AGAIN_NS NS_PER_SEC

struct ebbd {
	struct config config;
	uint64_t boot_us;
	char stage_dir[CONFIG_PATH_SIZE + 16], programs_dir[CONFIG_PATH_SIZE + 16];
	struct loop *loop;
	struct program_host host; /* what its programs get of it */
	struct board *board;
	int board_fd, lock_fd;
	struct cgroup_tree *tree;
	struct zygote *zygote; /* NULL between two */
	struct timer revive;   /* starts the next one */
	struct services *services;
	struct image_store *images;
	struct fleet *fleet;
	struct gateways *gateways;
	struct ledgerlink *ledger;
	struct apilink *api;
	struct ipclink *ipc;
	struct watch signals;
	struct program_log strays; /* of what ebbd starts beside its programs: unpackers, mkfs */
	bool stopping, gateways_gone, gateways_ready, api_ready, told_ready;
	uint32_t stop_signals; /* each is more impatient */
	int exit_code;
};

/* ---- what the parts tell ---- */

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

/* ---- the zygote ---- */

static int start_zygote(struct ebbd *e, char *err, size_t err_size)
{
	char init[CONFIG_PATH_SIZE + 16];
	struct sandbox_options sandbox = {
		.init_path = init,
		.policy_path = e->config.seccomp_policy,
		.id_base = (uint32_t)e->config.id_base,
		.fail_step = SANDBOX_STEP_COUNT,
		.hostname = "ebb",
	};

	(void)text_format(init, sizeof(init), "%s/ebb-init", e->config.libexec_dir);
	return zygote_start(&sandbox, &e->zygote, err, err_size);
}

/* The new one is forked from an ebbd that has grown, so it clones a little more slowly. */
static void on_revive(struct timer *t)
{
	struct ebbd *e = container_of(t, struct ebbd, revive);
	char err[512] = "", quoted[1100];
	int r = e->stopping ? -ECANCELED : start_zygote(e, err, sizeof(err));

	if (r == 0)
		r = fleet_revive(e->fleet, e->zygote);
	if (r == 0) {
		log_info("event=zygote_started");
		return;
	}
	if (e->stopping)
		return;
	zygote_stop(e->zygote);
	e->zygote = NULL;
	log_error("event=zygote_failed cause=%s",
		  log_quote(quoted, sizeof(quoted), err[0] ? err : strerror(-r)));
	fleet_cannot_start(e->fleet, err[0] ? err : strerror(-r));
	(void)loop_timer_at(e->loop, &e->revive, clock_mono_ns() + REVIVE_AGAIN_NS);
}

static void on_starts(void *self, bool can)
{
	struct ebbd *e = self;

	if (can || e->stopping)
		return;
	log_warn("event=program_died program=zygote");
	e->host.say(e->host.self, WIRE_EVENT_PROGRAM_DIED,
		    "the zygote, which makes sandboxes, ended; it is started again");
	zygote_stop(e->zygote);
	e->zygote = NULL;
	e->revive.on_due = on_revive;
	e->revive.name = "ebbd on_revive";
	(void)loop_timer_at(e->loop, &e->revive, clock_mono_ns() + REVIVE_FIRST_NS);
}

/* ---- the end ---- */

static void on_flushed(void *self, uint64_t cookie, int error)
{
	struct ebbd *e = self;

	if (cookie != LEDGER_FLUSH_OWN) {
		apilink_flushed(e->api, cookie, error);
		return;
	}
	must(e->stopping);
	if (error < 0)
		e->exit_code = 1;
	ledgerlink_stop(e->ledger);
}

static void on_ledger_stopped(void *self)
{
	struct ebbd *e = self;

	loop_stop(e->loop, 0);
}

static void on_emptied(void *self)
{
	struct ebbd *e = self;

	must(e->stopping && fleet_count(e->fleet) == 0);
	ledgerlink_flush(e->ledger, LEDGER_FLUSH_OWN);
}

static void on_gateways_stopped(void *self)
{
	struct ebbd *e = self;

	if (e->gateways_gone)
		return;
	e->gateways_gone = true;
	fleet_stop_all(e->fleet);
}

static void drain(struct ebbd *e)
{
	e->stopping = true;
	log_info("event=stopping");
	(void)notify_send("STOPPING=1");
	gateways_stop(e->gateways);
}

/* Nothing is waited for but the last meters: what was used is billed all the same. */
static void cut(struct ebbd *e)
{
	log_warn("event=stopping_now cause=\"second signal: what is open is cut\"");
	e->exit_code = 1;
	if (!e->gateways_gone)
		gateways_cut(e->gateways);
	fleet_kill_all(e->fleet);
}

static void give_up(struct ebbd *e)
{
	log_warn("event=stopping_at_once cause=\"third signal: the last meters are not waited "
		 "for\"");
	e->exit_code = 1;
	loop_stop(e->loop, 0);
}

static void stop(struct ebbd *e)
{
	static void (*const ways[])(struct ebbd * e) = {drain, cut, give_up};

	ways[e->stop_signals](e);
	if (e->stop_signals + 1 < ARRAY_LEN(ways))
		e->stop_signals++;
}

/* What the watchdog saw, as a line of the log, which tests read. */
static void say_health(const struct ebbd *e)
{
	const struct loop_health *h = loop_health(e->loop);

	log_info("event=handlers stalls=%" PRIu64 " delays=%" PRIu64 " longest_us=%" PRIu64
		 " longest_cpu_us=%" PRIu64 " handler=\"%s%s%s\"",
		 h->stalls, h->delays, h->longest_ns / NS_PER_US, h->longest_cpu_ns / NS_PER_US,
		 h->longest_name ? h->longest_name : "none", h->longest_note ? ", " : "",
		 h->longest_note ? h->longest_note : "");
}

/* SIGUSR1: facts of a running ebbd without asking the API. */
static void dump(const struct ebbd *e)
{
	log_info("event=dump instances=%u", fleet_count(e->fleet));
	say_health(e);
	for (uint32_t step = 0; e->zygote && step < SANDBOX_STEP_COUNT; step++) {
		struct sandbox_step_time t = zygote_step_time(e->zygote, step);

		if (t.count > 0)
			log_info("event=spawn_step step=%s count=%" PRIu64 " mean_us=%.1f",
				 sandbox_step_name(step), t.count,
				 (double)t.total_ns / (double)t.count / (double)NS_PER_US);
	}
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct ebbd *e = container_of(w, struct ebbd, signals);
	struct signalfd_siginfo info;

	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			log_info("event=reload text=\"listeners and limits change at a restart\"");
		else if (info.ssi_signo == SIGUSR1)
			dump(e);
		else
			stop(e);
	}
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

/* ---- the beginning: one step after the other, each with its sentence ---- */

static int open_signals(struct ebbd *e, struct fault *f)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	e->signals = (struct watch){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
				    .on_ready = on_signal,
				    .name = "ebbd on_signal"};
	return e->signals.fd < 0 ? -errno : loop_watch(e->loop, &e->signals, EPOLLIN);
}

static int open_tree_and_zygote(struct ebbd *e, struct fault *f)
{
	char err[FAULT_WHAT_SIZE] = "";
	int r = cgroup_tree_open(e->config.cgroup, &e->tree, err, sizeof(err));

	if (r < 0)
		return fault_say(f, r, "%s", err);
	r = cgroup_tree_purge(e->tree, PURGE_MS);
	if (r < 0)
		return fault_errno(f, r, "what an earlier ebbd left behind cannot be removed");
	if (r > 0)
		log_warn("event=purged leaves=%d cause=\"left by an earlier ebbd\"", r);
	(void)cgroup_own_enter(e->tree); /* if not, what it starts waits longer beside instances */
	r = start_zygote(e, err, sizeof(err));
	return r < 0 ? fault_say(f, r, "%s", err) : 0;
}

static int open_board(struct ebbd *e, struct fault *f)
{
	SCOPED_FD run_fd = open(e->config.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = run_fd < 0 ? -errno
			   : board_create(run_fd, (uint32_t)e->config.gateways, &e->board,
					  &e->board_fd);

	return r < 0 ? fault_errno(f, r, "cannot make the board in %s", e->config.run_dir) : 0;
}

static int open_images(struct ebbd *e, struct fault *f)
{
	char unpack[CONFIG_PATH_SIZE + 16], err[FAULT_WHAT_SIZE] = "";
	int r;

	(void)text_format(unpack, sizeof(unpack), "%s/ebb-unpack", e->config.libexec_dir);
	r = image_store_open(e->config.image_dir, unpack, (uint32_t)e->config.id_base, &e->images,
			     err, sizeof(err));
	return r < 0 ? fault_say(f, r, "%s", err) : 0;
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
		{.self = e, .emptied = on_emptied, .starts = on_starts},
	};

	for (size_t n = 0; n < ARRAY_LEN(observers); n++)
		fleet_observe(e->fleet, &observers[n]);
}

static int open_programs(struct ebbd *e, struct fault *f)
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
					    .on_flushed = on_flushed,
					    .on_stopped = on_ledger_stopped,
					    .on_keeping_up = on_keeping_up,
					    .on_channel = on_ledger_channel};
	struct gateways_options gateways = {.host = &e->host,
					    .board = e->board,
					    .board_fd = e->board_fd,
					    .services = e->services,
					    .self = e,
					    .on_ready = on_gateways_ready,
					    .on_stopped = on_gateways_stopped};
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
	if (r < 0)
		return r;
	gateways_attach(e->gateways, e->fleet);
	observe(e);
	return apilink_start(e->api, e->fleet, e->gateways, e->ledger, f);
}

/* Makes events of the faults of ebbd itself and of its programs. */
static void notice(void *self, uint32_t kind, const char *text)
{
	struct ebbd *e = self;

	if (e->api)
		apilink_notice(e->api, kind, text);
}

static void on_stall(void *self, const struct loop_stall *stall)
{
	char text[256];

	(void)text_format(text, sizeof(text),
			  "handler %s%s%s kept ebbd for %llu ms and used %llu ms of CPU",
			  stall->name, stall->note ? ", " : "", stall->note ? stall->note : "",
			  (unsigned long long)(stall->took_ns / NS_PER_MS),
			  (unsigned long long)(stall->used_ns / NS_PER_MS));
	log_warn("event=loop_stalled text=\"%s\"", text);
	notice(self, WIRE_EVENT_LOOP_STALLED, text);
}

/* Its turns on a CPU are short from here on, and so are those of the programs it starts. */
static int open_loop(struct ebbd *e, struct fault *f)
{
	int r = turn_set(TURN_OF_EBB_US);

	if (r == 0)
		r = loop_new(&e->loop);
	if (r == 0)
		r = services_new(&e->services);
	if (r == 0)
		loop_on_stall(e->loop, on_stall, e);
	e->host = (struct program_host){.loop = e->loop,
					.config = &e->config,
					.stage_dir = e->stage_dir,
					.self = e,
					.say = notice};
	if (r < 0)
		(void)fault_errno(f, r, "cannot start");
	return r;
}

static int raise_limits(struct ebbd *e, struct fault *f)
{
	return host_raise_limits(&e->config);
}

/* Each directory with its mode and owner. */
static int make_directories(struct ebbd *e, struct fault *f)
{
	const struct config *c = &e->config;
	const uid_t base = (uid_t)c->id_base;
	const struct host_directory dirs[] = {
		{c->run_dir, 0755, 0},
		{c->state_dir, 0700, base + UID_API},
		{c->log_dir, 0700, base + UID_API},
		{c->ledger_dir, 0700, base + UID_LEDGER},
		{c->image_dir, 0700, 0},
		{e->stage_dir, 0700, 0},
		{e->programs_dir, 0700, 0},
	};

	return host_make_directories(dirs, ARRAY_LEN(dirs), f);
}

static int take_lock(struct ebbd *e, struct fault *f)
{
	return host_take_lock(e->config.run_dir, &e->lock_fd, f);
}

static int make_mounts_private(struct ebbd *e, struct fault *f)
{
	return host_make_mounts_private(f);
}

static int keep_programs(struct ebbd *e, struct fault *f)
{
	return host_keep_programs(&e->config, e->programs_dir, f);
}

static int hide_log(struct ebbd *e, struct fault *f)
{
	return program_log_hide_ours(&e->strays, e->loop);
}

/* The zygote is forked early, while this process is still small. */
static int (*const opening[])(struct ebbd *e, struct fault *f) = {
	open_loop,           hide_log,      raise_limits,         make_directories, take_lock,
	make_mounts_private, keep_programs, open_tree_and_zygote, open_signals,     open_board,
	open_images,         open_programs,
};

static void close_all(struct ebbd *e)
{
	apilink_free(e->api);
	gateways_free(e->gateways);
	ipclink_free(e->ipc); /* while the fleet is there to be told */
	fleet_free(e->fleet);
	ledgerlink_free(e->ledger);
	image_store_close(e->images);
	if (e->loop)
		loop_timer_off(e->loop, &e->revive);
	zygote_stop(e->zygote);
	if (e->tree) {
		(void)cgroup_tree_purge(e->tree, PURGE_MS);
		cgroup_tree_remove(e->tree);
		cgroup_tree_close(e->tree);
	}
	board_close(e->board);
	services_free(e->services);
	fd_close(&e->signals.fd);
	fd_close(&e->board_fd);
	fd_close(&e->lock_fd);
	program_log_end(&e->strays);
	loop_free(e->loop);
}

int main(int argc, char **argv)
{
	static struct ebbd e = {.board_fd = -1,
				.lock_fd = -1,
				.signals = {.fd = -1},
				.strays = {.watch = {.fd = -1}}};
	char err[1024] = "", text[FAULT_TEXT_SIZE], quoted[2200];
	struct fault fault = {0};
	int r = config_load(argc, argv, &e.config, err, sizeof(err));

	if (r == 1)
		return 0;
	if (r < 0) {
		fprintf(stderr, "ebbd: %s\n", err);
		return 2;
	}
	if (e.config.print_only) {
		config_print(&e.config);
		return 0;
	}
	log_init("ebbd", (enum log_level)log_level_parse(e.config.log_level));
	e.boot_us = clock_real_us();
	(void)text_format(e.stage_dir, sizeof(e.stage_dir), "%s/stage", e.config.run_dir);
	(void)text_format(e.programs_dir, sizeof(e.programs_dir), "%s/programs", e.config.run_dir);
	r = host_open_stdin();
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(opening); i++)
		r = opening[i](&e, &fault);
	if (r == 0) {
		r = loop_run(e.loop);
		say_health(&e);
	}
	if (r < 0) {
		log_error("event=failed cause=%s",
			  log_quote(quoted, sizeof(quoted),
				    fault.err ? fault_text(&fault, text) : strerror(-r)));
		e.exit_code = 1;
	}
	close_all(&e);
	log_info("event=stopped code=%d", e.exit_code);
	return e.exit_code;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * ebbd: root, small and boring. Puts the parts together, starts the unprivileged programs, and
 * takes everything down again in order. It is the child of a keeper (host/keeper.h), and takes over
 * from an ebbd that died.
 */
#include "runtime/supervisor/ebbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/prepare.h"

/* The beginning, step by step. Steps before ebbd_begin are taken once, by the keeper, and every
 * ebbd has their results. Mounts that an ebbd makes end with it. The zygote is forked early, while
 * ebbd is still small. */
static int (*const opening[])(struct ebbd *e, struct fault *f) = {
	ebbd_move_log,      ebbd_raise_limits,        ebbd_make_directories,
	ebbd_take_lock,     ebbd_make_mounts_private, ebbd_keep_programs,
	ebbd_open_tree,     ebbd_found_heritage,      ebbd_begin,
	ebbd_take_heritage, ebbd_make_mounts_private, ebbd_open_loop,
	ebbd_hide_log,      ebbd_open_zygote,         ebbd_open_signals,
	ebbd_open_board,    ebbd_open_images,         ebbd_open_programs,
};

/* The rest of the work when the loop has ended, or a step has failed. */
static void close_all(struct ebbd *e)
{
	apilink_free(e->api);
	gateways_free(e->gateways);
	ipclink_free(e->ipc); /* while the fleet is there to be told */
	fleet_free(e->fleet);
	ticklink_free(e->tick);
	egresslink_free(e->egress); /* behind the fleet, which drops its wires */
	ledgerlink_free(e->ledger);
	flowlink_free(e->flow);
	image_store_close(e->images);
	ebbd_end_zygote(e);
	if (e->tree) {
		(void)cgroup_tree_purge(e->tree, PURGE_MS);
		cgroup_tree_remove(e->tree);
		cgroup_tree_close(e->tree);
	}
	board_close(e->board);
	services_free(e->services);
	fd_close(&e->signals.fd);
	fd_close(&e->jumps.watch.fd);
	fd_close(&e->board_fd);
	fd_close(&e->lock_fd);
	program_log_end(&e->strays);
	loop_free(e->loop);
	heritage_free(&e->heritage);
}

/* Opens everything, in order, and runs until somebody stops the loop. 0 or -errno. */
static int run(struct ebbd *e, struct fault *f)
{
	int r = host_open_stdin();

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(opening); i++)
		r = opening[i](e, f);
	if (r < 0)
		return r;
	r = loop_run(e->loop);
	ebbd_say_health(e);
	return r;
}

/* One that goes on after another one failed has no place of its own any more. */
static void find_binary(struct ebbd *e)
{
	const char *place = getenv(HERITAGE_PLACE);

	if (place && text_copy(e->binary, sizeof(e->binary), place) == 0)
		(void)unsetenv(HERITAGE_PLACE);
	else if (readlink("/proc/self/exe", e->binary, sizeof(e->binary) - 1) < 0)
		log_warn("event=no_upgrades cause=\"/proc/self/exe: %s\"", strerror(errno));
}

static int serve(struct ebbd *e)
{
	char text[FAULT_TEXT_SIZE], quoted[2200];
	struct fault fault = {0};
	int r;

	log_init("ebbd", (enum log_level)log_level_parse(e->config.log_level));
	find_binary(e);
	(void)text_format(e->stage_dir, sizeof(e->stage_dir), "%s/stage", e->config.run_dir);
	for (size_t n = 0; n < ARRAY_LEN(e->programs_dirs); n++)
		(void)text_format(e->programs_dirs[n], sizeof(e->programs_dirs[n]), "%s/programs%s",
				  e->config.run_dir, n ? "-1" : "");
	r = run(e, &fault);
	if (r < 0) {
		log_error("event=failed cause=%s",
			  log_quote(quoted, sizeof(quoted),
				    fault.err ? fault_text(&fault, text) : strerror(-r)));
		e->exit_code = 1;
		if (e->heritage.follows && e->keeper == getpid())
			ebbd_go_back(e);
		if (e->life == KEEPER_ADOPT) /* the next one takes over what this one could not */
			_exit(e->exit_code);
	}
	close_all(e);
	log_info("event=stopped code=%d", e->exit_code);
	return e->exit_code;
}

int main(int argc, char **argv)
{
	static struct ebbd e = {.board_fd = -1,
				.lock_fd = -1,
				.signals = {.fd = -1},
				.jumps = {.watch = {.fd = -1}},
				.strays = {.watch = {.fd = -1}}};
	char text[FAULT_TEXT_SIZE];
	struct fault fault = {0};
	int r;

	if (argc == 2 && strcmp(argv[1], HERITAGE_QUESTION) == 0)
		return heritage_can_follow();
	e.keeper = getpid();
	r = heritage_new(&e.heritage);
	if (r < 0) {
		heritage_go_back_blind(argv);
		log_init("ebbd", LOG_INFO_LEVEL);
		log_error("event=failed cause=\"no memory for what outlives ebbd: %s\"",
			  strerror(-r));
		return 1;
	}
	if (e.heritage.follows)
		reload_follow(&e.reload, argc, argv, e.heritage.estate, &e.config);
	else
		r = reload_first(&e.reload, argc, argv, e.heritage.estate, &e.config, &fault);
	if (r < 0) {
		fprintf(stderr, "ebbd: %s\n", fault_text(&fault, text));
		return 2;
	}
	if (r == 1)
		return 0;
	if (e.config.print_only) {
		config_print(&e.config);
		return 0;
	}
	return serve(&e);
}

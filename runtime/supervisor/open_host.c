// SPDX-License-Identifier: Apache-2.0
/* The ground of ebbd itself: its loop, its limits, its directories, its mounts. */
#include "runtime/supervisor/ebbd.h"

#include "cgroups/cgroup.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/base/turn.h"
#include "runtime/supervisor/host/prepare.h"

static void on_stall(void *self, const struct loop_stall *stall)
{
	char text[256];

	(void)text_format(text, sizeof(text),
			  "handler %s%s%s kept ebbd for %llu ms and used %llu ms of CPU",
			  stall->name, stall->note ? ", " : "", stall->note ? stall->note : "",
			  (unsigned long long)(stall->took_ns / NS_PER_MS),
			  (unsigned long long)(stall->used_ns / NS_PER_MS));
	log_warn("event=loop_stalled text=\"%s\"", text);
	ebbd_notice(self, WIRE_EVENT_LOOP_STALLED, text);
}

/* Its turns on a CPU are short from here on, and so are those of the programs it starts. */
int ebbd_open_loop(struct ebbd *e, struct fault *f)
{
	int r = turn_set(TURN_OF_EBB_US);

	if (r == 0)
		r = loop_new(&e->loop);
	if (r == 0)
		r = services_new(e->heritage.estate, &e->services);
	if (r == 0)
		loop_on_stall(e->loop, on_stall, e);
	e->host = (struct program_host){.loop = e->loop,
					.config = &e->config,
					.inherited = &e->reload.inherited,
					.estate = e->heritage.estate,
					.stage_dir = e->stage_dir,
					.self = e,
					.say = ebbd_notice};
	if (r < 0)
		(void)fault_errno(f, r, "cannot start");
	return r;
}

int ebbd_move_log(struct ebbd *e, struct fault *f)
{
	struct estate_words *words = estate_words(e->heritage.estate);
	int fd = atomic_load(&words->log_fd), r;

	r = e->heritage.follows ? program_log_keep_ours(fd) : program_log_move_ours(&fd);
	atomic_store(&words->log_fd, fd);
	return r < 0 ? fault_errno(f, r, "cannot move the log") : 0;
}

/* All that stands here, every ebbd of this keeper finds, and those of the next binary. */
int ebbd_found_heritage(struct ebbd *e, struct fault *f)
{
	struct estate_words *words = estate_words(e->heritage.estate);
	int r = heritage_found(&e->heritage);

	if (!e->heritage.follows)
		atomic_store(&words->boot_us, clock_real_us());
	e->boot_us = atomic_load(&words->boot_us);
	atomic_store(&words->lock_fd, e->lock_fd);
	reload_note(&e->reload);
	return r < 0 ? fault_errno(f, r, "no memory for what outlives ebbd") : 0;
}

/* Outside of its own cgroup the next binary finds the base as a start does. */
static int become_next(void *self)
{
	struct ebbd *e = self;
	int r;

	(void)cgroup_own_step_out(e->tree);
	r = heritage_become(&e->heritage, e->reload.argv);
	(void)cgroup_own_enter(e->tree);
	return r;
}

static int go_back(void *self, uint32_t fault)
{
	struct ebbd *e = self;
	int r;

	if (e->tree)
		(void)cgroup_own_step_out(e->tree);
	r = heritage_go_back(&e->heritage, e->binary, e->reload.argv, (enum upgrade_fault)fault);
	if (e->tree)
		(void)cgroup_own_enter(e->tree);
	return r;
}

void ebbd_go_back(struct ebbd *e)
{
	(void)go_back(e, UPGRADE_NOT_BEGUN);
}

int ebbd_begin(struct ebbd *e, struct fault *f)
{
	const struct keeper_options options = {.estate = e->heritage.estate,
					       .follows = e->heritage.follows,
					       .self = e,
					       .become_next = become_next,
					       .go_back = go_back};
	int r = keeper_begin(&options, &e->life);

	if (r == 0)
		r = estate_hide(e->heritage.estate);
	return r < 0 ? fault_errno(f, r, "the keeper cannot begin") : 0;
}

int ebbd_hide_log(struct ebbd *e, struct fault *f)
{
	int r = program_log_hide_ours(&e->strays, e->loop);

	return r < 0 ? fault_errno(f, r, "cannot keep the log from programs") : 0;
}

int ebbd_raise_limits(struct ebbd *e, struct fault *f)
{
	int r = host_leave_no_core();

	if (r == 0)
		r = host_raise_limits(&e->config);
	return r < 0 ? fault_errno(f, r, "cannot raise the limit of open files") : 0;
}

/* Each directory with its mode and owner. */
int ebbd_make_directories(struct ebbd *e, struct fault *f)
{
	const struct config *c = &e->config;
	const uid_t base = (uid_t)c->id_base;
	const struct host_directory dirs[] = {
		{c->run_dir, 0755, 0},
		{c->state_dir, 0700, base + UID_API},
		{c->log_dir, 0700, base + UID_API},
		{c->ledger_dir, 0700, base + UID_LEDGER},
		{c->flow_dir, 0700, base + UID_FLOW},
		{c->image_dir, 0700, 0},
		{e->stage_dir, 0700, 0},
		{e->programs_dirs[0], 0700, 0},
		{e->programs_dirs[1], 0700, 0},
	};

	return host_make_directories(dirs, ARRAY_LEN(dirs), f);
}

int ebbd_take_lock(struct ebbd *e, struct fault *f)
{
	if (e->heritage.follows) { /* an exec keeps it */
		e->lock_fd = atomic_load(&estate_words(e->heritage.estate)->lock_fd);
		return 0;
	}
	return host_take_lock(e->config.run_dir, &e->lock_fd, f);
}

int ebbd_make_mounts_private(struct ebbd *e, struct fault *f)
{
	return host_make_mounts_private(f);
}

/* Of two directories one has the programs of the binary that runs, and the other those of the
 * binary before, which goes on with them if this one cannot. */
int ebbd_keep_programs(struct ebbd *e, struct fault *f)
{
	struct estate_words *words = estate_words(e->heritage.estate);
	uint32_t at = atomic_load(&words->programs_at);
	int r;

	if (e->heritage.returns)
		return text_copy(e->config.libexec_dir, sizeof(e->config.libexec_dir),
				 e->programs_dirs[at]);
	if (e->heritage.follows) {
		at = !at;
		host_forget_programs(e->programs_dirs[at]);
	}
	r = host_keep_programs(&e->config, e->programs_dirs[at], f);
	if (r == 0)
		atomic_store(&words->programs_at, at);
	return r;
}

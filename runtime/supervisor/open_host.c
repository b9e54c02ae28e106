// SPDX-License-Identifier: Apache-2.0
/* The ground of ebbd itself: its loop, its limits, its directories, its mounts. */
#include "runtime/supervisor/ebbd.h"

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
		r = services_new(&e->services);
	if (r == 0)
		loop_on_stall(e->loop, on_stall, e);
	e->host = (struct program_host){.loop = e->loop,
					.config = &e->config,
					.inherited = &e->reload.inherited,
					.stage_dir = e->stage_dir,
					.self = e,
					.say = ebbd_notice};
	if (r < 0)
		(void)fault_errno(f, r, "cannot start");
	return r;
}

int ebbd_hide_log(struct ebbd *e, struct fault *f)
{
	int r = program_log_hide_ours(&e->strays, e->loop);

	return r < 0 ? fault_errno(f, r, "cannot keep the log from programs") : 0;
}

int ebbd_raise_limits(struct ebbd *e, struct fault *f)
{
	int r = host_raise_limits(&e->config);

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
		{c->image_dir, 0700, 0},
		{e->stage_dir, 0700, 0},
		{e->programs_dir, 0700, 0},
	};

	return host_make_directories(dirs, ARRAY_LEN(dirs), f);
}

int ebbd_take_lock(struct ebbd *e, struct fault *f)
{
	return host_take_lock(e->config.run_dir, &e->lock_fd, f);
}

int ebbd_make_mounts_private(struct ebbd *e, struct fault *f)
{
	return host_make_mounts_private(f);
}

int ebbd_keep_programs(struct ebbd *e, struct fault *f)
{
	return host_keep_programs(&e->config, e->programs_dir, f);
}

// SPDX-License-Identifier: Apache-2.0
/* ebb-tick: makes the kernel look more often at who wants a CPU. Started by ebbd, never by hand. */
#include <errno.h>

#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/loop.h"
#include "runtime/base/mem.h"
#include "runtime/base/program.h"
#include "runtime/tick/beat.h"
#include "runtime/wire/link.h"
#include "runtime/wire/records.h"

FILTER_EMBED(policy, "runtime/tick/seccomp.policy");

struct server {
	struct loop *loop;
	struct wire_link control;
	struct beat *beat;
	uint32_t cpus;
	struct program program;
};

static int on_set(void *self, struct wire_message *m)
{
	struct server *server = self;
	const struct wire_tick_set *set = (const void *)m->record;

	if (set->period_us && (set->period_us < TICK_LEAST_US || set->period_us > TICK_MOST_US))
		return -EPROTO;
	log_debug("event=ticks period_us=%u", set->period_us);
	beat_every(server->beat, set->period_us);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_TICK_SET, sizeof(struct wire_tick_set), 1, 0, 0, on_set},
};

static void on_lost(struct wire_link *link, int err)
{
	struct server *server = link->self;

	loop_stop(server->loop, err);
}

static int confine_thread(void *self)
{
	const struct server *server = self;

	return program_confine(&server->program);
}

static int open_all(void *self, const char **step)
{
	struct server *server = self;
	int r = loop_new(&server->loop);

	*step = "open the channel";
	if (r == 0)
		r = wire_link_open(&server->control, server->loop, TICK_CONTROL_FD);
	if (r < 0)
		return r;
	*step = "start a thread on each CPU";
	return beat_start(confine_thread, server, &server->beat, &server->cpus);
}

/* Until ebbd is gone. The kernel takes back what is open. */
static int run(void *self)
{
	struct server *server = self;
	const struct wire_tick_ready ready = {.cpus = server->cpus};
	int r = wire_link_send(&server->control, WIRE_TICK_READY, &ready, sizeof(ready), NULL, 0);

	return r < 0 ? r : loop_run(server->loop);
}

int main(int argc, char **argv)
{
	struct server server = {.control = {.name = "ebbd",
					    .rules = rules,
					    .rule_count = ARRAY_LEN(rules),
					    .phase = 1,
					    .lost = on_lost},
				.program = {.name = "ebb-tick",
					    .policy = policy_start,
					    .policy_end = policy_end,
					    .open = open_all,
					    .run = run}};

	server.control.self = server.program.self = &server;
	return program_main(&server.program, argc, argv);
}

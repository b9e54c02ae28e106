// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/ticklink.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/base/mem.h"
#include "runtime/wire/records.h"

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

struct ticklink {
	struct daemon daemon;
	bool on;    /* ticks are wanted */
	bool ready; /* it can tick */
};

static void say(struct ticklink *l)
{
	const struct wire_tick_set set = {
		.period_us = l->on ? (uint32_t)l->daemon.host->config->tick_us : 0};

	if (l->ready && daemon_talks(&l->daemon))
		daemon_send(&l->daemon, WIRE_TICK_SET, &set, sizeof(set), NULL, 0);
}

static void on_started(struct daemon *d)
{
	d->link.phase = PHASE_STARTING;
}

static void on_ended(struct daemon *d)
{
	struct ticklink *l = d->self;

	l->ready = false;
}

static int on_ready(void *self, struct wire_message *m)
{
	struct ticklink *l = self;

	(void)m;
	l->daemon.link.phase = PHASE_SERVING;
	l->ready = true;
	if (l->on)
		say(l);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_TICK_READY, sizeof(struct wire_tick_ready), PHASE_STARTING, 0, 0, on_ready},
};

static const struct program program = {.file = "ebb-tick",
				       .uid = UID_TICK,
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .on_started = on_started,
				       .on_ended = on_ended};

int ticklink_new(const struct program_host *host, struct ticklink **out, struct fault *f)
{
	struct ticklink *l;
	int r;

	if (host->config->tick_us == 0)
		return 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return fault_errno(f, -ENOMEM, "cannot start ebb-tick");
	l->daemon.self = l;
	r = daemon_start(&l->daemon, &program, host, f);
	if (r < 0) {
		ticklink_free(l);
		return r;
	}
	*out = l;
	return 0;
}

void ticklink_free(struct ticklink *l)
{
	if (!l)
		return;
	daemon_kill(&l->daemon);
	free(l);
}

static void on_mixed(void *self, bool on)
{
	struct ticklink *l = self;

	if (!l)
		return;
	l->on = on;
	say(l);
}

struct observer ticklink_observer(struct ticklink *l)
{
	return (struct observer){.self = l, .mixed = on_mixed};
}

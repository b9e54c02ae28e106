// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/wires.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "netns/netns.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/freeze/quiet.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/start.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/instance/wire.h"
#include "runtime/supervisor/scale/evict.h"
#include "runtime/supervisor/scale/load.h"
#include "runtime/supervisor/scale/scale.h"

static int wire(void *self, uint32_t range, int net_ns_fd)
{
	struct fleet *f = self;

	return wire_sandbox(&f->ground, range, net_ns_fd);
}

static void unwire(void *self, uint32_t range)
{
	struct fleet *f = self;

	unwire_sandbox(&f->ground, range);
}

static void on_armed(void *self)
{
	start_waiting(self);
}

static void give_up(struct fleet *f, struct instance *i, const char *why)
{
	struct service *service = services_at(f->ground.services, i->service);

	if (i->ahead && service)
		service->demand.unpreparable = true; /* the first request will say why */
	(void)text_format(i->fault, sizeof(i->fault), "no sandbox: %s", why);
	stop_kill(i, WIRE_DOWN_FAILED_TO_START, NULL);
}

static void on_arm_failed(void *self, enum armory_kind kind, const char *why)
{
	struct fleet *f = self;
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		if (i->state == INSTANCE_WAITING && i->armed.pid == 0 && instance_kind(i) == kind)
			give_up(f, i, why);
	}
}

/* A prepared instance was parked, and has ended with the zygote. A start that waits for a sandbox
 * waits for the next zygote. */
static void on_zygote_lost(void *self)
{
	struct fleet *f = self;
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		if (i->state == INSTANCE_PREPARED ||
		    (i->state == INSTANCE_WAITING && i->armed.pid > 0))
			stop_drain(i);
	}
	tell_starts(&f->ground, false);
}

int fleet_revive(struct fleet *f, struct zygote *zygote)
{
	int r = armory_revive(f->ground.armory, zygote);

	if (r < 0)
		return r;
	f->options.zygote = zygote;
	tell_starts(&f->ground, true);
	start_waiting(&f->ground);
	scale_again_at(f, loop_now_ns(f->ground.loop));
	return 0;
}

void fleet_cannot_start(struct fleet *f, const char *why)
{
	for (enum armory_kind kind = 0; kind < ARMORY_KINDS; kind++)
		on_arm_failed(f, kind, why);
}

static void lay_ground(struct ground *g, const struct fleet_options *options)
{
	g->loop = options->loop;
	g->board = options->board;
	g->estate = options->estate;
	g->tree = options->tree;
	g->services = options->services;
	g->followers = options->followers;
	g->stage_dir = options->stage_dir;
	g->nofile_max = options->nofile_max;
	g->gateway_count = options->gateway_count;
	g->boot_us = options->boot_us;
	chain_init(&g->instances);
}

int fleet_new(const struct fleet_options *options, struct fleet **out)
{
	struct fleet *f = calloc(1, sizeof(*f));
	struct armory_options armory = {
		.loop = options->loop,
		.zygote = options->zygote,
		.tree = options->tree,
		.made = &estate_words(options->estate)->sandboxes,
		.keep = options->armed,
		.self = f,
		.on_armed = on_armed,
		.on_failed = on_arm_failed,
		.on_lost = on_zygote_lost,
		.wire = wire,
		.unwire = unwire,
	};
	int r;

	if (!f)
		return -ENOMEM;
	f->options = *options;
	lay_ground(&f->ground, options);
	f->rescale.on_due = scale_on_due;
	f->rescale.name = "scale scale_on_due";
	f->pass.on_due = scale_on_pass;
	f->pass.name = "scale scale_on_pass";
	f->host_cpu_milli = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) * 1000;
	f->ground.home_ns_fd = netns_own();
	r = f->ground.home_ns_fd < 0 ? f->ground.home_ns_fd
				     : armory_new(&armory, &f->ground.armory);
	if (r < 0) {
		fd_close(&f->ground.home_ns_fd);
		free(f);
		return r;
	}
	armory_want(f->ground.armory, (const uint32_t[ARMORY_KINDS]){0});
	evict_watch(f);
	*out = f;
	return 0;
}

void fleet_limit(struct fleet *f, const struct fleet_limits *limits)
{
	f->options.armed = limits->armed;
	f->options.instances_max = limits->instances_max;
	f->ground.nofile_max = limits->nofile_max;
	f->options.drain_ms = limits->drain_ms;
	f->options.memory_max_bytes = limits->memory_max_bytes;
	f->options.memory_reserve_bytes = limits->memory_reserve_bytes;
	armory_keep(f->ground.armory, limits->armed);
	scale_again_at(f, loop_now_ns(f->options.loop));
}

void fleet_observe(struct fleet *f, const struct observer *observer)
{
	must(f->ground.observer_count < OBSERVERS_MAX);
	f->ground.observers[f->ground.observer_count++] = *observer;
}

/* Its meters and looks end, and it is freed. */
static void end_instance(struct instance *i)
{
	load_end(i);
	meter_end(i);
	quiet_forget(i);
	instance_free(i);
}

void fleet_forget(struct instance *i)
{
	struct fleet *f = fleet_of(i);

	must(i->state == INSTANCE_GONE);
	end_instance(i);
	if (f->draining && f->ground.count == 0)
		tell_drained(&f->ground);
	if (f->stopping && f->ground.count == 0)
		tell_emptied(&f->ground);
	else /* minInstances may want another */
		scale_again_at(f, loop_now_ns(f->ground.loop));
}

void fleet_free(struct fleet *f)
{
	struct instance *i;

	if (!f)
		return;
	chain_each(i, &f->ground.instances, in_ground) {
		if (i->cgroup.dir_fd >= 0)
			(void)cgroup_kill(&i->cgroup);
		end_instance(i);
	}
	must(f->ground.count == 0);
	loop_timer_off(f->ground.loop, &f->rescale);
	loop_timer_off(f->ground.loop, &f->pass);
	evict_watch_end(f);
	fleet_watch_network_end(f);
	armory_free(f->ground.armory);
	fd_close(&f->ground.home_ns_fd);
	free(f);
}

void fleet_each(struct fleet *f, void (*fn)(void *ctx, struct instance *i), void *ctx)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		fn(ctx, i);
}

struct instance *fleet_find(struct fleet *f, uint32_t slot, uint32_t generation)
{
	return instance_find(&f->ground, slot, generation);
}

struct instance *fleet_at(struct fleet *f, uint32_t slot)
{
	return slot < INSTANCES_MAX ? f->ground.slots[slot] : NULL;
}

uint32_t fleet_count(const struct fleet *f)
{
	return f->ground.count;
}

void fleet_drain(struct fleet *f, uint32_t service, const struct spec *except, bool also_up)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		if (i->service == service && i->spec != except && (also_up || !instance_is_up(i)))
			stop_drain(i);
	}
}

void fleet_stop_all(struct fleet *f)
{
	struct instance *i;

	must(!f->stopping);
	f->stopping = true;
	if (f->ground.count == 0)
		tell_emptied(&f->ground);
	chain_each(i, &f->ground.instances, in_ground) {
		bool up = instance_is_up(i) || i->state == INSTANCE_DRAINING;
		bool held = up && board_holds(board_load(f->ground.board, i->slot)) > 0;
		uint64_t until_ns = loop_now_ns(f->ground.loop);

		if (held)
			until_ns += f->options.drain_ms * NS_PER_MS;
		stop_drain(i); /* frees one that never had a sandbox */
		if (up && i->deadline_ns > until_ns)
			i->deadline_ns = until_ns; /* its own timer ends it then */
	}
}

void fleet_kill_all(struct fleet *f)
{
	struct instance *i;

	must(f->stopping);
	chain_each(i, &f->ground.instances, in_ground) {
		if (i->state >= INSTANCE_DYING)
			continue;
		i->stop_wanted = true;
		stop_kill(i, WIRE_DOWN_STOPPED, "killed: ebbd was told twice to stop");
	}
}

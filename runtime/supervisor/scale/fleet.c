// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/scale/fleet.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns/netns.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/instance.h"

/* The life of an instance. A cell that is absent (0 = WAITING is never a target) is a bug. */
static const uint8_t next_state[INSTANCE_STATE_COUNT][INSTANCE_EVENT_COUNT] = {
	[INSTANCE_WAITING] = {[INSTANCE_PREPARE] = INSTANCE_PREPARED,
			      [INSTANCE_CLAIM] = INSTANCE_STARTING,
			      [INSTANCE_DEATH] = INSTANCE_GONE},
	[INSTANCE_PREPARED] =
		{[INSTANCE_CLAIM] = INSTANCE_STARTING, [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_STARTING] = {[INSTANCE_READY] = INSTANCE_RUNNING,
			       [INSTANCE_TERMINATE] = INSTANCE_STOPPING,
			       [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_RUNNING] = {[INSTANCE_ASK_FREEZE] = INSTANCE_FREEZING,
			      [INSTANCE_DRAIN] = INSTANCE_DRAINING,
			      [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_FREEZING] = {[INSTANCE_SEEN_FROZEN] = INSTANCE_FROZEN,
			       [INSTANCE_THAW] = INSTANCE_RUNNING,
			       [INSTANCE_DRAIN] = INSTANCE_DRAINING,
			       [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_FROZEN] = {[INSTANCE_THAW] = INSTANCE_RUNNING,
			     [INSTANCE_DRAIN] = INSTANCE_DRAINING,
			     [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_DRAINING] =
		{[INSTANCE_TERMINATE] = INSTANCE_STOPPING, [INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_STOPPING] = {[INSTANCE_DEATH] = INSTANCE_DYING},
	[INSTANCE_DYING] = {[INSTANCE_EMPTY] = INSTANCE_GONE},
};

void instance_move(struct instance *i, enum instance_event event)
{
	enum instance_state next = next_state[i->state][event];

	must(next != INSTANCE_WAITING);
	loop_timer_off(i->fleet->options.loop, &i->timer);
	i->state = next;
	i->state_since_ns = loop_now_ns(i->fleet->options.loop);
}

void instance_say(struct instance *i, uint32_t event_kind, const char *fmt, ...)
{
	struct fleet_hooks *hooks = &i->fleet->options.hooks;
	struct wire_event record = {
		.when_us = clock_real_us(), .kind = event_kind, .unready = !i->was_ready};
	va_list ap;

	(void)text_copy(record.service, sizeof(record.service), i->spec->put.name);
	(void)text_copy(record.instance, sizeof(record.instance), i->id);
	va_start(ap, fmt);
	vsnprintf(record.text, sizeof(record.text), fmt, ap);
	va_end(ap);
	hooks->event(hooks->self, &record);
}

void service_say(struct fleet *f, const struct service *service, uint32_t event_kind,
		 const char *fmt, ...)
{
	struct wire_event record = {.when_us = clock_real_us(), .kind = event_kind};
	va_list ap;

	(void)text_copy(record.service, sizeof(record.service), service->name);
	va_start(ap, fmt);
	vsnprintf(record.text, sizeof(record.text), fmt, ap);
	va_end(ap);
	f->options.hooks.event(f->options.hooks.self, &record);
}

void fleet_say(struct fleet *f, uint32_t index, uint32_t event_kind, const char *text)
{
	struct service *service = services_at(f->options.services, index);

	if (service)
		service_say(f, service, event_kind, "%s", text);
}

struct instance *fleet_instance(struct fleet *f, uint32_t slot, uint32_t generation)
{
	struct instance *i = slot < INSTANCES_MAX ? f->slots[slot] : NULL;

	return i && i->generation == generation ? i : NULL;
}

#define QUEUED_MOST (1u << 20)

/* ---- the fleet ---- */

static void on_armed(void *self)
{
	fleet_claim_waiting(self);
}

static void give_up(struct fleet *f, struct instance *i, const char *why)
{
	struct service *service = services_at(f->options.services, i->service);

	if (i->ahead && service)
		service->unpreparable = true; /* the first request will say why */
	(void)text_format(i->fault, sizeof(i->fault), "no sandbox: %s", why);
	stop_kill(i, WIRE_DOWN_FAILED_TO_START, NULL);
}

static void on_arm_failed(void *self, enum armory_kind kind, const char *why)
{
	struct fleet *f = self;
	struct instance *next;

	for (struct instance *i = f->first; i; i = next) {
		next = i->next;
		if (i->state == INSTANCE_WAITING && instance_kind(i) == kind)
			give_up(f, i, why);
	}
}

static void on_zygote_lost(void *self)
{
	for (enum armory_kind kind = 0; kind < ARMORY_KINDS; kind++)
		on_arm_failed(self, kind, "the zygote died; restart ebbd");
}

int fleet_new(const struct fleet_options *options, struct fleet **out)
{
	struct fleet *f = calloc(1, sizeof(*f));
	struct armory_options armory = {
		.loop = options->loop,
		.zygote = options->zygote,
		.tree = options->tree,
		.keep = options->armed,
		.self = f,
		.on_armed = on_armed,
		.on_failed = on_arm_failed,
		.on_lost = on_zygote_lost,
	};
	int r;

	if (!f)
		return -ENOMEM;
	f->options = *options;
	f->rescale.on_due = fleet_on_rescale;
	f->rescale.name = "fleet fleet_on_rescale";
	f->host_cpu_milli = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) * 1000;
	f->home_ns_fd = netns_own();
	r = f->home_ns_fd < 0 ? f->home_ns_fd : armory_new(&armory, &f->armory);
	if (r < 0) {
		fd_close(&f->home_ns_fd);
		free(f);
		return r;
	}
	armory_want(f->armory, (const uint32_t[ARMORY_KINDS]){0});
	evict_watch(f);
	*out = f;
	return 0;
}

void fleet_free(struct fleet *f)
{
	if (!f)
		return;
	while (f->first) {
		struct instance *i = f->first;

		if (i->cgroup.dir_fd >= 0)
			(void)cgroup_kill(&i->cgroup);
		fleet_forget(i);
	}
	loop_timer_off(f->options.loop, &f->rescale);
	evict_watch_end(f);
	armory_free(f->armory);
	fd_close(&f->home_ns_fd);
	free(f);
}

static void unlink_instance(struct fleet *f, struct instance *i)
{
	struct instance **at = &f->first;

	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	f->slots[i->slot] = NULL;
	f->count--;
}

void fleet_forget(struct instance *i)
{
	struct fleet *f = i->fleet;
	struct loop *loop = f->options.loop;
	bool had_sandbox = i->armed.pid > 0;

	loop_timer_off(loop, &i->timer);
	load_end(i);
	meter_end(i);
	loop_unwatch(loop, &i->control);
	loop_unwatch(loop, &i->death);
	probe_off(i);
	unlink_instance(f, i);
	/* Tickets may still be open on the slot; it is reused only when they came back. */
	(void)board_move(f->options.board, i->slot, ~0u, BOARD_DEAD);
	if (had_sandbox) {
		uint32_t range = i->armed.range;

		armed_fini(&i->armed);
		armory_range_free(f->armory, range);
	}
	fd_close(&i->log_fd);
	fd_close(&i->root_fd);
	quiet_end(i);
	look_notes_free(i->idle.notes);
	cgroup_fini(&i->cgroup);
	spec_unref(i->spec);
	free(i);
	if (f->stopping && f->count == 0)
		f->options.hooks.emptied(f->options.hooks.self);
	else
		fleet_rescale_at(f, loop_now_ns(loop)); /* minInstances may want another */
}

void fleet_each(struct fleet *f, void (*fn)(void *ctx, struct instance *i), void *ctx)
{
	for (struct instance *i = f->first; i; i = i->next)
		fn(ctx, i);
}

struct instance *fleet_at(struct fleet *f, uint32_t slot)
{
	return slot < INSTANCES_MAX ? f->slots[slot] : NULL;
}

uint32_t fleet_count(const struct fleet *f)
{
	return f->count;
}

/* ---- what others tell it ---- */

void fleet_need(struct fleet *f, uint32_t index, uint32_t gateway, uint32_t queued, uint32_t ups)
{
	struct service *service = services_at(f->options.services, index);

	if (!service || gateway >= GATEWAYS_MAX)
		return;
	/* Said before it heard of the last instance: it says so again if that has no room. */
	if (queued > QUEUED_MOST) /* more than a gateway can hold; and sums must not wrap */
		queued = QUEUED_MOST;
	service->queued[gateway] = ups == service->ups ? queued : 0;
	fleet_scale(f, service);
}

void fleet_drain(struct fleet *f, uint32_t service, const struct spec *except, bool also_up)
{
	struct instance *next;

	for (struct instance *i = f->first; i; i = next) {
		next = i->next;
		if (i->service == service && i->spec != except && (also_up || !instance_is_up(i)))
			stop_drain(i);
	}
}

static bool has_up(const struct fleet *f, uint32_t service)
{
	for (const struct instance *i = f->first; i; i = i->next)
		if (i->service == service && instance_is_up(i))
			return true;
	return false;
}

/* Instances of the old revision serve until one of the new accepts (probe.c drains them then): a
 * revision that cannot start takes nothing down. */
void fleet_service_changed(struct fleet *f, struct service *service)
{
	fleet_drain(f, service->index, service->spec, false);
	if (has_up(f, service->index))
		(void)instance_new(f, service, service->spec, false, "a new revision takes over");
	fleet_scale(f, service);
	fleet_rescale_at(f, loop_now_ns(f->options.loop)); /* and one ahead of need */
}

void fleet_service_gone(struct fleet *f, struct service *service)
{
	fleet_drain(f, service->index, NULL, true);
}

void fleet_doorbell(struct fleet *f)
{
	for (struct instance *i = f->first; i; i = i->next)
		freezer_look(i);
}

void fleet_touch(struct fleet *f, uint32_t slot)
{
	struct instance *i = slot < INSTANCES_MAX ? f->slots[slot] : NULL;
	uint64_t now_ns = clock_mono_ns();

	if (!i)
		return;
	board_awake_clamp(f->options.board, slot, i->read_awake_ns,
			  i->read_awake_ns + (now_ns - i->read_at_ns));
	if (i->cgroup.dir_fd >= 0 &&
	    board_state_of(board_load(f->options.board, slot)) != BOARD_FROZEN)
		(void)cgroup_thaw(&i->cgroup);
	freezer_look(i);
}

void fleet_suspect(struct fleet *f, uint32_t slot, uint32_t generation, int error)
{
	struct instance *i = fleet_instance(f, slot, generation);

	if (i && error == ETIMEDOUT)
		stop_unresponsive(i);
	/* It lives (its death would have been told), yet does not accept: nobody can use it. */
	if (i && error == ECONNREFUSED && instance_is_up(i)) {
		(void)text_format(i->fault, sizeof(i->fault), "it stopped accepting on its port");
		stop_drain(i);
	}
}

void fleet_stop_all(struct fleet *f)
{
	struct instance *next;

	f->stopping = true;
	if (f->count == 0)
		f->options.hooks.emptied(f->options.hooks.self);
	for (struct instance *i = f->first; i; i = next) {
		bool up = instance_is_up(i) || i->state == INSTANCE_DRAINING;
		bool held = up && board_holds(board_load(f->options.board, i->slot)) > 0;
		uint64_t until_ns = loop_now_ns(f->options.loop) + f->options.drain_ms * NS_PER_MS;

		next = i->next;
		stop_drain(i); /* frees one that never had a sandbox */
		if (held && i->deadline_ns > until_ns)
			i->deadline_ns = until_ns;
		else if (up && !held)
			stop_terminate(i);
	}
}

void instance_flush(struct instance *i)
{
	freezer_look(i);
	meter_read(i, METER_AT_FLUSH);
}

int fleet_sockets(struct fleet *f, uint32_t slot, uint32_t generation, uint32_t count, int *fds,
		  struct instance **out)
{
	struct instance *i = fleet_instance(f, slot, generation);
	int r;

	if (!i || !instance_is_up(i))
		return -ESRCH;
	r = netns_sockets(i->armed.net_ns_fd, f->home_ns_fd,
			  instance_inherits(i) ? AF_UNIX : AF_INET, fds, count);
	if (r == 0)
		*out = i;
	return r;
}

int fleet_queue(struct fleet *f, uint32_t slot, uint32_t generation, uint32_t waited_ms,
		struct wire_queue *out, uint32_t *drop_ms)
{
	struct instance *i = fleet_instance(f, slot, generation);

	/* Also while it drains: who has a ticket there may still connect. */
	return i && i->was_ready ? accept_ask(i, waited_ms, out, drop_ms) : -ESRCH;
}

/* ---- commands ---- */

static int command_freeze(struct instance *i)
{
	if (i->state == INSTANCE_FROZEN)
		return 0;
	i->idle.by_hand = true;
	return i->state == INSTANCE_RUNNING && freezer_ask(i) == 0 ? 0 : -EAGAIN;
}

static int command_thaw(struct instance *i)
{
	if (i->state == INSTANCE_FROZEN || i->state == INSTANCE_FREEZING)
		freezer_thaw(i);
	return instance_is_up(i) ? 0 : -EAGAIN;
}

static int command_stop(struct instance *i)
{
	stop_drain(i);
	return 0;
}

static int (*const commands[])(struct instance *i) = {
	[WIRE_COMMAND_FREEZE] = command_freeze,
	[WIRE_COMMAND_THAW] = command_thaw,
	[WIRE_COMMAND_STOP] = command_stop,
};

int fleet_command(struct fleet *f, const char *id, uint32_t command, char *text, size_t text_size)
{
	int r;

	for (struct instance *i = f->first; i; i = i->next) {
		if (strcmp(i->id, id) != 0)
			continue;
		r = command < ARRAY_LEN(commands) ? commands[command](i) : -EINVAL;
		if (r < 0)
			(void)text_format(text, text_size,
					  "instance '%s': %s; `ebb why %s` says what it is doing",
					  id,
					  r == -EAGAIN ? "it has work open or is not ready"
						       : "no such command",
					  id);
		return r;
	}
	(void)text_format(text, text_size, "there is no instance '%s'; see `ebb ps`", id);
	return -ENOENT;
}

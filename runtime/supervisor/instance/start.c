// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netns/netns.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/decide/policy.h"
#include "runtime/supervisor/instance/deed.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/probe.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/instance/wire.h"

/* A slot is free once its last tickets and holds came back. */
static bool slot_is_free(struct ground *g, uint32_t slot)
{
	board_word w = board_load(g->board, slot);

	if (g->slots[slot] || !board_settled(g->board, slot))
		return false;
	if (board_state_of(w) == BOARD_EMPTY)
		return true;
	return board_move(g->board, slot, 1u << BOARD_DEAD, BOARD_EMPTY);
}

static int take_slot(struct ground *g, uint32_t *out)
{
	for (uint32_t n = 0; n < INSTANCES_MAX; n++) {
		uint32_t slot = (g->next_slot + n) % INSTANCES_MAX;

		if (!slot_is_free(g, slot))
			continue;
		g->next_slot = slot + 1;
		*out = slot;
		return 0;
	}
	return -ENOSPC;
}

static void on_nothing(struct watch *w, uint32_t events)
{
}

void instance_link(struct instance *i)
{
	struct ground *g = i->ground;

	must(!g->slots[i->slot] && g->count < INSTANCES_MAX);
	chain_init(&i->in_ground);
	chain_add_last(&g->instances, &i->in_ground);
	g->slots[i->slot] = i;
	g->count++;
}

void instance_init(struct instance *i, struct ground *g, struct spec *spec)
{
	i->ground = g;
	i->spec = spec_ref(spec);
	i->log_fd = i->probe_fd = i->root_fd = i->start_fd = i->traffic_fd = -1;
	for (uint32_t n = 0; n < BINDINGS_MAX; n++)
		i->binding_fds[n] = -1;
	i->cgroup.dir_fd = i->cgroup.freeze_fd = i->cgroup.events_fd = i->cgroup.stat_fd = -1;
	i->control = i->death = i->probe =
		(struct watch){.fd = -1, .on_ready = on_nothing, .name = "start on_nothing"};
	i->state_since_ns = loop_now_ns(g->loop);
	i->started_us = clock_real_us();
	i->grace_ns = GRACE_FIRST_NS;
	must(i->state == INSTANCE_WAITING); /* as zeroed */
}

int instance_new(struct ground *g, struct service *service, struct spec *spec, bool ahead,
		 const char *why)
{
	struct instance *i = calloc(1, sizeof(*i));
	int r;

	if (!i)
		return -ENOMEM;
	r = take_slot(g, &i->slot);
	if (r < 0) {
		free(i);
		return r;
	}
	instance_init(i, g, spec);
	i->service = service->index;
	i->ahead = ahead;
	(void)text_copy(i->id, sizeof(i->id),
			service->name); /* its number comes with its sandbox */
	i->generation = board_open_slot(g->board, i->slot, spec_limit_first(spec), service->index);
	(void)text_copy(i->why, sizeof(i->why), why);
	instance_link(i);
	return 0;
}

static void unlink_instance(struct ground *g, struct instance *i)
{
	must(g->slots[i->slot] == i && g->count > 0);
	chain_remove(&i->in_ground);
	g->slots[i->slot] = NULL;
	g->count--;
}

void instance_free(struct instance *i)
{
	struct ground *g = i->ground;
	struct loop *loop = g->loop;

	deed_clear(i); /* first: it names what is closed here */
	loop_timer_off(loop, &i->timer);
	loop_unwatch(loop, &i->control);
	loop_unwatch(loop, &i->death);
	probe_end(i);
	unlink_instance(g, i);
	/* Tickets may still be open on the slot; it is reused only when they came back. */
	(void)board_move(g->board, i->slot, ~0u, BOARD_DEAD);
	if (i->armed.pid > 0) {
		uint32_t range = i->armed.range;

		wire_drop(i);
		fd_close(&i->traffic_fd);
		armed_fini(&i->armed);
		armory_range_free(g->armory, range);
	}
	fd_close(&i->log_fd);
	fd_close(&i->root_fd);
	fd_close(&i->start_fd);
	for (uint32_t n = 0; n < BINDINGS_MAX; n++)
		fd_close(&i->binding_fds[n]);
	cgroup_fini(&i->cgroup);
	spec_unref(i->spec);
	free(i);
}

static struct cgroup_limits limits_of(const struct instance *i)
{
	const struct wire_service_put *put = &i->spec->put;

	return (struct cgroup_limits){
		.memory_bytes = (uint64_t)put->memory_mb << 20,
		.cpu_milli = policy_cpu_milli(put->cpu_milli, put->memory_mb),
		.pids_max = put->pids_max,
	};
}

static int set_limits(struct instance *i)
{
	const struct cgroup_limits limits = limits_of(i);

	return cgroup_set_limits(i->ground->tree, &i->cgroup, &limits);
}

/* All that does not need a request: limits and the root file system. */
static int prepare(struct instance *i)
{
	const struct network *network = &i->ground->network;
	const struct sandbox_names names = {
		.hosts = network->hosts,
		.resolver = instance_asks(i) ? network->resolver : "",
	};
	int r = set_limits(i);

	if (r < 0) {
		(void)text_format(i->fault, sizeof(i->fault), "cgroup limits: %s", strerror(-r));
		return r;
	}
	i->root_fd = sandbox_root(i->spec->layer_fds, i->spec->put.layer_count, &i->armed,
				  (uint64_t)i->spec->put.scratch_mb << 20, i->id,
				  instance_has_wire(i) ? &names : NULL, i->ground->stage_dir);
	fd_close(&i->armed.user_ns_fd);
	if (i->root_fd < 0)
		(void)text_format(i->fault, sizeof(i->fault), "root file system: %s",
				  strerror(-i->root_fd));
	return i->root_fd < 0 ? i->root_fd : 0;
}

static int listen_inside(struct instance *i, int *out_fd)
{
	int fd;

	if (!instance_inherits(i))
		return 0;
	fd = netns_listen_unix(i->armed.net_ns_fd, i->ground->home_ns_fd, UNIX_NAME, UNIX_QUEUE);
	if (fd < 0) {
		(void)text_format(i->fault, sizeof(i->fault), "its listening socket: %s",
				  strerror(-fd));
		return fd;
	}
	*out_fd = fd;
	return 0;
}

/* Gateways get the listeners before the program runs: it may call others before it accepts. */
static int listen_for_calls(struct instance *i)
{
	const struct wire_service_put *put = &i->spec->put;
	uint16_t ports[BINDINGS_MAX];
	int r;

	if (put->binding_count == 0)
		return 0;
	for (uint32_t n = 0; n < put->binding_count; n++)
		ports[n] = (uint16_t)put->bindings[n].port;
	r = netns_listen_tcp(i->armed.net_ns_fd, i->ground->home_ns_fd, ports, put->binding_count,
			     BINDING_QUEUE, i->binding_fds);
	must(r != -ENOTRECOVERABLE);
	if (r < 0)
		(void)text_format(i->fault, sizeof(i->fault), "the sockets of its bindings: %s",
				  strerror(-r));
	else
		tell_born(i);
	return r;
}

/* The pipes of its output and, ahead of need, of its start: our ends stay in i, the other ones are
 * for the sandbox. */
static int make_pipes(struct instance *i, int *output_fd, int *start_fd)
{
	int output[2], start[2];

	if (pipe2(output, O_CLOEXEC) < 0)
		return -errno;
	i->log_fd = output[0];
	*output_fd = output[1];
	if (!i->ahead)
		return 0;
	if (pipe2(start, O_CLOEXEC) < 0)
		return -errno;
	*start_fd = start[0];
	i->start_fd = start[1];
	return 0;
}

static int hand_over(struct instance *i)
{
	SCOPED_FD output_fd = -1, listen_fd = -1, start_fd = -1;
	const struct cgroup_limits limits = limits_of(i);
	int r;
	struct sandbox_claim claim = {
		.exec = &i->spec->put.exec,
		.instance_id = i->id,
		.root_fd = i->root_fd,
		.nofile_max = i->ground->nofile_max,
		.strict = i->spec->put.flags & WIRE_SERVICE_STRICT,
	};

	must(i->root_fd >= 0 && i->log_fd < 0);
	claim.memory_bytes = limits.memory_bytes;
	claim.cpu_milli = limits.cpu_milli;
	claim.pids_max = limits.pids_max;
	r = listen_inside(i, &listen_fd);
	if (r == 0)
		r = listen_for_calls(i);
	if (r == 0)
		r = make_pipes(i, &output_fd, &start_fd);
	if (r < 0)
		return r;
	claim.output_fd = output_fd;
	claim.listen_fd = listen_fd;
	claim.start_fd = start_fd;
	r = sandbox_claim(&i->armed, &claim);
	fd_close(&i->root_fd);
	if (r < 0)
		(void)text_format(i->fault, sizeof(i->fault), "claim: %s", strerror(-r));
	return r;
}

/* The sandbox of the instance was killed a moment ago. */
static void die_unclaimed(struct instance *i)
{
	i->detail = SIGKILL;
	stop_kill(i, WIRE_DOWN_SIGNALED, "its sandbox was killed before it was claimed");
}

/* A sandbox that is claimed already executes the program; another one is claimed now. */
static int begin_program(struct instance *i)
{
	ssize_t n;
	int r;

	if (i->start_fd < 0)
		return i->root_fd < 0 ? -EPIPE : hand_over(i);
	n = write(i->start_fd, "", 1);
	r = n == 1 ? 0 : n < 0 ? -errno : -EPIPE;
	fd_close(&i->start_fd);
	return r;
}

/* r: the result of preparing. */
static void go(struct instance *i, int r)
{
	must(!i->ahead && i->armed.pid > 0);
	meter_open(i);
	if (r == 0)
		r = begin_program(i);
	if (instance_move(i, INSTANCE_CLAIM) < 0)
		return;
	if (r == -EPIPE || r == -ECONNRESET) {
		die_unclaimed(i);
		return;
	}
	if (r == 0)
		r = stop_watch(i);
	if (r < 0) {
		stop_kill(i, WIRE_DOWN_FAILED_TO_START, NULL);
		return;
	}
	probe_begin(i);
}

/* A sandbox that was killed meanwhile is no error: ebbd hears of the death in a moment. */
static int claim_ahead(struct instance *i)
{
	int r = hand_over(i);

	if (r < 0)
		fd_close(&i->start_fd);
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

/* Gateways hear of bindings when a program is about to run, so such a claim is not made ahead. */
static void stay_prepared(struct instance *i, int r)
{
	struct service *service = services_at(i->ground->services, i->service);

	if (r == 0 && i->spec->put.binding_count == 0)
		r = claim_ahead(i);
	if (instance_move(i, INSTANCE_PREPARE) < 0 || r == 0)
		return;
	if (service)
		service->demand.unpreparable = true; /* the first request will say why */
	stop_drain(i);
}

void start_go_on(struct instance *i, int r)
{
	if (i->ahead)
		stay_prepared(i, r);
	else
		go(i, r);
}

/* Gives an armed sandbox to i. False if there is none. ebb-net opens the way out while the root
 * file system is mounted here. */
static bool arm_instance(struct instance *i)
{
	uint64_t number;
	int r;

	if (!armory_take(i->ground->armory, instance_kind(i), &i->armed, &i->cgroup, &number))
		return false;
	must(i->armed.pid > 0 && i->cgroup.dir_fd >= 0);
	(void)text_format(i->id, sizeof(i->id), "%s-%" PRIu64, i->spec->put.name, number);
	r = stop_watch_death(i);
	if (r == 0 && instance_has_wire(i))
		r = wire_ask(i);
	if (r == 0)
		r = prepare(i);
	if (r < 0 || !instance_has_wire(i))
		start_go_on(i, r);
	return true;
}

/* Instances that somebody waits for come first. Counts those that still wait, by kind of
 * sandbox. */
static void arm_waiting(struct ground *g, bool ahead, uint32_t waiting[ARMORY_KINDS])
{
	struct instance *i;

	chain_each(i, &g->instances, in_ground) {
		if (i->state == INSTANCE_WAITING && i->armed.pid == 0 && i->ahead == ahead &&
		    !arm_instance(i))
			waiting[instance_kind(i)]++;
	}
}

void start_waiting(struct ground *g)
{
	uint32_t waiting[ARMORY_KINDS] = {0}, idle[ARMORY_KINDS] = {0};

	arm_waiting(g, false, waiting);
	if (waiting[ARMORY_PLAIN] + waiting[ARMORY_RING] + waiting[ARMORY_NET] +
		    waiting[ARMORY_NET_RING] ==
	    0) {
		arm_waiting(g, true, idle);
		memcpy(waiting, idle, sizeof(waiting));
		waiting[ARMORY_PLAIN] = 0; /* enough of them are kept ready */
	}
	armory_want(g->armory, waiting);
}

bool start_prepared(struct ground *g, const struct service *service, const char *why)
{
	struct instance *i;

	chain_each(i, &g->instances, in_ground) {
		if (!i->ahead || i->spec != service->spec || i->stop_wanted)
			continue;
		if (i->state == INSTANCE_PREPARED && armed_is_dead(&i->armed))
			continue; /* its end is heard in a moment */
		i->ahead = false;
		(void)text_copy(i->why, sizeof(i->why), why);
		i->started_us = clock_real_us();
		if (i->state == INSTANCE_PREPARED)
			go(i, 0);
		return true;
	}
	return false;
}

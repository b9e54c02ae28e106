// SPDX-License-Identifier: Apache-2.0
/*
 * Ready means: it accepts on its port. The kernel tells nobody when a process calls listen(2), so a
 * socket inside the namespace tries to connect, often at first and then ever more rarely; a refusal
 * costs some 15 us. The connection that succeeds is closed without a byte. Instances that inherit
 * their listening socket need none of that: probe_unix.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/netns.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/instance.h"

#define PROBE_FIRST_NS (100 * NS_PER_US)
#define PROBE_FAST_NS  (3 * NS_PER_MS) /* what a native program needs at most */
#define PROBE_MOST_NS  (5 * NS_PER_MS)

void probe_ready(struct instance *i)
{
	struct fleet *f = i->fleet;
	struct service *service = services_at(f->options.services, i->service);
	uint64_t took_us = (loop_now_ns(f->options.loop) - i->state_since_ns) / NS_PER_US;

	probe_off(i);
	instance_move(i, INSTANCE_READY);
	i->was_ready = true;
	i->ready_ns = i->state_since_ns;
	/* Gateways send the requests that waited; who still needs more says so again. */
	if (service && (service->spec == i->spec || service->proven == i->spec))
		memset(service->queued, 0, sizeof(service->queued));
	if (service && service->spec == i->spec) {
		service->failures = 0;
		services_accepted(service);
		fleet_drain(f, i->service, i->spec, true);
	}
	if (service)
		service->ups++;
	accept_begin(i);
	(void)board_move(f->options.board, i->slot, 1u << BOARD_STARTING, BOARD_RUNNING);
	f->options.hooks.up(f->options.hooks.self, i); /* first: somebody waits for it */
	instance_announce(i);
	meter_ready(i);
	if (instance_inherits(i))
		instance_say(i, WIRE_EVENT_INSTANCE_READY,
			     "accepts on its inherited socket after %llu us",
			     (unsigned long long)took_us);
	else
		instance_say(i, WIRE_EVENT_INSTANCE_READY, "accepts on port %u after %llu us",
			     i->spec->put.exec.port, (unsigned long long)took_us);
	freezer_begin(i);
	load_begin(i);
}

/* 1 it accepts, 0 not yet, -errno. */
static int try_connect(struct instance *i)
{
	int r;

	if (i->probe_fd < 0) {
		r = netns_sockets(i->armed.net_ns_fd, i->fleet->home_ns_fd, AF_INET, &i->probe_fd,
				  1);
		if (r < 0)
			return r;
	}
	r = netns_connect_tcp(i->probe_fd, i->spec->put.exec.port);
	if (r == 0)
		r = netns_connect_result(i->probe_fd);
	return r == -ECONNREFUSED ? 0 : r;
}

static void on_due(struct timer *t)
{
	struct instance *i = (struct instance *)((char *)t - offsetof(struct instance, timer));
	struct loop *loop = i->fleet->options.loop;
	uint64_t now_ns = loop_now_ns(loop);
	int r = try_connect(i);

	if (r == 1) {
		probe_ready(i);
		return;
	}
	if (r < 0 || now_ns >= i->deadline_ns) {
		if (r < 0)
			(void)text_format(i->fault, sizeof(i->fault), "probing its port: %s",
					  strerror(-r));
		else
			(void)text_format(i->fault, sizeof(i->fault),
					  "it did not listen on 127.0.0.1:%u ($PORT) within %u ms "
					  "(initTimeout)",
					  i->spec->put.exec.port, i->spec->put.init_timeout_ms);
		stop_kill(i, WIRE_DOWN_NEVER_LISTENED, NULL);
		return;
	}
	(void)loop_timer_at(loop, &i->timer, now_ns + i->probe_gap_ns);
	if (now_ns - i->state_since_ns > PROBE_FAST_NS) {
		instance_announce(i);
		i->probe_gap_ns += i->probe_gap_ns / 4;
	}
	if (i->probe_gap_ns > PROBE_MOST_NS)
		i->probe_gap_ns = PROBE_MOST_NS;
}

void probe_begin(struct instance *i)
{
	uint64_t now_ns = loop_now_ns(i->fleet->options.loop);

	if (instance_inherits(i)) {
		probe_unix_begin(i);
		return;
	}
	i->probe_gap_ns = PROBE_FIRST_NS;
	i->deadline_ns = now_ns + i->spec->put.init_timeout_ms * NS_PER_MS;
	i->timer.on_due = on_due;
	i->timer.name = "probe on_due";
	(void)loop_timer_at(i->fleet->options.loop, &i->timer, now_ns + i->probe_gap_ns);
}

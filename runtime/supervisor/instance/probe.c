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
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/probe.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"

#define PROBE_FIRST_NS (100 * NS_PER_US)
#define PROBE_FAST_NS  (3 * NS_PER_MS) /* the most that a native program needs */
#define PROBE_MOST_NS  (5 * NS_PER_MS)

/* 1 if it accepts, 0 if not yet, or -errno. */
static int try_connect(struct instance *i)
{
	int r;

	if (i->probe_fd < 0) {
		r = netns_sockets(i->armed.net_ns_fd, i->ground->home_ns_fd, AF_INET, &i->probe_fd,
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
	struct instance *i = container_of(t, struct instance, timer);
	struct loop *loop = i->ground->loop;
	uint64_t now_ns = loop_now_ns(loop);
	int r = try_connect(i);

	must(i->state == INSTANCE_STARTING && !instance_inherits(i));
	if (r == 1) {
		probe_passed(i);
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
		tell_announce(i);
		i->probe_gap_ns += i->probe_gap_ns / 4;
	}
	if (i->probe_gap_ns > PROBE_MOST_NS)
		i->probe_gap_ns = PROBE_MOST_NS;
}

void probe_begin(struct instance *i)
{
	uint64_t now_ns = loop_now_ns(i->ground->loop);

	if (instance_inherits(i)) {
		probe_unix_begin(i);
		return;
	}
	i->probe_gap_ns = PROBE_FIRST_NS;
	i->deadline_ns = now_ns + i->spec->put.init_timeout_ms * NS_PER_MS;
	i->timer.on_due = on_due;
	i->timer.name = "probe on_due";
	(void)loop_timer_at(i->ground->loop, &i->timer, now_ns + i->probe_gap_ns);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Ready, for an instance that inherited its listening socket: the kernel takes connections there
 * from its birth on, so a connect proves nothing. The probe connects, says at once that nothing
 * will come (shutdown), and waits for the close: only a program that accepts reads the end and
 * closes. There is no polling: the loop wakes at the close, or at initTimeout.
 *
 * If the program closes the listening socket instead, the kernel resets the waiting connections. A
 * program that ends does that too, a moment before its death is told. So after a reset the probe
 * waits for the death for a second, because the death says more.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "netns/netns.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/probe.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"

#define PROBE_FAST_NS (3 * NS_PER_MS) /* the most that a native program needs */
#define DEATH_WAIT_NS (1 * NS_PER_SEC)

static struct loop *loop_of(struct instance *i)
{
	return i->ground->loop;
}

/* From here on the probe has no socket. */
static void on_closed(struct instance *i)
{
	uint64_t until_ns = loop_now_ns(loop_of(i)) + DEATH_WAIT_NS;

	probe_end(i);
	if (until_ns < i->deadline_ns)
		i->deadline_ns = until_ns;
	(void)loop_timer_at(loop_of(i), &i->timer, i->deadline_ns);
}

static void on_probe(struct watch *w, uint32_t events)
{
	struct instance *i = container_of(w, struct instance, probe);
	char byte;
	ssize_t n = recv(i->probe_fd, &byte, sizeof(byte), MSG_DONTWAIT);

	must(i->state == INSTANCE_STARTING);
	/* A byte is an answer (400, say): somebody accepted, too. */
	if (n >= 0)
		probe_passed(i);
	else if (errno != EAGAIN && errno != EINTR)
		on_closed(i);
}

static void on_due(struct timer *t)
{
	struct instance *i = container_of(t, struct instance, timer);

	must(i->state == INSTANCE_STARTING);
	if (loop_now_ns(loop_of(i)) < i->deadline_ns) {
		tell_announce(i);
		(void)loop_timer_at(loop_of(i), &i->timer, i->deadline_ns);
		return;
	}
	if (i->probe_fd < 0)
		(void)text_format(i->fault, sizeof(i->fault),
				  "it closed the listening socket it inherited (fd 3, "
				  "LISTEN_FDS=1) without accepting");
	else
		(void)text_format(
			i->fault, sizeof(i->fault),
			"it accepted nothing on the listening socket it inherited (fd 3, "
			"LISTEN_FDS=1) within %u ms (initTimeout); `ebb logs %s` has its output; "
			"a server that wants TCP $PORT needs an image without EBB_RUNTIME",
			i->spec->put.init_timeout_ms, i->spec->put.name);
	stop_kill(i, WIRE_DOWN_NEVER_LISTENED, NULL);
}

static int connect_and_watch(struct instance *i)
{
	int r = netns_sockets(i->armed.net_ns_fd, i->ground->home_ns_fd, AF_UNIX, &i->probe_fd, 1);

	if (r == 0)
		r = netns_connect_unix(i->probe_fd, UNIX_NAME);
	if (r == 0 && shutdown(i->probe_fd, SHUT_WR) < 0)
		r = -errno;
	if (r < 0)
		return r;
	i->probe = (struct watch){
		.fd = i->probe_fd, .on_ready = on_probe, .name = "probe_unix on_probe"};
	return loop_watch(loop_of(i), &i->probe, EPOLLIN);
}

void probe_unix_begin(struct instance *i)
{
	uint64_t now_ns = loop_now_ns(loop_of(i)),
		 init_ns = i->spec->put.init_timeout_ms * NS_PER_MS;
	int r = connect_and_watch(i);

	i->deadline_ns = now_ns + init_ns;
	i->timer.on_due = on_due;
	i->timer.name = "probe_unix on_due";
	if (r == -ECONNREFUSED) {
		on_closed(i);
		return;
	}
	if (r < 0) {
		(void)text_format(i->fault, sizeof(i->fault), "probing its socket: %s",
				  strerror(-r));
		stop_kill(i, WIRE_DOWN_NEVER_LISTENED, NULL);
		return;
	}
	(void)loop_timer_at(loop_of(i), &i->timer,
			    now_ns + (init_ns < PROBE_FAST_NS ? init_ns : PROBE_FAST_NS));
}

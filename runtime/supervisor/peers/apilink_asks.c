// SPDX-License-Identifier: Apache-2.0
/* Requests of operators to ebbd by ebb-api: to drain the host, and commands in instances. */
#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/apilink_inside.h"

/* ---- drain ---- */

/* Longer than any request may last, and small enough that the sum with the clock does not wrap. */
#define DRAIN_MS_MAX (UINT64_C(366) * 24 * 3600 * 1000)

/* Ends the call that waits until the host is empty, if there is one. */
static void end_drain(struct apilink *a, int error, const char *text)
{
	uint64_t cookie = a->drain_cookie;

	a->drain_cookie = 0;
	if (cookie)
		apilink_answer(a, cookie, error, text);
}

static void drain(struct apilink *a, const struct wire_node_drain *d)
{
	uint64_t wait_ns = d->deadline_ms * NS_PER_MS;
	char text[96] = "its instances end with their requests";

	if (wait_ns > 0)
		(void)text_format(text, sizeof(text), "%s, at most in %llu s",
				  "its instances end with their requests",
				  (unsigned long long)((d->deadline_ms + 999) / 1000));
	a->drain_cookie = d->cookie;
	apilink_say(a, WIRE_EVENT_NODE_DRAINED, "", text);
	fleet_take_no_work(a->fleet, wait_ns ? clock_mono_ns() + wait_ns : 0);
}

int apilink_on_drain(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_node_drain *d = (const void *)m->record;

	if (d->drain > 1 || d->deadline_ms > DRAIN_MS_MAX)
		return -EPROTO;
	end_drain(a, -ECANCELED, "another drain, or an undrain, took its place");
	if (d->drain) {
		drain(a, d);
		return 0;
	}
	apilink_say(a, WIRE_EVENT_NODE_UNDRAINED, "", "services are started as they are wanted");
	fleet_take_work(a->fleet);
	apilink_answer(a, d->cookie, 0, "");
	return 0;
}

void apilink_on_drained(void *self)
{
	end_drain(self, 0, "");
}

/* ---- commands in instances ---- */

static void on_exec_started(void *self, const struct wire_exec_started *record, const int *fds,
			    unsigned int fd_count)
{
	struct apilink *a = self;

	daemon_send(&a->daemon, WIRE_EXEC_STARTED, record, sizeof(*record), fds, fd_count);
}

static void on_exec_ended(void *self, const struct wire_exec_ended *record)
{
	struct apilink *a = self;

	daemon_send(&a->daemon, WIRE_EXEC_ENDED, record, sizeof(*record), NULL, 0);
}

int apilink_open_execs(struct apilink *a)
{
	return execs_new(&(struct execs_options){.loop = a->options.host->loop,
						 .fleet = a->fleet,
						 .self = a,
						 .on_started = on_exec_started,
						 .on_ended = on_exec_ended},
			 &a->execs);
}

int apilink_on_exec(void *self, struct wire_message *m)
{
	struct apilink *a = self;

	return execs_start(a->execs, (const void *)m->record);
}

int apilink_on_exec_signal(void *self, struct wire_message *m)
{
	struct apilink *a = self;

	return execs_signal(a->execs, (const void *)m->record);
}

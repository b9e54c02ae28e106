// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/ipclink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/programs/daemon.h"

#define CULPRITS_MAX  64u
#define MUTE_FIRST_NS (1 * NS_PER_SEC) /* ten times longer with each fault */
#define MUTE_MOST_NS  (600 * NS_PER_SEC)
#define FAULT_AGE_NS  (1800 * NS_PER_SEC) /* then it is forgotten */

/* A service whose message ended ebb-ipc. It is not heard for a while, so that the others are. */
struct culprit {
	char service[SERVICE_NAME_SIZE]; /* "" = free */
	uint32_t faults;
	uint64_t last_ns, until_ns;
};

struct ipclink {
	struct ipclink_options options;
	struct daemon daemon;
	struct culprit culprits[CULPRITS_MAX];
	struct timer unmute;
	bool heard[INSTANCES_MAX]; /* slots that this ebb-ipc was told of */
};

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

static int on_ready(void *self, struct wire_message *m)
{
	struct ipclink *l = self;

	l->daemon.link.phase = PHASE_SERVING;
	return 0;
}

static int on_retire(void *self, struct wire_message *m)
{
	struct ipclink *l = self;
	const struct wire_ipc_retire *retire = (const void *)m->record;

	if (!text_terminated(retire->text, sizeof(retire->text)) ||
	    !text_is_printable(retire->text))
		return -EPROTO;
	fleet_retire(l->options.fleet, retire->slot, retire->generation, retire->failed != 0,
		     retire->text);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_IPC_READY, 0, PHASE_STARTING, 0, 0, on_ready},
	{WIRE_IPC_RETIRE, sizeof(struct wire_ipc_retire), PHASE_SERVING, 0, 0, on_retire},
};

/* Opens the pipe anew: O_NONBLOCK here must not make the program's own writes non-blocking. */
static int open_log(const struct instance *i)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", instance_log_fd(i));
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ---- faults that ended ebb-ipc ---- */

static struct culprit *culprit_of(struct ipclink *l, const char *service)
{
	for (uint32_t n = 0; n < CULPRITS_MAX; n++)
		if (strcmp(l->culprits[n].service, service) == 0)
			return &l->culprits[n];
	return NULL;
}

static bool is_muted(struct ipclink *l, const struct instance *i, uint64_t now_ns)
{
	struct wire_log_pipe record;
	const struct culprit *c;

	instance_log_record(i, &record); /* it knows the service's name */
	c = culprit_of(l, record.service);
	return c && c->until_ns > now_ns;
}

static struct culprit *fault_of(struct ipclink *l, const char *service, uint64_t now_ns)
{
	struct culprit *c = culprit_of(l, service);

	if (!c) {
		c = &l->culprits[0];
		for (uint32_t n = 1; n < CULPRITS_MAX; n++)
			if (l->culprits[n].last_ns < c->last_ns)
				c = &l->culprits[n];
		*c = (struct culprit){.faults = 0};
		(void)text_copy(c->service, sizeof(c->service), service);
	}
	if (now_ns - c->last_ns > FAULT_AGE_NS)
		c->faults = 0;
	c->last_ns = now_ns;
	must(strcmp(c->service, service) == 0);
	c->until_ns = MUTE_FIRST_NS;
	for (uint32_t n = 0; n < c->faults && c->until_ns < MUTE_MOST_NS; n++)
		c->until_ns *= 10;
	c->until_ns = now_ns + (c->until_ns < MUTE_MOST_NS ? c->until_ns : MUTE_MOST_NS);
	c->faults++;
	return c;
}

/* The board says whose bytes ebb-ipc read when it died. ebb-ipc itself writes that name and may be
 * hijacked. A lie can only silence services that a hijacked ebb-ipc could ignore anyway. */
static void blame_sender(struct ipclink *l)
{
	uint64_t word = atomic_exchange(board_hearing(l->options.board), 0);
	uint64_t now_ns = clock_mono_ns();
	int sig = l->daemon.last_signal;
	struct instance *i = NULL;
	struct wire_log_pipe names;
	struct wire_instance_up up;
	struct culprit *c;
	char text[256];

	if (word != 0 && ((sig != SIGKILL && sig != SIGTERM) || l->daemon.fault[0]))
		i = fleet_find(l->options.fleet, (uint32_t)word - 1, (uint32_t)(word >> 32));
	if (!i)
		return;
	instance_log_record(i, &names);
	instance_up_record(i, &up);
	c = fault_of(l, names.service, now_ns);
	l->daemon.failures = 0; /* the others need not wait for who is not heard */
	(void)text_format(text, sizeof(text),
			  "ebb-ipc ended while it read what %s said (fault %u): the IPC sockets of "
			  "this service are not heard for %llu s",
			  names.id, c->faults,
			  (unsigned long long)((c->until_ns - now_ns) / NS_PER_SEC));
	fleet_say(l->options.fleet, up.service, WIRE_EVENT_SERVICE_MUTED, text);
}

static void send_up(struct ipclink *l, struct instance *i)
{
	SCOPED_FD log_fd = open_log(i);
	struct wire_ipc_up up;
	const int fds[] = {instance_ipc_fd(i), instance_freeze_fd(i), log_fd};

	instance_ipc_record(i, &up);
	if (log_fd < 0) {
		log_warn("event=ipc_unavailable instance=%s cause=\"its log pipe: %s\"", up.id,
			 strerror(-log_fd));
		return;
	}
	l->heard[up.slot] = true;
	daemon_send(&l->daemon, WIRE_IPC_UP, &up, sizeof(up), fds, ARRAY_LEN(fds));
}

static void tell_up(struct ipclink *l, struct instance *i)
{
	struct wire_ipc_up up;

	instance_ipc_record(i, &up);
	must(up.slot < INSTANCES_MAX);
	if (daemon_talks(&l->daemon) && !l->heard[up.slot] && !is_muted(l, i, clock_mono_ns()))
		send_up(l, i);
}

static void on_down(void *self, struct instance *i)
{
	struct ipclink *l = self;
	struct wire_ipc_up up;
	struct wire_ipc_down down;

	instance_ipc_record(i, &up);
	must(up.slot < INSTANCES_MAX);
	down = (struct wire_ipc_down){.slot = up.slot, .generation = up.generation};
	if (daemon_talks(&l->daemon) && l->heard[up.slot])
		daemon_send(&l->daemon, WIRE_IPC_DOWN, &down, sizeof(down), NULL, 0);
	l->heard[up.slot] = false;
}

static void send_if_talking(void *self, struct instance *i)
{
	if (instance_may_talk(i))
		tell_up(self, i);
}

static void plan_unmute(struct ipclink *l)
{
	uint64_t now_ns = clock_mono_ns(), next_ns = UINT64_MAX;

	for (uint32_t n = 0; n < CULPRITS_MAX; n++)
		if (l->culprits[n].until_ns > now_ns && l->culprits[n].until_ns < next_ns)
			next_ns = l->culprits[n].until_ns;
	if (next_ns != UINT64_MAX)
		(void)loop_timer_at(l->options.host->loop, &l->unmute, next_ns);
}

static void on_unmute(struct timer *t)
{
	struct ipclink *l = container_of(t, struct ipclink, unmute);

	fleet_each(l->options.fleet, send_if_talking, l);
	plan_unmute(l);
}

static void on_started(struct daemon *d)
{
	struct ipclink *l = d->self;
	const int fds[] = {l->options.board_fd, l->options.doorbell_fd};

	d->link.phase = PHASE_STARTING;
	daemon_send(d, WIRE_IPC_CONFIG, NULL, 0, fds, ARRAY_LEN(fds));
	memset(l->heard, 0, sizeof(l->heard));
	fleet_each(l->options.fleet, send_if_talking, l);
	plan_unmute(l);
}

static void on_ended(struct daemon *d)
{
	struct ipclink *l = d->self;

	blame_sender(l);
	fleet_holds_lost(l->options.fleet);
}

static const struct program program = {.file = "ebb-ipc",
				       .uid = UID_IPC,
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .on_started = on_started,
				       .on_ended = on_ended};

int ipclink_new(const struct ipclink_options *options, struct ipclink **out, struct fault *f)
{
	struct ipclink *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->options = *options;
	l->unmute.on_due = on_unmute;
	l->unmute.name = "ipclink on_unmute";
	l->daemon.self = l;
	r = daemon_start(&l->daemon, &program, options->host, f);
	if (r < 0) {
		ipclink_free(l);
		return r;
	}
	*out = l;
	return 0;
}

void ipclink_free(struct ipclink *l)
{
	if (!l)
		return;
	loop_timer_off(l->options.host->loop, &l->unmute);
	daemon_kill(&l->daemon);
	free(l);
}

struct observer ipclink_observer(struct ipclink *l)
{
	return (struct observer){.self = l, .announced = send_if_talking, .down = on_down};
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/ipclink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/daemon.h"

struct ipclink {
	struct ipclink_options options;
	struct daemon daemon;
	char binary[CONFIG_PATH_SIZE + 32];
};

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

static int on_ready(void *self, struct wire_message *m)
{
	struct ipclink *l = self;

	l->daemon.peer.phase = PHASE_SERVING;
	return 0;
}

static int on_retire(void *self, struct wire_message *m)
{
	struct ipclink *l = self;
	const struct wire_ipc_retire *retire = (const void *)m->record;

	if (!text_terminated(retire->text, sizeof(retire->text)))
		return -EPROTO;
	fleet_retire(l->options.fleet, retire->slot, retire->generation, retire->failed != 0,
		     retire->text);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_IPC_READY, 0, PHASE_STARTING, 0, 0, on_ready},
	{WIRE_IPC_RETIRE, sizeof(struct wire_ipc_retire), PHASE_SERVING, 0, 0, on_retire},
};

/* The same pipe opened anew: non-blocking there must not make the program's own writes so. */
static int open_log(const struct instance *i)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", instance_log_fd(i));
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void ipclink_up(struct ipclink *l, struct instance *i)
{
	SCOPED_FD log_fd = open_log(i);
	struct wire_ipc_up up;
	const int fds[] = {instance_ipc_fd(i), instance_freeze_fd(i), log_fd};

	instance_ipc_record(i, &up);
	if (log_fd < 0)
		log_warn("event=ipc_unavailable instance=%s cause=\"its log pipe: %s\"", up.id,
			 strerror(-log_fd));
	else if (peer_is_open(&l->daemon.peer))
		peer_send(&l->daemon.peer, WIRE_IPC_UP, &up, sizeof(up), fds, ARRAY_LEN(fds));
}

void ipclink_down(struct ipclink *l, struct instance *i)
{
	struct wire_ipc_up up;
	struct wire_ipc_down down;

	instance_ipc_record(i, &up);
	down = (struct wire_ipc_down){.slot = up.slot, .generation = up.generation};
	if (peer_is_open(&l->daemon.peer))
		peer_send(&l->daemon.peer, WIRE_IPC_DOWN, &down, sizeof(down), NULL, 0);
}

static void send_if_talking(void *ctx, struct instance *i)
{
	if (instance_may_talk(i))
		ipclink_up(ctx, i);
}

static void on_started(struct daemon *d)
{
	struct ipclink *l = d->self;
	const int fds[] = {l->options.board_fd, l->options.doorbell_fd};

	d->peer.phase = PHASE_STARTING;
	peer_send(&d->peer, WIRE_IPC_CONFIG, NULL, 0, fds, ARRAY_LEN(fds));
	fleet_each(l->options.fleet, send_if_talking, l);
}

static void on_ended(struct daemon *d)
{
	struct ipclink *l = d->self;

	fleet_holds_lost(l->options.fleet);
}

int ipclink_new(const struct ipclink_options *options, struct ipclink **out, char *err,
		size_t err_size)
{
	struct ipclink *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->options = *options;
	(void)text_format(l->binary, sizeof(l->binary), "%s/ebb-ipc", options->config->libexec_dir);
	l->daemon = (struct daemon){
		.loop = options->loop,
		.launch = {.name = "ebb-ipc",
			   .binary = l->binary,
			   .stage_dir = options->stage_dir,
			   .uid = options->uid,
			   .log_level = options->config->log_level},
		.peer = {.name = "ebb-ipc",
			 .rules = rules,
			 .rule_count = ARRAY_LEN(rules),
			 .self = l},
		.on_started = on_started,
		.on_ended = on_ended,
		.self = l,
	};
	r = daemon_start(&l->daemon);
	if (r < 0) {
		(void)text_format(err, err_size, "cannot start %s: %s", l->binary, strerror(-r));
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
	daemon_kill(&l->daemon);
	free(l);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/flowlink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/report.h"
#include "runtime/supervisor/scale/fleet.h"
#include "runtime/wire/records.h"

#define BACKLOG 1024 /* deliveries that no gateway has accepted yet */

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

struct flowlink {
	struct flowlink_options options;
	struct daemon daemon;
	struct fleet *fleet; /* borrowed; NULL at first */
	int directory_fd, deliveries_fd;
};

int flowlink_deliveries_fd(const struct flowlink *l)
{
	return l->deliveries_fd;
}

static int on_ready(void *self, struct wire_message *m)
{
	struct flowlink *l = self;

	(void)m;
	l->daemon.link.phase = PHASE_SERVING;
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_FLOW_READY, 0, PHASE_STARTING, 0, 0, on_ready},
};

void flowlink_channel(struct flowlink *l)
{
	SCOPED_FD flow_end_fd = -1;
	int api_end_fd, fds[2];

	if (wire_pair(&flow_end_fd, &api_end_fd) < 0)
		return; /* an ebb-flow without its config ends, and is started again */
	fds[0] = l->directory_fd;
	fds[1] = flow_end_fd;
	daemon_send(&l->daemon, WIRE_FLOW_CONFIG, NULL, 0, fds, ARRAY_LEN(fds));
	l->options.on_channel(l->options.self, api_end_fd);
}

/* ---- ways in for instances ---- */

static void send_bindings(void *self, struct instance *i)
{
	struct flowlink *l = self;
	struct wire_bindings record;
	int fds[BINDINGS_MAX];
	uint32_t count = instance_bindings_record(i, WIRE_BINDING_QUEUES, &record, fds);

	must(count <= BINDINGS_MAX);
	if (count > 0)
		daemon_send(&l->daemon, WIRE_BINDINGS, &record, sizeof(record), fds, count);
}

static void on_down(void *self, struct instance *i)
{
	struct flowlink *l = self;
	struct wire_bindings record;
	struct wire_bindings_gone gone;
	int fds[BINDINGS_MAX];

	if (instance_bindings_record(i, WIRE_BINDING_QUEUES, &record, fds) == 0)
		return;
	gone = (struct wire_bindings_gone){.slot = record.slot, .generation = record.generation};
	daemon_send(&l->daemon, WIRE_BINDINGS_GONE, &gone, sizeof(gone), NULL, 0);
}

struct observer flowlink_observer(struct flowlink *l)
{
	return (struct observer){.self = l, .born = send_bindings, .down = on_down};
}

void flowlink_attach(struct flowlink *l, struct fleet *fleet)
{
	l->fleet = fleet;
}

void flowlink_resume(struct flowlink *l)
{
	if (l->fleet)
		fleet_each(l->fleet, send_bindings, l);
}

/* ---- the program ---- */

static void on_started(struct daemon *d)
{
	struct flowlink *l = d->self;

	d->link.phase = PHASE_STARTING;
	flowlink_channel(l);
	flowlink_resume(l);
}

static void on_ended(struct daemon *d)
{
	(void)d; /* it is started again, and begins where its store ends */
}

/* The name stands in a directory of ebb-flow, which may have put anything there: bind(2) follows no
 * link at the end of a path, and makes the socket or fails. */
static int bind_in(int directory_fd, int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t old;
	int r = text_format(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
			    directory_fd, FLOW_SOCKET);

	if (r < 0)
		return r;
	(void)unlinkat(directory_fd, FLOW_SOCKET, 0);
	old = umask(0111); /* its directory is what keeps others away */
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(old);
	return r;
}

/* That of the ebbd before, if there was one: gateways have it, and deliveries may wait there. */
static int open_socket(struct flowlink *l, struct fault *f)
{
	struct estate *estate = l->options.host->estate;
	SCOPED_FD fd = estate_file(estate, "deliveries");
	int r = 0;

	if (fd < 0) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		r = fd < 0 ? -errno : bind_in(l->directory_fd, fd);
		if (r == 0 && listen(fd, BACKLOG) < 0)
			r = -errno;
		if (r == 0)
			r = estate_keep_file(estate, "deliveries", fd);
	}
	if (r < 0)
		return fault_errno(f, r, "cannot listen for ebb-flow in %s",
				   l->options.host->config->flow_dir);
	l->deliveries_fd = keep_fd(&fd);
	return 0;
}

static int open_files(struct flowlink *l, struct fault *f)
{
	const char *path = l->options.host->config->flow_dir;

	l->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->directory_fd < 0)
		return fault_errno(f, -errno, "cannot open the directory of schedules %s", path);
	return open_socket(l, f);
}

static const struct program program = {.file = "ebb-flow",
				       .uid = UID_FLOW,
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .on_started = on_started,
				       .on_ended = on_ended};

int flowlink_new(const struct flowlink_options *options, struct flowlink **out, struct fault *f)
{
	struct flowlink *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return fault_errno(f, -ENOMEM, "cannot start ebb-flow");
	l->options = *options;
	l->directory_fd = l->deliveries_fd = -1;
	l->daemon.self = l;
	l->daemon.root_dir = options->host->config->flow_dir;
	r = open_files(l, f);
	if (r == 0)
		r = daemon_start(&l->daemon, &program, options->host, f);
	if (r < 0) {
		flowlink_free(l);
		return r;
	}
	*out = l;
	return 0;
}

void flowlink_free(struct flowlink *l)
{
	if (!l)
		return;
	daemon_kill(&l->daemon);
	fd_close(&l->directory_fd);
	fd_close(&l->deliveries_fd);
	free(l);
}

// SPDX-License-Identifier: Apache-2.0
/* Requests of operators to ebbd by ebb-api: to drain the host, to export an image, and commands in
 * instances. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
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
	if (fleet_take_work(a->fleet))
		apilink_say(a, WIRE_EVENT_NODE_UNDRAINED, "",
			    "services are started as they are wanted");
	apilink_answer(a, d->cookie, 0, "");
	return 0;
}

void apilink_on_drained(void *self)
{
	end_drain(self, 0, "");
}

/* ---- upgrades ---- */

int apilink_on_upgrade(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_node_upgrade *u = (const void *)m->record;

	if (u->how >= WIRE_UPGRADE_COUNT)
		return -EPROTO;
	if (a->upgrade_cookie) {
		apilink_answer(a, u->cookie, -EAGAIN, "another upgrade is under way");
		return 0;
	}
	a->upgrade_cookie = u->cookie;
	a->options.on_upgrade(a->options.self, u->how);
	return 0;
}

void apilink_upgrade_said(struct apilink *a, int error, const char *text)
{
	uint64_t cookie = a->upgrade_cookie;

	a->upgrade_cookie = 0;
	if (cookie)
		apilink_answer(a, cookie, error, text);
}

/* ---- exports ---- */

/* Only the writing end of a pipe is handed on: the exporter must not get anything to read. */
static bool is_pipe_to_write(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) == O_WRONLY && fstat(fd, &st) == 0 &&
	       S_ISFIFO(st.st_mode);
}

void apilink_on_exported(void *self, uint64_t cookie, int err, const char *text)
{
	apilink_answer(self, cookie, err, text);
}

int apilink_on_image_export(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_image_export *job = (const void *)m->record;
	int r;

	if (job->layer_count == 0 || job->layer_count > IMAGE_LAYERS_MAX ||
	    !text_terminated(job->reference, sizeof(job->reference)) ||
	    !is_pipe_to_write(m->fds[0]))
		return -EPROTO;
	if (!apilink_mounts_done(a, job->layers, job->layer_count))
		return WIRE_LATER;
	r = exports_start(&a->exports, job, m->fds[0]);
	if (r < 0)
		apilink_answer(a, job->cookie, r,
			       r == -EBUSY    ? "too many exports are under way; try again"
			       : r == -ENOENT ? "a layer of it is not in the store"
					      : imports_why(r));
	return 0;
}

/* ---- sockets of instances ---- */

/* ebb-api lists them itself, because a list may be long. */
int apilink_on_sockets_get(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_sockets_get *get = (const void *)m->record;
	struct wire_sockets_of answer = {.cookie = get->cookie};
	SCOPED_FD fd = -1;

	if (!text_terminated(get->id, sizeof(get->id)))
		return -EPROTO;
	fd = fleet_sockets_of(a->fleet, get->id);
	if (fd < 0)
		answer.err = -fd;
	daemon_send(&a->daemon, WIRE_SOCKETS_OF, &answer, sizeof(answer), &fd, fd >= 0);
	return 0;
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

/* ---- sites ---- */

int apilink_on_site_put(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_site *site = (const void *)m->record;
	int r = gateways_site(a->gateways, site, &m->fds[0]);

	if (r == -EPROTO)
		return r;
	apilink_answer(a, site->cookie, r, r < 0 ? "there are as many sites as may be (32)" : "");
	return 0;
}

int apilink_on_site_del(void *self, struct wire_message *m)
{
	struct apilink *a = self;
	const struct wire_site_del *del = (const void *)m->record;
	int r;

	if (!text_terminated(del->name, sizeof(del->name)) || !del->name[0])
		return -EPROTO;
	r = gateways_unsite(a->gateways, del->name);
	apilink_answer(a, del->cookie, r, r < 0 ? "there is no such site" : "");
	return 0;
}

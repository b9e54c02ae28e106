// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "runtime/flow/inlets.h"
#include "runtime/flow/page_calls.h"
#include "runtime/flow/pages.h"
#include "runtime/flow/queue_calls.h"
#include "runtime/flow/queues.h"
#include "runtime/flow/workflow_calls.h"
#include "runtime/flow/workflows.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#define RETRY_NS \
	(10 * NS_PER_SEC) /* then a program that cannot write ends, and another one tries */
#define API_QUEUE_MAX 65536

enum { PHASE_NEW = 1, PHASE_SERVING = 2 };

/* ---- the clock ---- */

static int64_t clock_offset_us(void)
{
	return (int64_t)clock_real_us() - (int64_t)(clock_mono_ns() / NS_PER_US);
}

/* A wall clock that is set ends the wait, too (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). */
static void on_clock(struct watch *w, uint32_t events)
{
	struct flow *f = container_of(w, struct flow, clock);
	uint64_t expirations;
	int64_t offset_us;

	(void)events;
	f->armed_us = 0;
	if (read(w->fd, &expirations, sizeof(expirations)) >= 0 || errno != ECANCELED)
		return; /* settle sees what is due */
	offset_us = clock_offset_us();
	schedules_clock_set(f, offset_us - f->clock_offset_us);
	f->expire_us = f->work_expire_us = 0; /* of the clock before */
	f->clock_offset_us = offset_us;
}

static int open_clock(struct flow *f)
{
	f->clock_offset_us = clock_offset_us();
	f->clock = (struct watch){.fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK),
				  .on_ready = on_clock,
				  .name = "flow on_clock"};
	return f->clock.fd < 0 ? -errno : loop_watch(f->loop, &f->clock, EPOLLIN);
}

/* The one timer: the next thing that is due, or nothing. */
static void arm(struct flow *f)
{
	const char *why;
	uint64_t plan_us = heap_first_key(&f->plans), run_us = heap_first_key(&f->waiting);
	uint64_t push_us = heap_first_key(&f->pushes_due), expiry_us = queues_expiry(f);
	uint64_t due_us = f->deliveries < DELIVERIES_MAX && run_us < plan_us ? run_us : plan_us;
	struct itimerspec at = {0};

	if (f->push_count < PUSHES_MAX && f->push_bytes < PUSH_BYTES_MAX && push_us < due_us)
		due_us = push_us;
	if (expiry_us < due_us)
		due_us = expiry_us;
	if (workflows_expiry(f) < due_us)
		due_us = workflows_expiry(f);

	if (!f->known || due_us == HEAP_EMPTY || store_broken(f->store, &why))
		due_us = 0;
	if (due_us == f->armed_us)
		return;
	f->armed_us = due_us;
	at.it_value.tv_sec = (time_t)(due_us / US_PER_SEC);
	at.it_value.tv_nsec = (long)(due_us % US_PER_SEC * NS_PER_US);
	must(timerfd_settime(f->clock.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL) ==
	     0);
}

/* ---- behind each event ---- */

/* Those that somebody started by hand hear of it when their run is durable. */
static void answer_runs(struct flow *f, int err)
{
	struct run *r;

	chain_each(r, &f->runs, all) {
		if (r->cookie)
			tell_result(f, r->cookie, err,
				    err ? "its store cannot be written" : r->is.id);
		r->cookie = 0;
	}
}

static void on_broken(struct flow *f)
{
	const char *why;
	int err = store_broken(f->store, &why);

	if (f->broken_said)
		return;
	f->broken_said = true;
	f->totals.broken = 1;
	log_error(
		"event=store_broken err=%d why=\"%s\" mend=\"free or replace the disk; no schedule "
		"is begun until ebb-flow starts again\"",
		err, why);
	(void)loop_timer_at(f->loop, &f->retry, clock_mono_ns() + RETRY_NS);
}

/* Makes durable what there is, and begins it or tells of it. */
static int settle_once(struct flow *f, uint64_t now_us)
{
	uint64_t begun_ns;
	int r;

	schedules_plan(f, now_us);
	runs_take(f, now_us);
	pushes_take(f, now_us);
	queues_expire(f, now_us);
	workflows_expire(f, now_us);
	conns_answer_woken(f);
	begun_ns = clock_thread_ns();
	r = store_commit(f->store);
	f->uncommitted = 0;
	answer_runs(f, r < 0 ? -r : 0);
	inlets_answer(f, r, clock_thread_ns() - begun_ns);
	if (r == 0) {
		runs_deliver(f);
		pushes_deliver(f);
		return store_commit(f->store); /* of those that nobody took */
	}
	runs_put_back(f);
	pushes_put_back(f);
	return r;
}

/* A run that is due is written down, made durable, and only then begun. */
static void settle(void *self)
{
	struct flow *f = self;

	if (!f->store || loop_has_more(f->loop))
		return; /* one commit for all that came in this round */
	if (settle_once(f, clock_real_us()) < 0)
		on_broken(f);
	arm(f);
	if (memcmp(&f->totals, &f->totals_said, sizeof(f->totals)) != 0)
		tell_totals(f);
}

static void on_retry(struct timer *t)
{
	struct flow *f = container_of(t, struct flow, retry);

	if (f->deliveries == 0 && f->push_count == 0)
		loop_stop(f->loop, -EIO);
	else
		(void)loop_timer_at(f->loop, &f->retry, clock_mono_ns() + RETRY_NS);
}

/* ---- the channels ---- */

/* SQLite wants a path. The directory is this process's root, so it is entered as "/": the
 * descriptor comes from the mount namespace of ebbd, and a directory entered by it has no path
 * here. Sanitizer builds keep the host's root and use the descriptor. */
static int enter_directory(const struct flow *f)
{
	struct stat root, dir;

	if (stat("/", &root) < 0 || fstat(f->dir_fd, &dir) < 0)
		return -errno;
	if (root.st_dev == dir.st_dev && root.st_ino == dir.st_ino)
		return chdir("/") < 0 ? -errno : 0;
	return fchdir(f->dir_fd) < 0 ? -errno : 0;
}

static int open_store(struct flow *f)
{
	char why[256] = "";
	int r = enter_directory(f);

	if (r == 0)
		r = store_open(&f->store, why);
	if (r == 0 && fsync(f->dir_fd) < 0)
		r = -errno;
	if (r == 0)
		r = runs_load(f);
	if (r == 0)
		r = queues_load(f);
	if (r == 0)
		r = workflows_load(f);
	if (r < 0)
		log_error("event=store_unusable err=%d why=\"%s\"", -r, why);
	return r;
}

/* ebb-api is away: its schedules stay, and it says all of them again. */
static void on_api_lost(struct wire_link *link, int err)
{
	struct flow *f = link->self;

	f->saying.count = f->saying.triggers = 0;
	if (err < 0 && err != -EPIPE)
		log_error("event=api_dropped err=%d", -err);
}

static int take_api(struct flow *f, int *fd)
{
	struct run *r;

	wire_link_close(&f->api);
	f->saying.count = f->saying.triggers = 0;
	chain_each(r, &f->runs, all)
		r->cookie = 0; /* of the one before */
	f->api = (struct wire_link){.name = "ebb-api",
				    .rules = told_rules,
				    .rule_count = told_rule_count,
				    .phase = 1,
				    .self = f,
				    .lost = on_api_lost,
				    .queue_max = API_QUEUE_MAX};
	return wire_link_open(&f->api, f->loop, keep_fd(fd));
}

static int on_config(void *self, struct wire_message *m)
{
	struct flow *f = self;
	int r;

	if (f->control.phase == PHASE_SERVING) /* only ebb-api is new, not this process */
		return take_api(f, &m->fds[1]);
	f->dir_fd = keep_fd(&m->fds[0]);
	r = open_store(f);
	if (r == 0)
		r = take_api(f, &m->fds[1]);
	if (r < 0)
		return r;
	f->control.phase = PHASE_SERVING;
	return wire_link_send(&f->control, WIRE_FLOW_READY, NULL, 0, NULL, 0);
}

static int on_bindings(void *self, struct wire_message *m)
{
	return inlets_put(self, (const void *)m->record, m->fds, m->fd_count);
}

static int on_bindings_gone(void *self, struct wire_message *m)
{
	const struct wire_bindings_gone *gone = (const void *)m->record;

	inlets_gone(self, gone->slot, gone->generation);
	return 0;
}

static const struct wire_rule control_rules[] = {
	{WIRE_FLOW_CONFIG, 0, PHASE_NEW | PHASE_SERVING, 2, 2, on_config},
	{WIRE_BINDINGS, sizeof(struct wire_bindings), PHASE_SERVING, 1, BINDINGS_MAX, on_bindings},
	{WIRE_BINDINGS_GONE, sizeof(struct wire_bindings_gone), PHASE_SERVING, 0, 0,
	 on_bindings_gone},
};

static void on_lost(struct wire_link *link, int err)
{
	struct flow *f = link->self;

	loop_stop(f->loop, err == -EPIPE ? 0 : err);
}

/* ---- requests of instances ---- */

static void on_call(struct conn *c, const struct http_head *head)
{
	if (workflow_is_path(head->path))
		workflow_call(c, head);
	else if (page_is_path(head->path))
		page_call(c, head);
	else
		queue_call(c, head);
}

/* ---- life cycle ---- */

static void flow_free(struct flow *f)
{
	struct run *r;

	wire_link_close(&f->control);
	wire_link_close(&f->api);
	chain_each(r, &f->runs, all)
		run_free(f, r);
	schedules_free(f);
	inlets_free(f);
	pushes_free(f);
	queues_free(f);
	triggers_free(f);
	workflows_free(f);
	free(f->head);
	heap_fini(&f->waiting);
	store_close(f->store);
	pages_close(f->pages);
	if (f->loop) {
		loop_timer_off(f->loop, &f->retry);
		loop_unwatch(f->loop, &f->clock);
	}
	fd_close(&f->clock.fd);
	fd_close(&f->dir_fd);
	loop_free(f->loop);
	free(f);
}

static int serve(struct flow *f, int control_fd)
{
	int r = loop_new(&f->loop);

	if (r == 0)
		r = open_clock(f);
	if (r == 0)
		r = wire_link_open(&f->control, f->loop, control_fd);
	if (r < 0)
		return r;
	loop_behind(f->loop, settle, f);
	return loop_run(f->loop);
}

int flow_run(int control_fd)
{
	struct flow *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->dir_fd = f->clock.fd = -1;
	chain_init(&f->runs);
	chain_init(&f->topics);
	chain_init(&f->triggers);
	chain_init(&f->pushes);
	chain_init(&f->inlets);
	chain_init(&f->answers);
	chain_init(&f->workspaces);
	chain_init(&f->parked);
	f->work_first_us = HEAP_EMPTY;
	f->greet = triggers_greet;
	f->call = on_call;
	f->head = malloc(sizeof(*f->head));
	if (!f->head) {
		free(f);
		return -ENOMEM;
	}
	f->retry = (struct timer){.on_due = on_retry, .name = "flow on_retry"};
	f->control = (struct wire_link){.name = "ebbd",
					.rules = control_rules,
					.rule_count = ARRAY_LEN(control_rules),
					.phase = PHASE_NEW,
					.self = f,
					.lost = on_lost,
					.ends_on_failure = true};
	r = serve(f, control_fd);
	flow_free(f);
	return r;
}

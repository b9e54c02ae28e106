// SPDX-License-Identifier: Apache-2.0
/* The zygote, which makes sandboxes: started, and started again when it died. */
#include "runtime/supervisor/ebbd.h"

#include <sys/epoll.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"

/* A dead zygote is started again soon; if that fails, now and then. */
#define REVIVE_FIRST_NS (50 * NS_PER_MS)
#define REVIVE_AGAIN_NS NS_PER_SEC
#define INIT_PATH_SIZE  (CONFIG_PATH_SIZE + 16)

static struct sandbox_options options_of(const struct ebbd *e, char init[INIT_PATH_SIZE])
{
	(void)text_format(init, INIT_PATH_SIZE, "%s/ebb-init", e->config.libexec_dir);
	return (struct sandbox_options){
		.init_path = init,
		.policy_path = e->config.seccomp_policy,
		.id_base = (uint32_t)e->config.id_base,
		.fail_step = SANDBOX_STEP_COUNT,
		.hostname = "ebb",
	};
}

int ebbd_start_zygote(struct ebbd *e, struct fault *f)
{
	char init[INIT_PATH_SIZE];
	const struct sandbox_options sandbox = options_of(e, init);

	return zygote_start(&sandbox, &e->zygote, f);
}

static void forget(struct ebbd *e)
{
	if (e->newborn.on_ready)
		loop_unwatch(e->loop, &e->newborn);
	e->newborn.fd = -1;
	zygote_stop(e->zygote);
	e->zygote = NULL;
}

static void not_revived(struct ebbd *e, struct fault *fault, int r)
{
	char text[FAULT_TEXT_SIZE], quoted[2 * FAULT_TEXT_SIZE];

	forget(e);
	fault_errno(fault, r, "the zygote cannot be started again");
	fault_text(fault, text);
	log_error("event=zygote_failed cause=%s", log_quote(quoted, sizeof(quoted), text));
	fleet_cannot_start(e->fleet, text);
	(void)loop_timer_at(e->loop, &e->revive, clock_mono_ns() + REVIVE_AGAIN_NS);
}

static void on_newborn(struct watch *w, uint32_t events)
{
	struct ebbd *e = container_of(w, struct ebbd, newborn);
	struct fault fault = {0};
	int r = zygote_await(e->zygote, &fault);

	loop_unwatch(e->loop, w);
	w->fd = -1;
	if (e->stopping)
		return;
	if (r == 0)
		r = fleet_revive(e->fleet, e->zygote);
	if (r < 0)
		not_revived(e, &fault, r);
	else
		log_info("event=zygote_started");
}

/* The new zygote is forked from an ebbd that has grown, so it clones a little more slowly. Nothing
 * waits for the 50 ms of its preparation: on_newborn hears when it is ready. */
static void on_revive(struct timer *t)
{
	struct ebbd *e = container_of(t, struct ebbd, revive);
	char init[INIT_PATH_SIZE];
	const struct sandbox_options sandbox = options_of(e, init);
	struct fault fault = {0};
	int r;

	if (e->stopping)
		return;
	r = zygote_begin(&sandbox, &e->zygote, &fault);
	if (r == 0) {
		e->newborn = (struct watch){.fd = zygote_fd(e->zygote),
					    .on_ready = on_newborn,
					    .name = "ebbd on_newborn"};
		r = loop_watch(e->loop, &e->newborn, EPOLLIN);
	}
	if (r < 0)
		not_revived(e, &fault, r);
}

void ebbd_end_zygote(struct ebbd *e)
{
	if (e->loop)
		loop_timer_off(e->loop, &e->revive);
	forget(e);
}

void ebbd_on_starts(void *self, bool can)
{
	struct ebbd *e = self;

	if (can || e->stopping)
		return;
	log_warn("event=program_died program=zygote");
	e->host.say(e->host.self, WIRE_EVENT_PROGRAM_DIED,
		    "the zygote, which makes sandboxes, ended; it is started again");
	forget(e);
	e->revive.on_due = on_revive;
	e->revive.name = "ebbd on_revive";
	(void)loop_timer_at(e->loop, &e->revive, clock_mono_ns() + REVIVE_FIRST_NS);
}

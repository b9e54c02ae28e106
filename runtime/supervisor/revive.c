// SPDX-License-Identifier: Apache-2.0
/* The zygote, which makes sandboxes: started, and started again when it died. */
#include "runtime/supervisor/ebbd.h"

#include <errno.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"

/* A dead zygote is started again soon; if that fails, now and then. */
#define REVIVE_FIRST_NS (50 * NS_PER_MS)
#define REVIVE_AGAIN_NS NS_PER_SEC

int ebbd_start_zygote(struct ebbd *e, struct fault *f)
{
	char init[CONFIG_PATH_SIZE + 16];
	struct sandbox_options sandbox = {
		.init_path = init,
		.policy_path = e->config.seccomp_policy,
		.id_base = (uint32_t)e->config.id_base,
		.fail_step = SANDBOX_STEP_COUNT,
		.hostname = "ebb",
	};

	(void)text_format(init, sizeof(init), "%s/ebb-init", e->config.libexec_dir);
	return zygote_start(&sandbox, &e->zygote, f);
}

/* The new one is forked from an ebbd that has grown, so it clones a little more slowly. */
static void on_revive(struct timer *t)
{
	struct ebbd *e = container_of(t, struct ebbd, revive);
	char text[FAULT_TEXT_SIZE], quoted[2 * FAULT_TEXT_SIZE];
	struct fault fault = {0};
	int r = e->stopping ? -ECANCELED : ebbd_start_zygote(e, &fault);

	if (r == 0)
		r = fleet_revive(e->fleet, e->zygote);
	if (r == 0) {
		log_info("event=zygote_started");
		return;
	}
	if (e->stopping)
		return;
	zygote_stop(e->zygote);
	e->zygote = NULL;
	fault_errno(&fault, r, "the zygote cannot be started again");
	fault_text(&fault, text);
	log_error("event=zygote_failed cause=%s", log_quote(quoted, sizeof(quoted), text));
	fleet_cannot_start(e->fleet, text);
	(void)loop_timer_at(e->loop, &e->revive, clock_mono_ns() + REVIVE_AGAIN_NS);
}

void ebbd_on_starts(void *self, bool can)
{
	struct ebbd *e = self;

	if (can || e->stopping)
		return;
	log_warn("event=program_died program=zygote");
	e->host.say(e->host.self, WIRE_EVENT_PROGRAM_DIED,
		    "the zygote, which makes sandboxes, ended; it is started again");
	zygote_stop(e->zygote);
	e->zygote = NULL;
	e->revive.on_due = on_revive;
	e->revive.name = "ebbd on_revive";
	(void)loop_timer_at(e->loop, &e->revive, clock_mono_ns() + REVIVE_FIRST_NS);
}

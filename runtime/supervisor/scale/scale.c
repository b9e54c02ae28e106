// SPDX-License-Identifier: Apache-2.0
/* How many instances a service has: carries out the policy's decision. */
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/decide/policy.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/start.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/scale/choice.h"
#include "runtime/supervisor/scale/evict.h"
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/scale.h"

#define LOOK_SOON_NS      (10 * NS_PER_MS) /* for one that is about to freeze */
#define STARTS_TURN       64               /* more of them begin in the next one */
#define PASS_PART_NS      (5 * NS_PER_MS)
#define SAY_AGAIN_NS      (5 * NS_PER_SEC)
#define SAY_SAME_AGAIN_NS (60 * NS_PER_SEC)

static void count_instances(struct fleet *f, const struct spec *spec, struct policy_view *view)
{
	const struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		if (i->spec != spec || i->ahead)
			continue;
		if (i->state == INSTANCE_WAITING || i->state == INSTANCE_STARTING)
			view->starting++;
		else if (instance_is_up(i)) {
			view->live++;
			view->saturated += i->load.state.cause != LOAD_NONE;
		}
	}
}

/* A variant without a share, and so without requests of its own, starts only when it is asked. */
static bool is_idle(const struct service *service)
{
	return service->variant && service->share_permille == 0;
}

static struct policy_view look(struct fleet *f, const struct service *service,
			       const struct spec *spec)
{
	const struct wire_service_put *put = &spec->put;
	uint32_t least = is_idle(service) ? 0 : put->instances_min;
	struct policy_view view = {
		.min = least ? least : service->demand.proving,
		.max = put->instances_max,
		.concurrency = spec_limit_first(spec),
		.crowded = service->demand.crowded,
		.host_room = evict_room(f, service),
		.unbilled = !tell_kept_up(&f->ground),
		.draining = f->draining,
		.proving = least == 0 && service->demand.proving,
		.not_before_ns = service->demand.not_before_ns,
		.now_ns = loop_now_ns(f->ground.loop),
	};

	for (uint32_t g = 0; g < GATEWAYS_MAX; g++)
		view.queued += service->demand.queued[g];
	count_instances(f, spec, &view);
	must(view.saturated <= view.live && view.live + view.starting <= f->ground.count);
	return view;
}

/* ---- events about it ---- */

/* The numbers that decided, for people. */
static void say_view(const struct policy_view *v, enum policy_reason reason, char *out, size_t size)
{
	(void)text_format(out, size,
			  "%s: %u requests wait, %u of %u live ones saturated, %u starting, "
			  "max %u, %u requests each",
			  policy_reason_text(reason), v->queued, v->saturated, v->live, v->starting,
			  v->max, v->concurrency);
}

/* A start that is wanted and not made: at once, then now and then. */
static void say_no_start(struct fleet *f, struct service *service, const struct policy_view *v,
			 enum policy_reason reason)
{
	uint64_t now_ns = loop_now_ns(f->ground.loop);
	char numbers[300];

	if (service->told.start == reason && now_ns - service->told.start_ns < SAY_SAME_AGAIN_NS)
		return;
	service->told.start = reason;
	service->told.start_ns = now_ns;
	say_view(v, reason, numbers, sizeof(numbers));
	service_say(&f->ground, service, WIRE_EVENT_START_REFUSED,
		    "no instance is started: %s%s%.150s", numbers,
		    reason == POLICY_BACKING_OFF ? "; " : "",
		    reason == POLICY_BACKING_OFF ? service->demand.last_failure : "");
}

static void say_refused(struct fleet *f, struct service *service)
{
	const uint32_t *n = service->told.refused;
	uint64_t now_ns = loop_now_ns(f->ground.loop);

	if (n[REFUSED_FULL] + n[REFUSED_LATE] + n[REFUSED_NACKED] + n[REFUSED_NO_START] == 0)
		return;
	if (service->told.refused_ns && now_ns - service->told.refused_ns < SAY_AGAIN_NS) {
		scale_again_at(f, service->told.refused_ns + SAY_AGAIN_NS);
		return;
	}
	service_say(&f->ground, service, WIRE_EVENT_REQUESTS_REFUSED,
		    "503 OVERLOADED: %u as the queue was full, %u waited longer than allowed, %u "
		    "given back by every instance, %u as none could be started",
		    n[REFUSED_FULL], n[REFUSED_LATE], n[REFUSED_NACKED], n[REFUSED_NO_START]);
	memset(service->told.refused, 0, sizeof(service->told.refused));
	service->told.refused_ns = now_ns;
}

void scale_refused(struct fleet *f, struct service *service, const uint32_t counts[REFUSED_KINDS])
{
	for (uint32_t k = 0; k < REFUSED_KINDS; k++)
		service->told.refused[k] += counts[k];
	say_refused(f, service);
}

bool scale_fall_back(struct fleet *f, struct service *service)
{
	struct policy_view view;
	struct policy_decision decision;

	if (!service->proven || service->demand.failures == 0)
		return false;
	view = look(f, service, service->proven);
	view.min = 0;
	view.not_before_ns = 0; /* one that fails is the last */
	decision = policy_decide(&view);
	for (uint32_t n = 0; n < decision.start; n++)
		if (instance_new(
			    &f->ground, service, service->proven, false,
			    "the present revision fails to start: one more of the one before") == 0)
			view.starting++;
	/* If no request waits there is nothing to refuse: a gateway tells of the next one, and that
	 * starts an instance. */
	return view.live + view.starting > 0 || view.queued == 0;
}

/* Nothing can be started, and nothing that runs or starts will come to help: say so at once. */
static void refuse(struct fleet *f, struct service *service, const struct policy_view *view,
		   enum policy_reason reason)
{
	struct wire_start_failed record = {.service = service->index,
					   .cause = WIRE_DOWN_FAILED_TO_START};
	uint32_t refused[REFUSED_KINDS] = {[REFUSED_NO_START] = view->queued};

	if (view->live + view->starting > 0 || view->queued == 0 || scale_fall_back(f, service))
		return;
	record.retry_after_s = policy_retry_after_s(view, reason);
	if (reason == POLICY_BACKING_OFF)
		(void)text_copy(record.text, sizeof(record.text), service->demand.last_failure);
	else
		(void)text_copy(record.text, sizeof(record.text), policy_reason_text(reason));
	memset(service->demand.queued, 0, sizeof(service->demand.queued));
	tell_start_failed(&f->ground, &record);
	scale_refused(f, service, refused);
}

static int start_one(struct fleet *f, struct service *service, const char *why)
{
	return start_prepared(&f->ground, service, why)
		       ? 0
		       : instance_new(&f->ground, service, service->spec, false, why);
}

/* A service that has no instance gets one ahead of need, as far as armed sandboxes go. */
static void prepare_cold(struct fleet *f, struct service *service)
{
	uint32_t ahead = 0, own = 0;
	const struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		ahead += i->ahead;
		own += i->spec == service->spec;
	}
	if (own == 0 && !f->draining && !is_idle(service) && ahead < f->options.armed &&
	    evict_room(f, service) > 0 && !service->demand.unpreparable && evict_spares(f))
		(void)instance_new(&f->ground, service, service->spec, true, "");
}

void scale_service(struct fleet *f, struct service *service)
{
	struct policy_view view;
	struct policy_decision decision;
	char why[300];
	int r = 0;

	if (f->stopping || !service->spec)
		return;
	view = look(f, service, service->spec);
	decision = policy_decide(&view);
	service->demand.crowded = 0;
	if (decision.start > 0) {
		service->told.start = POLICY_NOTHING_NEEDED; /* the next refusal is news */
		say_view(&view, decision.reason, why, sizeof(why));
		evict_to_reserve(f, service);
	}
	if (decision.start > STARTS_TURN) {
		decision.start = STARTS_TURN;
		scale_again_at(f, view.now_ns);
	}
	must(decision.start <= view.host_room && decision.reason < POLICY_REASON_COUNT);
	for (uint32_t n = 0; r == 0 && n < decision.start; n++)
		r = start_one(f, service, why);
	if (r < 0) {
		(void)text_format(service->demand.last_failure,
				  sizeof(service->demand.last_failure),
				  "cannot start an instance: %s", strerror(-r));
		refuse(f, service, &view, POLICY_BACKING_OFF);
	} else if (decision.reason == POLICY_HOST_FULL && evict_for(f, service)) {
		scale_again_at(f, view.now_ns + SAY_AGAIN_NS); /* the room comes before that */
	} else if (decision.reason == POLICY_HOST_FULL && evict_soon(f, service)) {
		scale_again_at(f, view.now_ns + LOOK_SOON_NS);
	} else if (decision.start == 0 && decision.reason != POLICY_NOTHING_NEEDED) {
		say_no_start(f, service, &view, decision.reason);
		if (decision.reason == POLICY_BACKING_OFF && view.min > 0)
			scale_again_at(f, service->demand.not_before_ns);
		refuse(f, service, &view, decision.reason);
	}
	start_waiting(&f->ground);
}

void scale_replace(struct instance *i, const char *why)
{
	struct fleet *f = fleet_of(i);
	struct service *service = services_at(f->ground.services, i->service);
	struct policy_view view;

	if (!service || service->spec != i->spec || f->stopping || f->draining)
		return;
	view = look(f, service, service->spec);
	if (view.live + view.starting == 0 && view.host_room > 0 && !view.unbilled)
		(void)start_one(f, service, why);
	scale_service(f, service);
}

void scale_again_at(struct fleet *f, uint64_t due_ns)
{
	if (!f->stopping)
		(void)loop_timer_by(f->ground.loop, &f->rescale, due_ns);
}

/* One step of a pass, which looks at all services twice: first for needed instances, then for
 * instances ahead of need, which take of the room that is left. */
static void pass_step(struct fleet *f)
{
	bool needed = f->pass_left > SERVICES_MAX;
	struct service *service =
		services_at(f->ground.services, (2 * SERVICES_MAX - f->pass_left) % SERVICES_MAX);
	uint64_t again_ns;

	f->pass_left--;
	if (service && needed) {
		scale_service(f, service);
		say_refused(f, service);
		again_ns = choice_say_due(f, service);
		if (again_ns)
			scale_again_at(f, again_ns);
	} else if (service && !f->stopping) {
		prepare_cold(f, service);
	}
}

/* A part of a pass: each service looks at all instances, and with a thousand of both that takes
 * longer than a handler may. */
static void pass_on(struct fleet *f)
{
	uint64_t until_ns = clock_mono_ns() + PASS_PART_NS;

	while (f->pass_left > 0 && clock_mono_ns() < until_ns)
		pass_step(f);
	if (f->pass_left == 0) {
		start_waiting(&f->ground);
		if (!f->pass_again)
			return;
		f->pass_again = false;
		f->pass_left = 2 * SERVICES_MAX;
	}
	(void)loop_timer_at(f->ground.loop, &f->pass, loop_now_ns(f->ground.loop));
}

void scale_on_pass(struct timer *t)
{
	pass_on(container_of(t, struct fleet, pass));
}

/* While a pass goes on, one more follows it: its last services get their turn too. */
void scale_on_due(struct timer *t)
{
	struct fleet *f = container_of(t, struct fleet, rescale);

	if (f->pass_left > 0) {
		f->pass_again = true;
		return;
	}
	f->pass_left = 2 * SERVICES_MAX;
	pass_on(f);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Whether an instance without work may be frozen, and when it must be thawed again for its timers.
 *
 * ebbd looks twice: before the freeze, to decide, and when the instance stands still, because only
 * then its threads' waits cannot change any more. idle.h decides; look.h and cpu.stat see.
 */
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/freeze/quiet.h"
#include "runtime/supervisor/freeze/talking.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/waking.h"

#define PATIENCE_FIRST_NS QUIET_WINDOW_NS
#define PATIENCE_MOST_NS  NS_PER_SEC
/* Ticks are told apart anew now and then: a program may have begun to work in them. */
#define VERIFY_AGAIN_NS (30 * NS_PER_SEC)
/* Looks that take longer than is usual are a fifth of ebbd's time at most, all of them together. */
#define PART_USUAL_NS (NS_PER_MS / 2)
#define PART_PAUSE    4

static bool fires(const struct instance *i)
{
	return i->spec->put.timers != WIRE_TIMERS_LATE;
}

/* Runtimes of ours wait only for timers that their program set. */
static bool has_housekeeping(const struct instance *i)
{
	return i->spec->put.timers == WIRE_TIMERS_AUTO &&
	       !(i->spec->put.flags & WIRE_SERVICE_OWN_RUNTIME);
}

void quiet_sample(struct instance *i)
{
	struct cgroup_cpu cpu;

	if (cgroup_cpu(&i->cgroup, &cpu) < 0)
		return;
	i->idle.cpu_us = cpu.usage_us;
	i->idle.sampled_ns = clock_mono_ns();
}

/* Closes the window of CPU that began after the last piece of work, if it is long enough. */
static bool window_closed(struct instance *i, uint64_t idle_since_ns, uint64_t *again_ns)
{
	struct idleness *idle = &i->idle;
	uint64_t began_ns = idle->sampled_ns, before_us = idle->cpu_us;

	if (began_ns > idle_since_ns && clock_mono_ns() - began_ns < QUIET_WINDOW_NS) {
		*again_ns = began_ns + QUIET_WINDOW_NS;
		return false;
	}
	quiet_sample(i);
	if (began_ns <= idle_since_ns) {
		idle->patience_ns = PATIENCE_FIRST_NS; /* there was work since */
		idle->reason = IDLE_QUIET;
		*again_ns = idle->sampled_ns + QUIET_WINDOW_NS;
		return false;
	}
	idle->used_us = idle->cpu_us - before_us;
	idle->window_ns = idle->sampled_ns - began_ns;
	return true;
}

static uint64_t budget_ns(const struct instance *i, uint64_t now_ns)
{
	const struct service *s = services_at(i->ground->services, i->service);

	if (!s || s->demand.timer_thaws < TIMER_BUDGET ||
	    now_ns - s->demand.timer_second_ns > NS_PER_SEC)
		return 0;
	return s->demand.timer_second_ns + NS_PER_SEC;
}

static void spend_budget(const struct instance *i, uint64_t now_ns)
{
	struct service *s = services_at(i->ground->services, i->service);

	if (!s)
		return;
	if (now_ns - s->demand.timer_second_ns > NS_PER_SEC) {
		s->demand.timer_second_ns = now_ns;
		s->demand.timer_thaws = 0;
	}
	s->demand.timer_thaws++;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* When it had work last. A thaw for a timer also sets the board's idle_since_ns, but is no work:
 * the timer may be a tick. */
static uint64_t worked_ns(struct idleness *idle, uint64_t idle_since_ns)
{
	if (!idle->by_timer || idle_since_ns > idle->since_ns + NS_PER_MS)
		idle->worked_ns = idle_since_ns > idle->since_ns ? idle_since_ns : idle->since_ns;
	return idle->worked_ns;
}

/* Runs one part of a look. The instance caused the time that the look takes, so the time is counted
 * for the instance. After an unusually long part no unfinished look of any instance goes on before
 * a pause (PART_PAUSE). */
static int look_part(struct instance *i, const struct look_request *q)
{
	uint64_t begun_ns = clock_mono_ns(), now_ns, spent_ns;
	int r = look_some(&i->idle.run, q, &i->idle.notes, &i->idle.look);

	now_ns = clock_mono_ns();
	spent_ns = now_ns - begun_ns;
	must((r > 0) == (i->idle.run != NULL)); /* an unfinished look goes on */
	i->idle.spent_ns += spent_ns;
	if (r <= 0 && spent_ns < PART_USUAL_NS)
		return r;
	i->idle.part_ns = most(now_ns + PART_PAUSE * spent_ns, i->ground->parts_from_ns);
	i->ground->parts_from_ns = i->idle.part_ns;
	return r;
}

static int look(struct instance *i, uint64_t idle_since_ns, bool frozen)
{
	struct idleness *idle = &i->idle;
	uint64_t now_ns = clock_mono_ns();
	struct look_request q = {.cgroup = &i->cgroup,
				 .init_pid = i->armed.pid,
				 .since_ns = idle->since_ns,
				 .quiet_since_ns = worked_ns(idle, idle_since_ns),
				 .housekeeping = has_housekeeping(i),
				 .by_name = i->spec->put.timers != WIRE_TIMERS_FIRE,
				 .verify = !frozen && now_ns - idle->verified_ns > VERIFY_AGAIN_NS,
				 .frozen = frozen};
	struct look_io before = idle->look.io;
	int r = look_part(i, &q);

	if (r != 0 || frozen)
		return r;
	if (idle->io_ns > q.quiet_since_ns)
		idle->ticks_work = look_io_moved(&before, &idle->look.io);
	idle->io_ns = now_ns;
	if (q.verify && idle->look.tick.to_ns != LOOK_NEVER)
		idle->verified_ns = now_ns;
	return 0;
}

void quiet_end(struct instance *i)
{
	look_run_free(i->idle.run);
	i->idle.run = NULL;
}

/* False: the look is not through yet. */
static bool looked(struct instance *i, uint64_t idle_since_ns, uint64_t *again_ns, int *out)
{
	struct idleness *idle = &i->idle;

	if (clock_mono_ns() < idle->part_ns)
		*out = 1;
	else
		*out = look(i, idle_since_ns, false);
	if (*out <= 0)
		return true;
	idle->reason = IDLE_LOOKING;
	*again_ns = idle->part_ns;
	return false;
}

/* Connections are looked at last, because that look costs most: when nothing else speaks against a
 * freeze. */
static struct idle_decision decide(struct instance *i, struct idle_view *view)
{
	struct idle_decision decision = idle_decide(view);

	if (decision.reason != IDLE_QUIET || decision.late)
		return decision;
	view->talks = talking(i);
	decision = idle_decide(view);
	if (view->talks && decision.reason == IDLE_QUIET)
		talking_settle(i);
	return decision;
}

bool quiet_enough(struct instance *i, uint64_t *again_ns)
{
	struct idleness *idle = &i->idle;
	struct board_slot *slot = board_slot(i->ground->board, i->slot);
	struct idle_view view = {
		.idle_since_ns = atomic_load(&slot->idle_since_ns),
		.thawed_ns = idle->since_ns,
		.limit_ns = i->spec->put.max_duration_ms * NS_PER_MS,
		.fire = fires(i),
		.look = &idle->look,
	};
	struct idle_decision decision;
	int r;

	must(i->state == INSTANCE_RUNNING);
	if (!idle->run && !window_closed(i, view.idle_since_ns, again_ns))
		return false;
	if (!idle->run)
		waking_begin(i);
	if (!looked(i, view.idle_since_ns, again_ns, &r))
		return false;
	if (r < 0)
		return true; /* nothing can be seen of it; it dies, or freezing will fail */
	view.locked = idle->look.lock.pid > 0;
	view.ticks_work = idle->ticks_work;
	view.used_us = idle->used_us;
	view.window_ns = idle->window_ns;
	view.now_ns = clock_mono_ns();
	view.patience_ns = idle->patience_ns;
	view.budget_ns = budget_ns(i, view.now_ns);
	decision = decide(i, &view);
	idle->reason = decision.reason;
	idle->late = decision.late;
	/* A reason with a known end ended then, even if nobody looked at that moment. */
	meter_background(i, view.idle_since_ns, decision.busy ? view.now_ns : idle->busy_until_ns);
	idle->busy_until_ns = decision.until_ns;
	if (decision.reason == IDLE_QUIET)
		return true;
	*again_ns = decision.again_ns;
	idle->patience_ns *= 2;
	if (idle->patience_ns > PATIENCE_MOST_NS)
		idle->patience_ns = PATIENCE_MOST_NS;
	return false;
}

void quiet_frozen(struct instance *i)
{
	struct idleness *idle = &i->idle;
	uint64_t now_ns = clock_mono_ns();

	must(i->state == INSTANCE_FROZEN);
	idle->wake_ns = LOOK_NEVER;
	if (!fires(i) || look(i, idle->since_ns, true) != 0)
		return;
	idle->late |= idle->look.crowded;
	if (idle->by_hand && idle->look.soon.to_ns < now_ns + TIMER_PAYS_NS)
		idle->late = true;
	if (idle->late)
		return;
	if (idle->look.unknown_pid > 0 && !idle->by_hand) /* made since it was decided */
		idle->look.first = (struct look_due){.from_ns = now_ns,
						     .to_ns = now_ns,
						     .tid = idle->look.unknown_pid,
						     .what = "POSIX timer"};
	idle->wake_ns = idle_wake_ns(idle->look.first.from_ns);
}

bool quiet_wake_granted(struct instance *i, uint64_t *due_ns)
{
	struct service *s = services_at(i->ground->services, i->service);
	uint64_t now_ns = clock_mono_ns();

	if (!s)
		return true;
	if (now_ns - s->demand.wake_second_ns > NS_PER_SEC) {
		s->demand.wake_second_ns = now_ns;
		s->demand.wakes = 0;
	}
	*due_ns = s->demand.wake_second_ns + NS_PER_SEC + 1;
	if (s->demand.wakes >= WAKE_BUDGET)
		return false;
	s->demand.wakes++;
	return true;
}

void quiet_thawed(struct instance *i, uint64_t since_ns, enum thawed_for what)
{
	struct idleness *idle = &i->idle;

	quiet_end(i);
	idle->since_ns = since_ns;
	idle->patience_ns = PATIENCE_FIRST_NS;
	idle->late = idle->by_hand = idle->wake_owed = false;
	idle->by_timer = what == THAWED_FOR_TIMER;
	idle->by_wake = what == THAWED_FOR_NETWORK;
	idle->reason = IDLE_QUIET;
	idle->stuck_tid = 0;
	idle->busy_until_ns = 0;
	if (idle->by_timer) {
		idle->timer_thaws++;
		spend_budget(i, since_ns);
	}
	if (what != THAWED_FOR_WORK)
		quiet_sample(i);
}

void quiet_forget(struct instance *i)
{
	quiet_end(i);
	look_notes_free(i->idle.notes);
	i->idle.notes = NULL;
}

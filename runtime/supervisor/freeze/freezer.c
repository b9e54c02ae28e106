// SPDX-License-Identifier: Apache-2.0
/*
 * Freezing in three states: asked, happened, undone. The board's word decides, cgroup.freeze
 * follows, and only "frozen 1" in cgroup.events is believed. The poll notification of cgroup.events
 * comes up to 10 ms late, and spinning would starve the task that has to park. So ebbd reads the
 * file at once after it asked, and then on a 1 ms timer.
 */
#include <errno.h>
#include <inttypes.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/decide/policy.h"
#include "runtime/supervisor/freeze/freezer.h"
#include "runtime/supervisor/freeze/quiet.h"
#include "runtime/supervisor/freeze/talking.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/instance/waking.h"

#define LOOK_AGAIN_NS (1 * NS_PER_MS)
#define GIVE_UP_NS    (250 * NS_PER_MS)
#define BACK_OFF_NS   (2 * NS_PER_SEC)
/* After a thaw for a timer: time for what was due to run. */
#define TIMER_RUN_NS (15 * NS_PER_MS)
/* After a jump of the clock frozen instances are looked at one after the other, by their slots. */
#define JUMP_STEP_NS  (100 * NS_PER_US)
#define JUMP_AGAIN_NS (100 * NS_PER_MS)
#define JUMP_LOOKS    50

static struct instance *of_timer(struct timer *t)
{
	return container_of(t, struct instance, timer);
}

static uint64_t now_of(const struct instance *i)
{
	return loop_now_ns(i->ground->loop);
}

static board_word word_of(const struct instance *i)
{
	return board_load(i->ground->board, i->slot);
}

static void on_due(struct timer *t);

static void again_at(struct instance *i, uint64_t due_ns)
{
	i->timer.on_due = on_due;
	i->timer.name = "freezer on_due";
	(void)loop_timer_at(i->ground->loop, &i->timer, due_ns);
}

/* How long the instance must have been idle: the setting, or the learned time. */
static uint64_t grace_of(const struct instance *i)
{
	uint32_t set_ms = i->spec->put.freeze_after_ms;

	return set_ms ? set_ms * NS_PER_MS : i->grace_ns;
}

void freezer_begin(struct instance *i)
{
	if (i->idle.since_ns == 0) /* ready: its waits began after its start */
		quiet_thawed(i, i->opened_ns, THAWED_FOR_WORK);
	again_at(i, now_of(i) + (i->idle.by_timer ? TIMER_RUN_NS : grace_of(i)));
}

/* Reasons of a thaw, for people. */
static const char *const reasons[] = {
	[THAWED_FOR_WORK] = "",
	[THAWED_FOR_TIMER] = ", for a timer: ",
	[THAWED_FOR_NETWORK] = ", for the network: ",
};

/* The instance runs, even if a freeze was asked for. since_ns: it was thawed then, or later. due
 * names the timer or the connection. */
static void thawed(struct instance *i, uint64_t since_ns, enum thawed_for what, const char *due)
{
	uint64_t now_ns = clock_mono_ns();

	must(i->state == INSTANCE_FREEZING || i->state == INSTANCE_FROZEN);
	if (i->state == INSTANCE_FROZEN) {
		must(i->frozen_ns <= now_ns);
		i->frozen_sum_ns += now_ns - i->frozen_ns;
		/* Timers teach nothing about the times of requests. */
		if (what != THAWED_FOR_TIMER && !i->idle.by_timer)
			i->grace_ns = policy_grace_ns(i->grace_ns, now_ns - i->frozen_ns);
		instance_say(i, WIRE_EVENT_INSTANCE_THAWED, "after %" PRIu64 " ms%s%s",
			     (now_ns - i->frozen_ns) / NS_PER_MS, reasons[what], due);
	}
	waking_end(i);
	quiet_thawed(i, since_ns, what);
	(void)instance_move(i, INSTANCE_THAW);
}

/* Somebody has work there. The board has the time of that gateway's thaw, but the gateway may not
 * have written it yet; the thaw came after the freeze was asked for in any case. The gateway's own
 * "0" may have failed, and a second one changes nothing: the board says RUNNING, and only this
 * process can change that. */
static void thawed_by_ticket(struct instance *i)
{
	struct board_slot *slot = board_slot(i->ground->board, i->slot);
	uint64_t since_ns = atomic_load_explicit(&slot->thawed_ns, memory_order_acquire);

	(void)cgroup_thaw(&i->cgroup);
	thawed(i, since_ns > i->asked_ns ? since_ns : i->asked_ns, THAWED_FOR_WORK, "");
}

/* ebbd itself thaws the instance. */
static void thaw_now(struct instance *i, enum thawed_for what, const char *due)
{
	bool was_frozen = i->state == INSTANCE_FROZEN || i->state == INSTANCE_FREEZING;
	uint64_t now_ns = clock_mono_ns();
	bool moved = board_move(i->ground->board, i->slot, 1u << BOARD_FROZEN, BOARD_RUNNING);

	(void)cgroup_thaw(&i->cgroup);
	if (was_frozen && moved)
		thawed(i, now_ns, what, due);
	else if (was_frozen)
		thawed_by_ticket(i);
}

/* Frozen: until the next request or the next timer. Behind a suspension of the host the threads run
 * for a moment, back to where they stood; a look sees nothing of one that runs. */
static void rest(struct instance *i)
{
	quiet_frozen(i);
	if (i->idle.run) {
		again_at(i, i->idle.part_ns);
		return;
	}
	if (i->idle.anew > 0 && i->idle.look.running_tid > 0) {
		i->idle.anew--;
		again_at(i, now_of(i) + JUMP_AGAIN_NS);
		return;
	}
	i->idle.anew = 0;
	if (i->idle.wake_ns > i->idle.latest_ns)
		i->idle.wake_ns = i->idle.latest_ns;
	if (i->idle.wake_owed && i->idle.wake_due_ns < i->idle.wake_ns)
		again_at(i, i->idle.wake_due_ns);
	else if (i->idle.wake_ns != LOOK_NEVER)
		again_at(i, i->idle.wake_ns);
}

/* All time from a thaw for the network until it is quiet is provisioned. */
static void count_wake(struct instance *i)
{
	struct board_slot *slot = board_slot(i->ground->board, i->slot);

	if (i->idle.by_wake)
		meter_background(i, atomic_load(&slot->idle_since_ns), i->asked_ns);
}

static void happened(struct instance *i)
{
	/* Not by now_of(), the time this round of the loop began: it may have been asked since. */
	uint64_t took_ns = clock_mono_ns() - i->asked_ns;

	must(i->asked_ns > 0 && i->asked_ns >= i->frozen_ns);
	i->freezes++;
	count_wake(i);
	i->frozen_ns = clock_mono_ns();
	if (instance_move(i, INSTANCE_SEEN_FROZEN) < 0)
		return;
	quiet_end(i);
	i->idle.anew = 0;
	i->idle.latest_ns = LOOK_NEVER;
	rest(i);
	instance_say(i, WIRE_EVENT_INSTANCE_FROZEN,
		     "idle; frozen %" PRIu64 " us after it was asked", took_ns / NS_PER_US);
}

/* The instance does not park, mostly because of a task in an uninterruptible sleep. A "1" left in
 * cgroup.freeze would freeze it later, at a moment that nobody expects. */
static void take_back(struct instance *i)
{
	pid_t stuck_tid = look_stuck(&i->cgroup);

	thaw_now(i, THAWED_FOR_WORK, "");
	i->idle.stuck_tid = stuck_tid;
	i->not_before_ns = now_of(i) + BACK_OFF_NS;
}

static void look_for_frozen(struct instance *i)
{
	if (board_state_of(word_of(i)) != BOARD_FROZEN)
		thawed_by_ticket(i);
	else if (cgroup_frozen(&i->cgroup) == 1)
		happened(i);
	else if (clock_mono_ns() - i->asked_ns > GIVE_UP_NS)
		take_back(i);
	else
		again_at(i, now_of(i) + LOOK_AGAIN_NS);
}

int freezer_ask(struct instance *i)
{
	struct board *board = i->ground->board;

	if (i->idle.by_hand)
		waking_begin(i);
	if (i->execs > 0 || !board_try_freeze(board, i->slot))
		return -EBUSY;
	i->asked_ns = clock_mono_ns();
	if (instance_move(i, INSTANCE_ASK_FREEZE) < 0) {
		(void)board_move(board, i->slot, 1u << BOARD_FROZEN, BOARD_RUNNING);
		return -EINVAL;
	}
	if (cgroup_freeze(&i->cgroup) < 0) {
		take_back(i);
		return -EIO;
	}
	/* A gateway may have taken a ticket and written its "0" before our "1". */
	if (board_state_of(word_of(i)) != BOARD_FROZEN) {
		(void)cgroup_thaw(&i->cgroup);
		thawed_by_ticket(i);
		return -EBUSY;
	}
	look_for_frozen(i);
	return 0;
}

/* The moment at which the instance has been idle for long enough, since its last piece of work or
 * since it was thawed for a timer. */
static uint64_t grace_over_ns(const struct instance *i, uint64_t idle_since_ns)
{
	uint64_t due_ns = idle_since_ns + grace_of(i);

	if (i->idle.by_timer && idle_since_ns < i->idle.since_ns)
		due_ns = i->idle.since_ns + TIMER_RUN_NS;
	if (i->idle.by_wake && idle_since_ns < i->idle.since_ns)
		due_ns = i->idle.since_ns + grace_of(i);
	if (due_ns < i->not_before_ns)
		due_ns = i->not_before_ns;
	if (due_ns < instance_kept_until_ns(i))
		due_ns = instance_kept_until_ns(i);
	return due_ns < i->repeat_until_ns ? i->repeat_until_ns : due_ns;
}

/* RUNNING: freeze when nothing is open, the grace has passed since the last piece of work, and the
 * instance is quiet. */
static void consider(struct instance *i)
{
	board_word w = word_of(i);
	uint64_t now_ns = now_of(i), due_ns, idle_since_ns;
	struct board_slot *slot = board_slot(i->ground->board, i->slot);

	must(i->was_ready && i->idle.since_ns > 0);
	if (board_tickets(w) + board_holds(w) > 0) {
		i->idle.reason = IDLE_QUIET;
		i->idle.by_wake = false;
		quiet_end(i); /* its findings are over */
		again_at(i, now_ns + grace_of(i));
		return;
	}
	idle_since_ns = atomic_load_explicit(&slot->idle_since_ns, memory_order_relaxed);
	if (i->idle.by_wake && idle_since_ns > i->idle.since_ns)
		i->idle.by_wake = false; /* a request came and went */
	if (i->idle.by_wake)
		meter_background(i, idle_since_ns, now_ns);
	if (i->execs > 0) { /* it is awake for somebody, and billed for that */
		meter_background(i, idle_since_ns, now_ns);
		quiet_end(i);
		again_at(i, now_ns + grace_of(i));
		return;
	}
	if (now_ns < i->not_before_ns) /* it evaded the freezer; that is no gift */
		meter_background(i, idle_since_ns, now_ns);
	due_ns = grace_over_ns(i, idle_since_ns);
	if (now_ns < due_ns) {
		if (i->idle.sampled_ns <= idle_since_ns)
			quiet_sample(i);
		again_at(i, due_ns);
	} else if (!quiet_enough(i, &due_ns)) {
		again_at(i, due_ns);
	} else if (waking_missed(i)) { /* the program is about to read what came meanwhile */
		again_at(i, now_ns + QUIET_WINDOW_NS);
	} else if (freezer_ask(i) == -EBUSY && i->state == INSTANCE_RUNNING) {
		freezer_begin(i);
	}
}

/* text names the connection; at most as long as woken_by. */
static void wake(struct instance *i, const char *text)
{
	must(i->state == INSTANCE_FROZEN || i->state == INSTANCE_FREEZING);
	if (board_state_of(word_of(i)) != BOARD_FROZEN) { /* a request was faster */
		thawed_by_ticket(i);
		return;
	}
	if (text != i->idle.woken_by)
		(void)text_copy(i->idle.woken_by, sizeof(i->idle.woken_by), text);
	if (!quiet_wake_granted(i, &i->idle.wake_due_ns) && i->state == INSTANCE_FROZEN) {
		i->idle.wakes_late += !i->idle.wake_owed;
		i->idle.wake_owed = true;
		if (!i->idle.run)
			again_at(i, i->idle.wake_due_ns);
		return;
	}
	i->idle.wakes++;
	thaw_now(i, THAWED_FOR_NETWORK, i->idle.woken_by);
}

static void on_due(struct timer *t)
{
	struct instance *i = of_timer(t);

	must(instance_is_up(i)); /* a move turns the timer off */
	if (i->state == INSTANCE_RUNNING)
		consider(i);
	else if (i->state == INSTANCE_FREEZING)
		look_for_frozen(i);
	else if (i->state == INSTANCE_FROZEN && (i->idle.run || i->idle.anew))
		rest(i);
	else if (i->state == INSTANCE_FROZEN && i->idle.wake_owed)
		wake(i, i->idle.woken_by);
	else if (i->state == INSTANCE_FROZEN)
		thaw_now(i, THAWED_FOR_TIMER, i->idle.look.first.what);
}

void freezer_thaw(struct instance *i)
{
	thaw_now(i, THAWED_FOR_WORK, "");
}

void freezer_wake(struct instance *i, const struct talk *arrived)
{
	char text[sizeof(i->idle.woken_by)];

	talk_text(arrived, text, sizeof(text));
	wake(i, text);
}

void freezer_look(struct instance *i)
{
	if ((i->state == INSTANCE_FROZEN || i->state == INSTANCE_FREEZING) &&
	    board_state_of(word_of(i)) == BOARD_RUNNING)
		thawed_by_ticket(i);
}

/* The board says FROZEN: the one before may have died before it wrote its "1". */
static void adopt_frozen(struct instance *i, bool was_frozen)
{
	i->asked_ns = clock_mono_ns();
	if (was_frozen && cgroup_frozen(&i->cgroup) == 1) {
		instance_stands(i, INSTANCE_FROZEN);
		i->idle.latest_ns = LOOK_NEVER;
		rest(i);
		return;
	}
	/* It may have died before it counted the freeze. One too many is harmless: a gateway looks
	 * at its connections once more. */
	atomic_fetch_add(&board_slot(i->ground->board, i->slot)->freezes, 1);
	instance_stands(i, INSTANCE_FREEZING);
	if (cgroup_freeze(&i->cgroup) < 0) {
		take_back(i);
		return;
	}
	if (board_state_of(word_of(i)) != BOARD_FROZEN)
		(void)cgroup_thaw(&i->cgroup);
	look_for_frozen(i);
}

/* Nobody watched while there was no ebbd: data may lie in its sockets. */
static void wake_adopted(struct instance *i)
{
	waking_begin(i);
	if (!waking_wanted(i))
		return;
	(void)talking(i);
	if (i->idle.talks.open > 0 && i->state == INSTANCE_FROZEN)
		wake(i, "another ebbd began");
}

void freezer_adopt(struct instance *i, bool was_frozen)
{
	must(i->state == INSTANCE_WAITING && i->was_ready);
	if (i->idle.since_ns == 0)
		i->idle.since_ns = i->opened_ns;
	if (board_state_of(word_of(i)) == BOARD_FROZEN) {
		adopt_frozen(i, was_frozen);
		wake_adopted(i);
		return;
	}
	(void)cgroup_thaw(&i->cgroup);
	i->asked_ns = i->frozen_ns;
	instance_stands(i, was_frozen ? INSTANCE_FROZEN : INSTANCE_RUNNING);
	if (was_frozen) /* thawed while nobody looked */
		thawed_by_ticket(i);
	else
		freezer_begin(i);
}

/* A point of another clock than CLOCK_MONOTONIC, for which a thread waits, is now at another
 * distance. An unfinished look has read the clocks as they were. */
void freezer_clock_jumped(struct instance *i)
{
	if (i->state != INSTANCE_FROZEN)
		return;
	quiet_end(i);
	if (i->idle.wake_ns < i->idle.latest_ns)
		i->idle.latest_ns = i->idle.wake_ns;
	i->idle.anew = JUMP_LOOKS;
	again_at(i, now_of(i) + i->slot * JUMP_STEP_NS);
}

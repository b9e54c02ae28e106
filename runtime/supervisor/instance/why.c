// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/why.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/life.h"

static uint64_t ms_until(uint64_t when_ns, uint64_t now_ns)
{
	return when_ns > now_ns ? (when_ns - now_ns) / NS_PER_MS : 0;
}

static void explain_cpu(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	const struct idleness *idle = &i->idle;

	snprintf(out, size,
		 "awake: its CPU has not gone quiet: %" PRIu64 " us used in the last %" PRIu64
		 " ms, without a request or a hold",
		 idle->used_us, idle->window_ns / NS_PER_MS);
}

static void explain_thread(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	snprintf(out, size,
		 "awake: its CPU has not gone quiet: thread %d runs, without a request or a hold",
		 i->idle.look.running_tid);
}

static void explain_looking(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	snprintf(out, size,
		 "awake: it has so many threads, processes and descriptors that looking whether "
		 "one of them keeps it awake takes a while");
}

static void explain_crowded(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	snprintf(out, size,
		 "awake: it has more threads, processes and descriptors than ebbd looks at; one of "
		 "them may be a timer or hold a lock");
}

static void explain_locked(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	const struct held_lock *lock = &i->idle.look.lock;

	snprintf(out, size,
		 "awake: process %d holds a file lock on storage that others share (device "
		 "%u:%u, inode %" PRIu64 "); frozen, it could not let go",
		 lock->pid, lock->major, lock->minor, lock->inode);
}

static void explain_soon(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	const struct look_due *due = &i->idle.look.soon;

	if (due->to_ns < now_ns)
		snprintf(
			out, size,
			"awake: a timer (%s, thread %d) was due %" PRIu64
			" ms ago, soon after the last look; with less than %" PRIu64
			" ms between two freezing does not pay (`timers`: \"late\" lets them wait)",
			due->what, due->tid, (now_ns - due->to_ns) / NS_PER_MS,
			(uint64_t)(TIMER_PAYS_NS / NS_PER_MS));
	else
		snprintf(out, size,
			 "awake: a timer (%s, thread %d) is due in %" PRIu64
			 " ms; with less than %" PRIu64
			 " ms until it freezing does not pay (`timers`: \"late\" lets it wait)",
			 due->what, due->tid, ms_until(due->to_ns, now_ns),
			 (uint64_t)(TIMER_PAYS_NS / NS_PER_MS));
}

static void explain_stretched(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	const struct look_due *due = &i->idle.look.stretched;

	snprintf(out, size,
		 "awake: thread %d sleeps in %s for another %" PRIu64
		 " ms at most, and a freeze would make that longer (`timers`: \"late\" lets it)",
		 due->tid, due->what, ms_until(due->to_ns, now_ns));
}

static void explain_unsure(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	const struct look_due *due = &i->idle.look.kept;

	snprintf(out, size,
		 "awake: a timer (%s, thread %d) is due within %" PRIu64
		 " ms, nobody saw when it began",
		 due->what, due->tid, ms_until(due->to_ns, now_ns));
}

static void explain_unknown(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	snprintf(out, size,
		 "awake: process %d has a POSIX timer (timer_create) whose time cannot be read; "
		 "frozen, it would be late (`timers`: \"late\" lets it)",
		 i->idle.look.unknown_pid);
}

/* "thread 812 waits 100 ms at a time (epoll_wait)". */
static void name_tick(const struct look_due *tick, char *out, size_t size)
{
	if (tick->length_ns)
		snprintf(out, size, "thread %d waits %" PRIu64 " ms at a time (%s)", tick->tid,
			 tick->length_ns / NS_PER_MS, tick->what);
	else
		snprintf(out, size, "thread %d waits for less than a second at a time (%s)",
			 tick->tid, tick->what);
}

static void explain_ticks(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	char tick[160];

	name_tick(&i->idle.look.tick, tick, sizeof(tick));
	snprintf(out, size,
		 "awake: %s, and the program writes when that is over (`timers`: "
		 "\"late\" lets it wait)",
		 tick);
}

static void explain_budget(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	snprintf(out, size,
		 "awake: the timers of service %s needed %u thaws this second, more are not "
		 "granted; due next: %s in %" PRIu64 " ms",
		 i->spec->put.name, TIMER_BUDGET, i->idle.look.first.what,
		 ms_until(i->idle.look.first.from_ns, now_ns));
}

static void explain_grace(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	struct board_slot *slot = board_slot(i->ground->board, i->slot);
	uint64_t idle_ns = now_ns - atomic_load(&slot->idle_since_ns);
	uint64_t set_ms = i->spec->put.freeze_after_ms;

	if (i->idle.by_wake)
		snprintf(out, size,
			 "awake: thawed for the network %" PRIu64 " ms ago (%s); no request",
			 (now_ns - i->idle.since_ns) / NS_PER_MS, i->idle.woken_by);
	else if (i->idle.by_timer)
		snprintf(out, size, "awake: thawed for a timer %" PRIu64 " ms ago; no request",
			 (now_ns - i->idle.since_ns) / NS_PER_MS);
	else
		snprintf(out, size, "awake: idle for %" PRIu64 " ms, grace %" PRIu64 " ms",
			 idle_ns / NS_PER_MS, set_ms ? set_ms : i->grace_ns / NS_PER_MS);
}

static void (*const awake_texts[IDLE_REASON_COUNT])(const struct instance *i, uint64_t now_ns,
						    char *out, size_t size) = {
	[IDLE_QUIET] = explain_grace,     [IDLE_LOCKED] = explain_locked,
	[IDLE_CPU] = explain_cpu,         [IDLE_THREAD] = explain_thread,
	[IDLE_SOON] = explain_soon,       [IDLE_STRETCHED] = explain_stretched,
	[IDLE_UNSURE] = explain_unsure,   [IDLE_BUDGET] = explain_budget,
	[IDLE_UNKNOWN] = explain_unknown, [IDLE_TICKS] = explain_ticks,
	[IDLE_LOOKING] = explain_looking, [IDLE_CROWDED] = explain_crowded,
	[IDLE_TALKS] = explain_talks,
};

/* Which requests hold it, as far as the board has room to say. */
static void name_holds(const struct instance *i, uint32_t holds, char *out, size_t size)
{
	struct board_note *notes = board_notes(i->ground->board, i->slot);
	uint64_t now_ms = clock_real_us() / 1000;
	uint32_t shown = 0;
	size_t at = strlen(out);

	for (uint32_t n = 0; n < BOARD_NOTES_MAX && holds > 0; n++) {
		uint64_t until_ms = atomic_load(&notes[n].until_ms);
		char when[28];

		if (until_ms == 0 || at >= size)
			continue;
		clock_rfc3339(until_ms * 1000, when);
		snprintf(out + at, size - at,
			 "; request %016" PRIx64 "%016" PRIx64 " until %s (%" PRIu64 " s)",
			 atomic_load(&notes[n].id_high), atomic_load(&notes[n].id_low), when,
			 until_ms > now_ms ? (until_ms - now_ms + 999) / 1000 : 0);
		at += strlen(out + at);
		shown++;
	}
	if (shown > 0 && holds > shown && at < size)
		snprintf(out + at, size - at, "; and %u more", holds - shown);
}

static void explain_open(const struct instance *i, board_word w, const char *state, char *out,
			 size_t size)
{
	snprintf(out, size, "%s: %u requests open, %u holds", state, board_tickets(w),
		 board_holds(w));
	name_holds(i, board_holds(w), out, size);
}

static void add_precedence(const struct instance *i, char *out, size_t size)
{
	size_t n = strlen(out);

	if (i->load.precedence.behind)
		snprintf(out + n, size - n,
			 "; it used more than a quarter of an equal part of the CPUs: others run "
			 "before it");
}

static void explain_running(const struct instance *i, board_word w, char *out, size_t size)
{
	uint64_t now_ns = clock_mono_ns();
	int n;

	if (board_tickets(w) + board_holds(w) > 0) {
		explain_open(i, w, "awake", out, size);
	} else if (i->execs > 0) {
		snprintf(out, size, "awake: %u command%s of `ebb exec` run%s in it", i->execs,
			 i->execs == 1 ? "" : "s", i->execs == 1 ? "s" : "");
	} else if (now_ns < i->repeat_until_ns) {
		snprintf(out, size,
			 "awake: its holds were lost with ebb-ipc; it has %" PRIu64
			 " ms to repeat them",
			 ms_until(i->repeat_until_ns, now_ns));
	} else if (now_ns < instance_kept_until_ns(i)) {
		snprintf(out, size,
			 "awake: WebSockets gave their tickets to others that waited; they have "
			 "been "
			 "silent for long enough (hibernate) in %" PRIu64 " ms",
			 ms_until(instance_kept_until_ns(i), now_ns));
	} else if (now_ns < i->not_before_ns) {
		n = snprintf(out, size,
			     "awake: it did not freeze when asked; next try in %" PRIu64 " ms",
			     ms_until(i->not_before_ns, now_ns));
		if (i->idle.stuck_tid > 0 && n > 0 && (size_t)n < size)
			snprintf(out + n, size - (size_t)n,
				 "; thread %d is in an uninterruptible sleep", i->idle.stuck_tid);
	} else {
		must(i->idle.reason < IDLE_REASON_COUNT);
		awake_texts[i->idle.reason](i, now_ns, out, size);
	}
	add_precedence(i, out, size);
}

static void explain_frozen(const struct instance *i, char *out, size_t size)
{
	const struct idleness *idle = &i->idle;
	const struct look_due *due = &idle->look.first;
	uint64_t now_ns = clock_mono_ns();

	if (idle->wake_ns != LOOK_NEVER)
		snprintf(out, size,
			 "frozen: no request, no hold; thaws in %" PRIu64
			 " ms for a timer (%s, thread %d), or for the next request",
			 ms_until(idle->wake_ns, now_ns), due->what, due->tid);
	else if (idle->late)
		snprintf(out, size,
			 "frozen: no request, no hold; its timers and what it does on its own "
			 "would keep it awake: they wait for the next request");
	else if (idle->look.unknown_pid > 0)
		snprintf(out, size,
			 "frozen: no request, no hold; process %d has a POSIX timer whose time "
			 "cannot be read: it waits for the next request",
			 idle->look.unknown_pid);
	else
		snprintf(out, size,
			 "frozen: no request, no hold, no timer; the next request thaws it");
	if (idle->look.tick.to_ns != LOOK_NEVER && i->spec->put.timers == WIRE_TIMERS_AUTO) {
		char tick[160];
		size_t n = strlen(out);

		name_tick(&idle->look.tick, tick, sizeof(tick));
		snprintf(out + n, size - n, "; %s and does nothing then: that waits too", tick);
	}
	if (i->spec->put.timers == WIRE_TIMERS_LATE)
		snprintf(out, size,
			 "frozen: no request, no hold; the next request thaws it, timers wait "
			 "for that (`timers`: \"late\")");
}

void instance_explain(const struct instance *i, board_word w, char *out, size_t size)
{
	static const char *const texts[INSTANCE_STATE_COUNT] = {
		[INSTANCE_WAITING] = "starting: waits for a sandbox",
		[INSTANCE_PREPARED] = "prepared: waits for its first request",
		[INSTANCE_STARTING] = "starting: does not accept on its port yet",
		[INSTANCE_FREEZING] = "freezing: asked, not yet parked",
		[INSTANCE_DRAINING] = "draining: finishes what is open, takes no more",
		[INSTANCE_STOPPING] = "stopping: SIGTERM sent, grace running",
		[INSTANCE_DYING] = "stopping: waits for its last process",
	};

	if (i->state == INSTANCE_RUNNING)
		explain_running(i, w, out, size);
	else if (i->state == INSTANCE_FROZEN)
		explain_frozen(i, out, size);
	else if (i->state == INSTANCE_DRAINING && board_tickets(w) + board_holds(w) > 0)
		explain_open(i, w, "draining, takes no more", out, size);
	else
		(void)text_copy(out, size, texts[i->state] ? texts[i->state] : "?");
}

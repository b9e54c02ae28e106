// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the meters. cpu.stat is exact as soon as nothing of the instance is on a CPU, so the
 * readings that count are those at a freeze and after its death; everything is cumulative and
 * monotonic, so a reading sent twice or late is harmless.
 */
#include <inttypes.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/deed.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/instance/wire.h"

/* An instance that never freezes is read before its end, because nobody knows its end. */
#define PERIOD_NS (10 * NS_PER_SEC)
/* Its work before its first request and so soon after it was ready belongs to its start. */
#define BEGINNING_NS NS_PER_SEC

/* The split of CPU time is scaled by the kernel as it goes: it may move back by a little. */
static uint64_t since(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

void meter_open(struct instance *i)
{
	must(i->opened_ns == 0 && !i->ahead);
	i->opened_ns = i->read_at_ns = clock_mono_ns();
	(void)text_copy(i->last.instance, sizeof(i->last.instance), i->id);
	(void)text_copy(i->last.service, sizeof(i->last.service), i->spec->put.name);
	/* Parked, so the reading is exact. */
	(void)cgroup_cpu(&i->cgroup, &i->before);
	if (instance_has_wire(i))
		(void)wire_read(i, &i->wire_before);
	i->last.cgroup_id = i->cgroup.id;
	i->last.boot_us = i->ground->boot_us;
	i->last.memory_mb = i->spec->put.memory_mb;
	i->last.revision = i->spec->put.revision;
}

void meter_ready(struct instance *i)
{
	struct cgroup_cpu cpu;

	if (cgroup_cpu(&i->cgroup, &cpu) == 0)
		i->init_cpu_us = since(cpu.usage_us, i->before.usage_us);
	meter_read(i, METER_AT_OPEN);
	meter_begin(i);
}

static void raise_to(uint64_t *counter, uint64_t value)
{
	if (value > *counter)
		*counter = value;
}

/* A number that others count or can change: gateways on the board, ebb-net's counters. The ledger
 * refuses a reading with a number that none can be, and with it the CPU time of the instance. */
static void raise_to_told(uint64_t *counter, uint64_t value)
{
	if (value <= INT64_MAX)
		raise_to(counter, value);
}

/* Our own count, for kernels without cgroup.stat.local. */
static uint64_t counted_frozen_us(const struct instance *i)
{
	uint64_t ns = i->frozen_sum_ns;

	if (i->state == INSTANCE_FROZEN)
		ns += clock_mono_ns() - i->frozen_ns;
	return ns / NS_PER_US;
}

/* Time frozen, never more than the time no work was open: a thaw's first ticket is taken a few
 * microseconds before the count ends. */
static uint64_t frozen_us(const struct instance *i, uint64_t idle_us)
{
	uint64_t us;

	if (cgroup_frozen_us(&i->cgroup, &us) < 0)
		us = counted_frozen_us(i);
	return us < idle_us ? us : idle_us;
}

static void take_wire_use(struct instance *i)
{
	const struct wire_use *before = &i->wire_before;
	struct wire_meter *m = &i->last;
	struct wire_use use;

	if (!instance_has_wire(i) || wire_read(i, &use) < 0)
		return;
	raise_to_told(&m->net_out_bytes, since(use.out_bytes, before->out_bytes));
	raise_to_told(&m->net_in_bytes, since(use.in_bytes, before->in_bytes));
	raise_to_told(&m->net_connections, since(use.connections, before->connections));
}

void meter_take(struct instance *i)
{
	struct wire_meter *m = &i->last;
	struct board *board = i->ground->board;
	struct cgroup_cpu cpu;
	uint64_t now_ns, wake_us;

	if (i->cgroup.stat_fd < 0)
		return;
	now_ns = clock_mono_ns();
	if (board_awake_ns(board, i->slot, &i->read_awake_ns))
		raise_to(&m->awake_us, (i->read_awake_ns + i->background_ns) / NS_PER_US);
	i->read_at_ns = now_ns;
	raise_to(&m->lived_us, (clock_mono_ns() - i->opened_ns) / NS_PER_US);
	if (m->awake_us > m->lived_us)
		m->awake_us = m->lived_us;
	raise_to(&m->frozen_us, frozen_us(i, m->lived_us - m->awake_us));
	/* The three are read one after the other; together they must add up. */
	raise_to(&m->lived_us, m->awake_us + m->frozen_us);
	if (cgroup_cpu(&i->cgroup, &cpu) == 0) {
		raise_to(&m->cpu_us, since(cpu.usage_us, i->before.usage_us));
		raise_to(&m->cpu_user_us, since(cpu.user_us, i->before.user_us));
		raise_to(&m->cpu_system_us, since(cpu.system_us, i->before.system_us));
	}
	must(m->awake_us + m->frozen_us <= m->lived_us);
	m->cpu_init_us = i->init_cpu_us < m->cpu_us ? i->init_cpu_us : m->cpu_us;
	raise_to(&m->wakes, i->idle.wakes);
	wake_us = i->wake_ns / NS_PER_US;
	raise_to(&m->wake_us, wake_us < m->awake_us ? wake_us : m->awake_us);
	take_wire_use(i);
	raise_to_told(&m->invocations, atomic_load(&board_slot(board, i->slot)->invocations));
	m->read_us = clock_real_us();
}

void meter_read(struct instance *i, enum wire_meter_reason reason)
{
	if (i->cgroup.stat_fd < 0 || i->opened_ns == 0) /* made ahead of need: nobody's account */
		return;
	if (i->closed) /* its cgroup cannot be removed yet */
		return;
	meter_take(i);
	i->last.reason = reason;
	/* Told first: where a row says that its account was closed, the ledger hears of it. */
	tell_meter(i->ground, &i->last);
	i->closed = reason == METER_AT_CLOSE;
	deed_write(i);
}

static uint64_t latest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Counts from the last piece of work, the last thaw or the last call, whichever came latest.
 * Nothing was open in all that time, so none of it is in the board's sum. */
void meter_background(struct instance *i, uint64_t idle_since_ns, uint64_t to_ns)
{
	struct board *board = i->ground->board;
	struct board_slot *slot = board_slot(board, i->slot);
	uint64_t now_ns = clock_mono_ns();
	uint64_t from_ns = latest(latest(idle_since_ns, i->idle.since_ns), i->background_to_ns);
	board_word w = board_load(board, i->slot);

	if (atomic_load(&slot->invocations) == 0)
		from_ns = latest(from_ns, i->ready_ns + BEGINNING_NS);
	if (to_ns > now_ns)
		to_ns = now_ns;
	if (from_ns >= to_ns || board_tickets(w) + board_holds(w) > 0 ||
	    atomic_load(&slot->idle_since_ns) != idle_since_ns)
		return; /* work came in between: that is counted there, and this from then on */
	must(from_ns >= i->background_to_ns); /* no time is counted twice */
	i->background_ns += to_ns - from_ns;
	if (i->idle.by_wake)
		i->wake_ns += to_ns - from_ns;
	i->background_to_ns = to_ns;
	deed_write(i);
}

static struct instance *of_periodic(struct timer *t)
{
	return container_of(t, struct instance, periodic);
}

static void on_period(struct timer *t)
{
	struct instance *i = of_periodic(t);

	meter_read(i, METER_AT_PERIODIC);
	meter_begin(i);
}

/* All of them at the same moments, so that they cost one wake-up. */
void meter_begin(struct instance *i)
{
	uint64_t due_ns = loop_now_ns(i->ground->loop) + PERIOD_NS;

	i->periodic.on_due = on_period;
	(void)loop_timer_at(i->ground->loop, &i->periodic, due_ns - due_ns % NS_PER_SEC);
}

void meter_end(struct instance *i)
{
	loop_timer_off(i->ground->loop, &i->periodic);
}

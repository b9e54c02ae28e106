// SPDX-License-Identifier: Apache-2.0
/*
 * How busy the instances are: read every 100 ms while work is open, judged by saturation.c, told to
 * the gateways on the board and to people as events. Nothing is read of an instance that is frozen,
 * and ever more rarely of one that is awake without work.
 */
#include <inttypes.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/decide/policy.h"
#include "runtime/supervisor/instance/accept.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/load.h"
#include "runtime/supervisor/scale/scale.h"
#include "runtime/supervisor/scale/standing.h"

#define SAMPLE_NS      (LOAD_SAMPLE_MS * NS_PER_MS)
#define SAMPLE_MOST_NS (3 * SAMPLE_NS)  /* the time between two is no average any more */
#define GLANCE_NS      (20 * NS_PER_MS) /* the first look: too short to judge, enough for ticks */
#define IDLE_SHIFT_MAX 4u               /* awake and idle: up to 1.6 s between two looks */
#define SAY_AGAIN_NS   (5 * NS_PER_SEC)

struct reading {
	uint64_t span_ns;
	bool usable;
	struct load_sample sample;
	uint32_t used_milli; /* 1000 = one CPU */
	uint32_t crowded;    /* requests it got although saturated */
};

static struct board_slot *slot_of(const struct instance *i)
{
	return board_slot(i->ground->board, i->slot);
}

static bool is_auto(const struct spec *spec)
{
	return spec->put.flags & WIRE_SERVICE_AUTO_CONCURRENCY;
}

/* The CPU that it may use: its quota, or the whole host where that is less. */
static uint32_t cpu_milli_of(const struct instance *i)
{
	uint32_t quota = policy_cpu_milli(i->spec->put.cpu_milli, i->spec->put.memory_mb);

	return quota < fleet_of(i)->host_cpu_milli ? quota : fleet_of(i)->host_cpu_milli;
}

static uint32_t permille(uint64_t part_us, uint64_t span_ns)
{
	uint64_t value = span_ns ? part_us * NS_PER_US * 1000 / span_ns : 0;

	return value > 10000 ? 10000 : (uint32_t)value;
}

/* This takes three system calls more, so it is read only when the CPU alone leaves it open. */
static void read_stall(struct instance *i, struct reading *r)
{
	struct load *l = &i->load;
	uint64_t us, before_us = l->stalled_us;
	bool known = l->stalled_known;

	l->stalled_known = r->sample.cpu_permille >= 300 && r->sample.tickets > 1 &&
			   cgroup_stalled_us(&i->cgroup, &us) == 0;
	if (!l->stalled_known)
		return;
	l->stalled_us = us;
	if (known && us > before_us)
		r->sample.stall_permille = permille(us - before_us, r->span_ns);
}

static void read_cpu(struct instance *i, struct reading *r)
{
	struct load *l = &i->load;
	struct cgroup_cpu cpu;

	if (cgroup_cpu(&i->cgroup, &cpu) < 0)
		return;
	must(cpu_milli_of(i) > 0);
	if (cpu.usage_us > l->cpu_us)
		r->used_milli = permille(cpu.usage_us - l->cpu_us, r->span_ns);
	r->sample.cpu_permille = (uint32_t)((uint64_t)r->used_milli * 1000 / cpu_milli_of(i));
	l->cpu_us = cpu.usage_us;
}

static void read_board(struct instance *i, struct reading *r)
{
	struct load *l = &i->load;
	struct board_slot *b = slot_of(i);
	uint64_t count = atomic_load(&b->first_bytes), us = atomic_load(&b->first_byte_us);
	uint32_t nacks = atomic_load(&b->nacks), crowded = atomic_load(&b->crowded);
	uint32_t tickets = board_tickets(board_load(i->ground->board, i->slot));

	r->sample.answers = (uint32_t)(count - l->first_bytes);
	if (r->sample.answers > 0)
		r->sample.first_byte_us = (uint32_t)((us - l->first_byte_us) / r->sample.answers);
	r->sample.nacks = nacks - l->nacks;
	r->crowded = crowded - l->crowded;
	/* Between two short requests nothing is open: believe the busier end. */
	r->sample.tickets = tickets > l->tickets ? tickets : l->tickets;
	l->first_bytes = count;
	l->first_byte_us = us;
	l->nacks = nacks;
	l->crowded = crowded;
	l->tickets = tickets;
}

static struct reading take_reading(struct instance *i)
{
	struct reading r = {0};
	uint64_t now_ns = clock_mono_ns();

	r.sample.queued = accept_longest(i);
	r.span_ns = now_ns - i->load.read_ns;
	r.usable = r.span_ns >= SAMPLE_NS / 2 && r.span_ns <= SAMPLE_MOST_NS;
	i->load.read_ns = now_ns;
	read_board(i, &r);
	read_cpu(i, &r);
	read_stall(i, &r);
	return r;
}

/* ---- consequences ---- */

static void say_numbers(const struct instance *i, const struct load_sample *s, char *out,
			size_t size)
{
	const struct load_state *state = &i->load.state;

	switch (state->cause) {
	case LOAD_CPU:
		(void)text_format(out, size, "CPU %u %% of what it may use over %u ms",
				  load_cpu_permille(state) / 10, LOAD_BELIEVED * LOAD_SAMPLE_MS);
		break;
	case LOAD_STALL:
		(void)text_format(out, size,
				  "CPU %u %% of what it may use, and %u %% of the time a task "
				  "waited for a CPU",
				  load_cpu_permille(state) / 10, s->stall_permille / 10);
		break;
	case LOAD_LATENCY:
		(void)text_format(out, size,
				  "first byte after %u us with %u open, its own baseline is %u us "
				  "with %u",
				  s->first_byte_us, s->tickets, state->base_us,
				  state->base_tickets);
		break;
	case LOAD_QUEUE:
		(void)text_format(out, size,
				  "%u connections wait for it to accept them, CPU %u %% of what it "
				  "may use, %u open",
				  s->queued, load_cpu_permille(state) / 10, s->tickets);
		break;
	case LOAD_NACK:
		(void)text_format(out, size, "it gave back %u requests unstarted, %u open",
				  s->nacks, s->tickets);
		break;
	default:
		(void)text_format(out, size, "CPU %u %% of what it may use, %u open",
				  s->cpu_permille / 10, s->tickets);
	}
}

/* The first change at once, then one event for many: decisions are to be read, not noise. */
static bool is_due(const struct instance *i, uint64_t *said_ns)
{
	uint64_t now_ns = loop_now_ns(i->ground->loop);

	if (*said_ns && now_ns - *said_ns < SAY_AGAIN_NS)
		return false;
	*said_ns = now_ns;
	return true;
}

static bool is_saturated(const struct load *l)
{
	return l->state.cause != LOAD_NONE;
}

/* A change that is told late is told with a sample that shows its cause. */
static bool shows_cause(enum load_cause cause, const struct load_sample *s)
{
	return cause == LOAD_NACK    ? s->nacks > 0
	       : cause == LOAD_QUEUE ? s->queued > 0
				     : cause != LOAD_LATENCY || s->answers > 0;
}

static void say(struct instance *i, const struct load_sample *s)
{
	struct load *l = &i->load;
	bool saturated = is_saturated(l);
	char numbers[200];

	say_numbers(i, s, numbers, sizeof(numbers));
	if (saturated != l->said_saturated && shows_cause(l->state.cause, s) &&
	    is_due(i, &l->said_ns)) {
		l->said_saturated = saturated;
		if (saturated)
			instance_say(i, WIRE_EVENT_INSTANCE_SATURATED,
				     "saturated: %s; new requests go elsewhere while they can",
				     numbers);
		else
			instance_say(i, WIRE_EVENT_INSTANCE_RELIEVED, "has room again: %s",
				     numbers);
	}
	if (l->state.limit != l->said_limit && is_due(i, &l->limit_said_ns)) {
		instance_say(i, WIRE_EVENT_CONCURRENCY_CHANGED, "auto concurrency %u -> %u: %s",
			     l->said_limit, l->state.limit, numbers);
		l->said_limit = l->state.limit;
	}
}

static void publish(struct instance *i)
{
	struct board_slot *b = slot_of(i);

	must(i->load.state.limit > 0);
	atomic_store(&b->limit, i->load.state.limit);
	atomic_store(&b->saturated, i->load.state.cause != LOAD_NONE);
	if (is_auto(i->spec)) {
		i->spec->learned_limit = i->load.state.limit;
		spec_note(i->spec);
	}
}

static void judge(struct instance *i, const struct reading *r)
{
	struct load *l = &i->load;
	struct load_bounds bounds = {.limit_max = i->spec->put.concurrency_max,
				     .automatic = is_auto(i->spec)};

	if (load_step(&l->state, &bounds, &r->sample))
		publish(i);
	/* Changes that are not due yet are told when they are. */
	if (is_saturated(l) != l->said_saturated || l->state.limit != l->said_limit)
		say(i, &r->sample);
}

/* Its CPU since it was ready or thawed, before the first sample. */
static void glance(struct instance *i)
{
	struct load *l = &i->load;
	uint64_t span_ns = clock_mono_ns() - l->read_ns;
	struct cgroup_cpu cpu;

	if (cgroup_cpu(&i->cgroup, &cpu) == 0 && cpu.usage_us > l->cpu_us)
		standing_glance(i, permille(cpu.usage_us - l->cpu_us, span_ns));
	(void)loop_timer_at(i->ground->loop, &l->timer, l->read_ns + SAMPLE_NS);
}

static void again(struct instance *i)
{
	struct load *l = &i->load;
	uint64_t gap_ns = SAMPLE_NS;

	l->idle_samples = l->tickets || l->precedence.behind ? 0 : l->idle_samples + 1;
	if (l->idle_samples > 2)
		gap_ns <<=
			l->idle_samples < IDLE_SHIFT_MAX + 2 ? l->idle_samples - 2 : IDLE_SHIFT_MAX;
	(void)loop_timer_at(i->ground->loop, &l->timer, loop_now_ns(i->ground->loop) + gap_ns);
}

static void on_due(struct timer *t)
{
	struct instance *i = container_of(t, struct instance, load.timer);
	struct fleet *f = fleet_of(i);
	struct service *service = services_at(f->ground.services, i->service);
	struct reading r;

	if (i->state != INSTANCE_RUNNING)
		return;                /* a thaw begins anew */
	must(i->load.state.limit > 0); /* load_begin set it */
	if (!i->load.glanced) {
		i->load.glanced = true;
		glance(i);
		return;
	}
	r = take_reading(i);
	if (r.usable)
		judge(i, &r);
	standing_step(i, r.used_milli);
	if (service && r.crowded > 0) {
		service->demand.crowded += r.crowded;
		scale_service(f, service);
	}
	again(i);
}

void load_begin(struct instance *i)
{
	struct load *l = &i->load;

	if (l->state.limit == 0)
		l->state.limit = l->said_limit = spec_limit_first(i->spec);
	l->timer.on_due = on_due;
	l->timer.name = "load on_due";
	l->idle_samples = 0;
	l->tickets = 0;
	standing_begin(i);
	(void)take_reading(i);
	l->glanced = l->precedence.behind; /* it was judged */
	if (l->glanced)
		again(i);
	else
		(void)loop_timer_at(i->ground->loop, &l->timer, l->read_ns + GLANCE_NS);
}

void load_end(struct instance *i)
{
	load_rest(&i->load.state);
	standing_end(i);
	i->load.said_saturated = false; /* the next time is to be told as the first was */
	atomic_store(&slot_of(i)->saturated, 0);
	loop_timer_off(i->ground->loop, &i->load.timer);
}

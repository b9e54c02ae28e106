// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/armory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/ids.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define RANGE_FIRST 2 /* 0: ebb's daemons, 1: unpackers */
#define ARMED_MAX   128
/* A claimed sandbox has the CPU first; arming the next one costs about a millisecond of it. */
#define REFILL_AFTER_NS  (20 * NS_PER_MS)
#define FAILURE_APART_NS NS_PER_SEC
#define SWEEP_NS         (2 * NS_PER_MS)
#define TRIES            3 /* until the waiting start hears why there is none */
/* Where they die one after the other, something kills them: they are made no faster than that. */
#define DEATHS_APART_NS NS_PER_SEC

struct rack {
	struct armory *armory;
	bool used, ready, wiring; /* wiring: armed, but for its wire */
	bool leaving;             /* the end of its processes is awaited */
	struct watch death;       /* while it is ready */
	enum armory_kind kind;
	struct armed armed;
	struct cgroup cgroup;
	uint32_t range;
	uint64_t number;
};

struct armory {
	struct armory_options options;
	bool lost; /* its zygote died, and there is no other yet */
	struct watch watch;
	struct timer refill, sweep;
	uint64_t sweep_gap_ns;
	uint64_t death_ns; /* when the last one died that was ready */
	uint32_t ready[ARMORY_KINDS], arming[ARMORY_KINDS];
	uint32_t failed[ARMORY_KINDS]; /* in a row */
	uint32_t next_range;
	bool keeps_wired; /* somebody wanted a wire once */
	bool range_used[INSTANCE_RANGES];
	struct rack racks[ARMED_MAX];
};

static void on_zygote(struct watch *w, uint32_t events);
static void on_refill(struct timer *t);
static void on_sweep(struct timer *t);
static void on_death(struct watch *w, uint32_t events);

int armory_new(const struct armory_options *options, struct armory **out)
{
	struct armory *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->options = *options;
	a->next_range = RANGE_FIRST;
	a->refill.on_due = on_refill;
	a->refill.name = "armory on_refill";
	a->sweep.on_due = on_sweep;
	a->sweep.name = "armory on_sweep";
	a->watch = (struct watch){.fd = zygote_fd(options->zygote),
				  .on_ready = on_zygote,
				  .name = "armory on_zygote",
				  .first = true}; /* it dies before what it has parked */
	for (uint32_t i = 0; i < ARMED_MAX; i++)
		a->racks[i] = (struct rack){
			.armory = a,
			.death = {.fd = -1, .on_ready = on_death, .name = "armory on_death"}};
	r = loop_watch(options->loop, &a->watch, EPOLLIN);
	if (r < 0) {
		free(a);
		return r;
	}
	*out = a;
	return 0;
}

static void unwatch_death(struct rack *rack)
{
	loop_unwatch(rack->armory->options.loop, &rack->death);
	rack->death.fd = -1;
}

void armory_free(struct armory *a)
{
	if (!a)
		return;
	loop_timer_off(a->options.loop, &a->refill);
	loop_timer_off(a->options.loop, &a->sweep);
	loop_unwatch(a->options.loop, &a->watch);
	for (uint32_t i = 0; i < ARMED_MAX; i++) {
		if (!a->racks[i].used)
			continue;
		if (a->racks[i].ready)
			unwatch_death(&a->racks[i]);
		if (a->racks[i].ready || a->racks[i].wiring)
			armed_fini(&a->racks[i].armed);
		(void)cgroup_kill(&a->racks[i].cgroup);
		cgroup_fini(&a->racks[i].cgroup); /* the tree's purge removes it */
	}
	free(a);
}

static int range_take(struct armory *a, uint32_t *out)
{
	for (uint32_t i = 0; i < INSTANCE_RANGES; i++) {
		uint32_t range = a->next_range;

		a->next_range = range + 1 < INSTANCE_RANGES ? range + 1 : RANGE_FIRST;
		if (a->range_used[range])
			continue;
		a->range_used[range] = true;
		*out = range;
		return 0;
	}
	return -ENOSPC;
}

void armory_range_keep(struct armory *a, uint32_t range)
{
	must(range >= RANGE_FIRST && range < INSTANCE_RANGES && !a->range_used[range]);
	a->range_used[range] = true;
}

void armory_each_free(struct armory *a, void (*fn)(void *ctx, uint32_t range), void *ctx)
{
	for (uint32_t range = RANGE_FIRST; range < INSTANCE_RANGES; range++)
		if (!a->range_used[range])
			fn(ctx, range);
}

void armory_range_free(struct armory *a, uint32_t range)
{
	must(range >= RANGE_FIRST && range < INSTANCE_RANGES && a->range_used[range]);
	a->range_used[range] = false;
}

static struct rack *rack_free(struct armory *a)
{
	for (uint32_t i = 0; i < ARMED_MAX; i++)
		if (!a->racks[i].used)
			return &a->racks[i];
	return NULL;
}

static uint32_t armory_parts(enum armory_kind kind)
{
	return (armory_has_ring(kind) ? SANDBOX_WITH_RING : 0) |
	       (armory_has_wire(kind) ? SANDBOX_WITH_WIRE : 0);
}

static int ask_zygote(struct armory *a, const struct rack *rack)
{
	int joins[CGROUP_JOINS_MAX];
	int count = cgroup_joins(a->options.tree, &rack->cgroup, joins), r;

	if (count < 0)
		return count;
	r = zygote_arm(a->options.zygote, rack->range, armory_parts(rack->kind),
		       rack->cgroup.dir_fd, joins, (size_t)count);
	for (int i = 0; i < count; i++)
		fd_close(&joins[i]);
	return r;
}

static int arm_one(struct armory *a, enum armory_kind kind)
{
	const struct cgroup_limits none = {0};
	struct rack *rack = rack_free(a);
	char name[32];
	int r;

	if (!rack)
		return -EAGAIN; /* as many as can be under way are */
	r = range_take(a, &rack->range);
	if (r < 0)
		return r;
	rack->number = atomic_fetch_add(a->options.made, 1) + 1;
	snprintf(name, sizeof(name), "%llu", (unsigned long long)rack->number);
	rack->kind = kind;
	r = cgroup_create(a->options.tree, ARMORY_GROUP, name, &none, &rack->cgroup);
	if (r == 0) {
		r = ask_zygote(a, rack);
		if (r < 0) {
			(void)cgroup_remove(a->options.tree, &rack->cgroup);
			cgroup_fini(&rack->cgroup);
		}
	}
	if (r < 0) {
		armory_range_free(a, rack->range);
		return r;
	}
	rack->used = true;
	rack->ready = rack->wiring = false;
	a->arming[kind]++;
	return 0;
}

/* Arms a sandbox that could not be made now some time later, so that the stock does not stay
 * short. */
static void refill_later(struct armory *a)
{
	(void)loop_timer_by(a->options.loop, &a->refill,
			    loop_now_ns(a->options.loop) + FAILURE_APART_NS);
}

static void arm_up_to(struct armory *a, enum armory_kind kind, uint32_t target)
{
	int r = 0;

	while (r == 0 && !a->lost && a->ready[kind] + a->arming[kind] < target)
		r = arm_one(a, kind);
	/* A zygote that has ended is not heard of yet: wanted sandboxes wait for the next one. */
	if (r == -EPIPE || r == -ECONNRESET)
		return;
	if (r < 0)
		refill_later(a);
	if (r < 0 && r != -EAGAIN)
		a->options.on_failed(a->options.self, kind, strerror(-r));
}

static void on_refill(struct timer *t)
{
	struct armory *a = container_of(t, struct armory, refill);

	arm_up_to(a, ARMORY_PLAIN, a->options.keep);
	if (a->keeps_wired)
		arm_up_to(a, ARMORY_NET, a->options.keep);
}

static bool is_short(const struct armory *a, enum armory_kind kind)
{
	return a->ready[kind] + a->arming[kind] < a->options.keep;
}

void armory_want(struct armory *a, const uint32_t waiting[ARMORY_KINDS])
{
	bool shortage = false;

	for (enum armory_kind kind = 0; kind < ARMORY_KINDS; kind++) {
		bool kept = kind == ARMORY_PLAIN || (kind == ARMORY_NET && a->keeps_wired);

		a->keeps_wired |= armory_has_wire(kind) && waiting[kind] > 0;
		if (waiting[kind] > 0)
			arm_up_to(a, kind, waiting[kind] + (kept ? a->options.keep : 0));
		else if (kept && is_short(a, kind))
			shortage = true;
	}
	if (shortage && !timer_is_armed(&a->refill))
		(void)loop_timer_at(a->options.loop, &a->refill,
				    loop_now_ns(a->options.loop) + REFILL_AFTER_NS);
}

void armory_keep(struct armory *a, uint32_t keep)
{
	a->options.keep = keep;
	armory_want(a, (const uint32_t[ARMORY_KINDS]){0});
}

/* The rack with this range, among those whose sandbox is being armed; or NULL. */
static struct rack *rack_of_range(struct armory *a, uint32_t range)
{
	for (uint32_t i = 0; i < ARMED_MAX; i++)
		if (a->racks[i].used && !a->racks[i].ready && !a->racks[i].leaving &&
		    a->racks[i].range == range)
			return &a->racks[i];
	return NULL;
}

/* Gives back the directories and ids of a sandbox. False while a process still has them. */
static bool leave(struct rack *rack)
{
	struct armory *a = rack->armory;

	(void)cgroup_kill(&rack->cgroup);
	if (cgroup_remove(a->options.tree, &rack->cgroup) < 0)
		return false;
	cgroup_fini(&rack->cgroup);
	armory_range_free(a, rack->range);
	rack->used = rack->leaving = false;
	return true;
}

static void sweep_later(struct armory *a, uint64_t gap_ns)
{
	a->sweep_gap_ns = gap_ns < NS_PER_SEC ? gap_ns : NS_PER_SEC;
	(void)loop_timer_at(a->options.loop, &a->sweep,
			    loop_now_ns(a->options.loop) + a->sweep_gap_ns);
}

static void on_sweep(struct timer *t)
{
	struct armory *a = container_of(t, struct armory, sweep);
	bool all = true;

	for (uint32_t i = 0; i < ARMED_MAX; i++)
		if (a->racks[i].leaving)
			all &= leave(&a->racks[i]);
	if (!all)
		sweep_later(a, 2 * a->sweep_gap_ns);
}

static void drop(struct rack *rack)
{
	struct armory *a = rack->armory;
	uint32_t *count = rack->ready ? a->ready : a->arming;

	if (rack->ready)
		unwatch_death(rack);
	if (rack->ready || rack->wiring) {
		if (armory_has_wire(rack->kind))
			a->options.unwire(a->options.self, rack->range);
		armed_fini(&rack->armed);
	}
	must(count[rack->kind] > 0 && !rack->leaving);
	count[rack->kind]--;
	rack->ready = rack->wiring = false;
	rack->leaving = true;
	if (!leave(rack))
		sweep_later(a, SWEEP_NS);
}

/* A sandbox that was killed while it was armed says nothing about the next one. */
static bool try_again(struct armory *a, enum armory_kind kind)
{
	return ++a->failed[kind] < TRIES && arm_one(a, kind) == 0;
}

static void arming_failed(struct armory *a, uint32_t range, const struct sandbox_word *fault)
{
	struct rack *rack = rack_of_range(a, range);
	enum armory_kind kind = rack ? rack->kind : ARMORY_PLAIN;
	char why[128];

	if (rack)
		drop(rack);
	(void)text_format(why, sizeof(why), "step %s: %s", sandbox_step_name(fault->a),
			  strerror(fault->b));
	log_warn("event=arming_failed cause=\"%s\"", why);
	if (try_again(a, kind))
		return;
	refill_later(a);
	a->options.on_failed(a->options.self, kind, why);
}

/* Parked sandboxes end with the zygote that made them. */
static void drop_all(struct armory *a)
{
	for (uint32_t i = 0; i < ARMED_MAX; i++)
		if (a->racks[i].used && !a->racks[i].leaving)
			drop(&a->racks[i]);
}

/* Another one is made: at once, or a little later where that happens again and again. */
static void replace(struct rack *rack)
{
	struct armory *a = rack->armory;
	uint64_t now_ns = loop_now_ns(a->options.loop), at_ns = now_ns;

	log_warn("event=sandbox_died instance=%llu cause=\"it was killed before it was needed; "
		 "another one is made\"",
		 (unsigned long long)rack->number);
	drop(rack);
	if (a->death_ns && now_ns - a->death_ns < DEATHS_APART_NS)
		at_ns += REFILL_AFTER_NS;
	a->death_ns = now_ns;
	(void)loop_timer_by(a->options.loop, &a->refill, at_ns);
}

static void on_death(struct watch *w, uint32_t events)
{
	replace(container_of(w, struct rack, death));
}

int armory_revive(struct armory *a, struct zygote *zygote)
{
	int r;

	must(a->lost);
	a->options.zygote = zygote;
	a->watch.fd = zygote_fd(zygote);
	r = loop_watch(a->options.loop, &a->watch, EPOLLIN);
	a->lost = r < 0;
	return r;
}

/* Without a watch armory_take still sees whether the sandbox died. */
static void put_ready(struct rack *rack)
{
	struct armory *a = rack->armory;

	must(a->arming[rack->kind] > 0);
	rack->ready = true;
	rack->wiring = false;
	a->arming[rack->kind]--;
	a->ready[rack->kind]++;
	a->failed[rack->kind] = 0;
	rack->death.fd = rack->armed.pid_fd;
	(void)loop_watch(a->options.loop, &rack->death, EPOLLIN);
	a->options.on_armed(a->options.self);
}

static void fail_wiring(struct rack *rack, const char *why)
{
	struct armory *a = rack->armory;
	enum armory_kind kind = rack->kind;

	drop(rack);
	a->options.on_failed(a->options.self, kind, why);
}

static void begin_wiring(struct rack *rack)
{
	struct armory *a = rack->armory;
	int r = a->options.wire(a->options.self, rack->range, rack->armed.net_ns_fd);

	rack->wiring = true;
	if (r < 0)
		fail_wiring(rack, r == -EHOSTDOWN ? "ebb-net does not run" : strerror(-r));
}

void armory_wired(struct armory *a, uint32_t range, int err, const char *why)
{
	struct rack *rack = rack_of_range(a, range);

	if (!rack || !rack->wiring)
		return;
	if (err < 0)
		fail_wiring(rack, why);
	else
		put_ready(rack);
}

void armory_unwirable(struct armory *a, const char *why)
{
	for (uint32_t i = 0; i < ARMED_MAX; i++)
		if (a->racks[i].used && a->racks[i].wiring)
			fail_wiring(&a->racks[i], why);
}

static void on_zygote(struct watch *w, uint32_t events)
{
	struct armory *a = container_of(w, struct armory, watch);

	for (;;) {
		struct armed armed;
		struct sandbox_word fault;
		uint32_t range;
		int r = zygote_receive(a->options.zygote, &armed, &fault, &range);
		struct rack *rack;

		if (r == 0)
			return;
		if (r == -ECANCELED) {
			arming_failed(a, range, &fault);
			continue;
		}
		if (r < 0) {
			loop_unwatch(a->options.loop, &a->watch);
			a->watch.fd = -1;
			a->lost = true;
			drop_all(a);
			a->options.on_lost(a->options.self);
			return;
		}
		rack = rack_of_range(a, armed.range);
		if (!rack) { /* nobody asked for it */
			armed_fini(&armed);
			continue;
		}
		rack->armed = armed;
		if (armory_has_wire(rack->kind))
			begin_wiring(rack);
		else
			put_ready(rack);
	}
}

bool armory_take(struct armory *a, enum armory_kind kind, struct armed *out,
		 struct cgroup *out_cgroup, uint64_t *out_number)
{
	for (uint32_t i = 0; i < ARMED_MAX; i++) {
		struct rack *rack = &a->racks[i];

		if (!rack->used || !rack->ready || rack->kind != kind)
			continue;
		if (armed_is_dead(&rack->armed)) {
			replace(rack);
			continue;
		}
		unwatch_death(rack);
		*out = rack->armed;
		*out_cgroup = rack->cgroup;
		*out_number = rack->number;
		must(a->ready[kind] > 0);
		rack->used = rack->ready = false;
		a->ready[kind]--;
		return true;
	}
	return false;
}

int armory_exec(struct armory *a, const struct cgroup *cgroup, struct sandbox_exec *how)
{
	int joins[CGROUP_JOINS_MAX];
	int count = cgroup_joins(a->options.tree, cgroup, joins), r;

	if (count < 0)
		return count;
	how->cgroup_fd = cgroup->dir_fd;
	how->join_fds = joins;
	how->join_count = (size_t)count;
	r = a->lost ? -EPIPE : zygote_exec(a->options.zygote, how);
	for (int i = 0; i < count; i++)
		fd_close(&joins[i]);
	return r;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/armory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define RANGE_FIRST 2 /* 0: ebb's daemons, 1: unpackers */
#define RANGES      4096
#define ARMED_MAX   128
/* A claimed sandbox has the CPU first; arming the next one costs about a millisecond of it. */
#define REFILL_AFTER_NS (20 * NS_PER_MS)
#define GROUP           "instances" /* of their cgroups: <tree>/instances/<number> */

struct rack {
	bool used, ready;
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
	struct timer refill;
	uint64_t born; /* numbers are used once: so are cgroups */
	uint32_t ready[ARMORY_KINDS], arming[ARMORY_KINDS];
	uint32_t next_range;
	bool range_used[RANGES];
	struct rack racks[ARMED_MAX];
};

static void on_zygote(struct watch *w, uint32_t events);
static void on_refill(struct timer *t);

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
	a->watch = (struct watch){.fd = zygote_fd(options->zygote),
				  .on_ready = on_zygote,
				  .name = "armory on_zygote"};
	r = loop_watch(options->loop, &a->watch, EPOLLIN);
	if (r < 0) {
		free(a);
		return r;
	}
	*out = a;
	return 0;
}

void armory_free(struct armory *a)
{
	if (!a)
		return;
	loop_timer_off(a->options.loop, &a->refill);
	loop_unwatch(a->options.loop, &a->watch);
	for (uint32_t i = 0; i < ARMED_MAX; i++) {
		if (!a->racks[i].used)
			continue;
		if (a->racks[i].ready)
			armed_fini(&a->racks[i].armed);
		(void)cgroup_kill(&a->racks[i].cgroup);
		cgroup_fini(&a->racks[i].cgroup); /* the tree's purge removes it */
	}
	free(a);
}

static int range_take(struct armory *a, uint32_t *out)
{
	for (uint32_t i = 0; i < RANGES; i++) {
		uint32_t range = a->next_range;

		a->next_range = range + 1 < RANGES ? range + 1 : RANGE_FIRST;
		if (a->range_used[range])
			continue;
		a->range_used[range] = true;
		*out = range;
		return 0;
	}
	return -ENOSPC;
}

void armory_range_free(struct armory *a, uint32_t range)
{
	must(range >= RANGE_FIRST && range < RANGES && a->range_used[range]);
	a->range_used[range] = false;
}

static struct rack *rack_free(struct armory *a)
{
	for (uint32_t i = 0; i < ARMED_MAX; i++)
		if (!a->racks[i].used)
			return &a->racks[i];
	return NULL;
}

static void drop_cgroup(struct armory *a, struct cgroup *cgroup)
{
	/* A directory that is still busy with a dying process goes with the tree at the end. */
	(void)cgroup_remove(a->options.tree, cgroup);
	cgroup_fini(cgroup);
}

static int ask_zygote(struct armory *a, const struct rack *rack)
{
	int joins[CGROUP_JOINS_MAX];
	int count = cgroup_joins(a->options.tree, &rack->cgroup, joins), r;

	if (count < 0)
		return count;
	r = zygote_arm(a->options.zygote, rack->range, rack->kind == ARMORY_RING,
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
	snprintf(name, sizeof(name), "%llu", (unsigned long long)++a->born);
	rack->number = a->born;
	rack->kind = kind;
	r = cgroup_create(a->options.tree, GROUP, name, &none, &rack->cgroup);
	if (r == 0) {
		r = ask_zygote(a, rack);
		if (r < 0)
			drop_cgroup(a, &rack->cgroup);
	}
	if (r < 0) {
		armory_range_free(a, rack->range);
		return r;
	}
	rack->used = true;
	rack->ready = false;
	a->arming[kind]++;
	return 0;
}

static void arm_up_to(struct armory *a, enum armory_kind kind, uint32_t target)
{
	int r = 0;

	while (r == 0 && !a->lost && a->ready[kind] + a->arming[kind] < target)
		r = arm_one(a, kind);
	if (r < 0 && r != -EAGAIN)
		a->options.on_failed(a->options.self, kind, strerror(-r));
}

static void on_refill(struct timer *t)
{
	struct armory *a = container_of(t, struct armory, refill);

	arm_up_to(a, ARMORY_PLAIN, a->options.keep);
}

void armory_want(struct armory *a, const uint32_t waiting[ARMORY_KINDS])
{
	arm_up_to(a, ARMORY_RING, waiting[ARMORY_RING]);
	if (waiting[ARMORY_PLAIN] > 0)
		arm_up_to(a, ARMORY_PLAIN, waiting[ARMORY_PLAIN] + a->options.keep);
	else if (a->ready[ARMORY_PLAIN] + a->arming[ARMORY_PLAIN] < a->options.keep &&
		 !timer_is_armed(&a->refill))
		(void)loop_timer_at(a->options.loop, &a->refill,
				    loop_now_ns(a->options.loop) + REFILL_AFTER_NS);
}

static struct rack *rack_of_range(struct armory *a, uint32_t range)
{
	for (uint32_t i = 0; i < ARMED_MAX; i++)
		if (a->racks[i].used && !a->racks[i].ready && a->racks[i].range == range)
			return &a->racks[i];
	return NULL;
}

/* An arming that failed: give back what it had and say why. */
static void arming_failed(struct armory *a, uint32_t range, const struct sandbox_word *fault)
{
	struct rack *rack = rack_of_range(a, range);
	enum armory_kind kind = rack ? rack->kind : ARMORY_PLAIN;
	char why[128];

	if (rack) {
		must(a->arming[kind] > 0);
		a->arming[kind]--;
		(void)cgroup_kill(&rack->cgroup);
		drop_cgroup(a, &rack->cgroup);
		armory_range_free(a, range);
		rack->used = false;
	}
	(void)text_format(why, sizeof(why), "step %s: %s", sandbox_step_name(fault->a),
			  strerror(fault->b));
	a->options.on_failed(a->options.self, kind, why);
}

/* Parked sandboxes end with the zygote that made them. */
static void drop_all(struct armory *a)
{
	for (uint32_t i = 0; i < ARMED_MAX; i++) {
		struct rack *rack = &a->racks[i];

		if (!rack->used)
			continue;
		if (rack->ready)
			armed_fini(&rack->armed);
		(void)cgroup_kill(&rack->cgroup);
		drop_cgroup(a, &rack->cgroup);
		armory_range_free(a, rack->range);
		rack->used = rack->ready = false;
	}
	memset(a->ready, 0, sizeof(a->ready));
	memset(a->arming, 0, sizeof(a->arming));
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
		must(a->arming[rack->kind] > 0);
		rack->armed = armed;
		rack->ready = true;
		a->arming[rack->kind]--;
		a->ready[rack->kind]++;
		a->options.on_armed(a->options.self);
	}
}

bool armory_take(struct armory *a, enum armory_kind kind, struct armed *out,
		 struct cgroup *out_cgroup, uint64_t *out_number)
{
	for (uint32_t i = 0; i < ARMED_MAX; i++) {
		struct rack *rack = &a->racks[i];

		if (!rack->used || !rack->ready || rack->kind != kind)
			continue;
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

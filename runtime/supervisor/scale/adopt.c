// SPDX-License-Identifier: Apache-2.0
/*
 * A new ebbd takes over the instances of one that died. Where the row of an instance and the board
 * disagree, the one before died between two steps; the board decides, as it always does.
 */
#include "runtime/supervisor/scale/adopt.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sort.h"
#include "runtime/supervisor/freeze/freezer.h"
#include "runtime/supervisor/instance/accept.h"
#include "runtime/supervisor/instance/deed.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/start.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/instance/wire.h"
#include "runtime/supervisor/scale/fleet_inside.h"
#include "runtime/supervisor/scale/load.h"
#include "runtime/supervisor/scale/scale.h"

void adopt_each_fd(const struct estate *estate, void (*fn)(void *ctx, int fd), void *ctx)
{
	deeds_each_fd(estate, fn, ctx);
}

bool adopt_has_cgroup(void *estate, const char *path)
{
	return deeds_mean_cgroup(estate, path);
}

size_t adopt_row_size(void)
{
	return sizeof(struct deed);
}

const char *adopt_cgroups(void)
{
	return ARMORY_GROUP;
}

/* As the row has it, in its slot and in the list. -ENOENT: its specification is gone. */
static int take_in(struct ground *g, const struct deed *row)
{
	struct spec *spec = services_spec(g->services, row->spec);
	struct instance *i = spec ? calloc(1, sizeof(*i)) : NULL;

	if (!i)
		return spec ? -ENOMEM : -ENOENT;
	instance_init(i, g, spec);
	deed_give(row, i);
	armory_range_keep(g->armory, i->armed.range);
	instance_link(i);
	return 0;
}

static void adopt_row(struct ground *g, const struct deed *row)
{
	int r = take_in(g, row);

	if (r == 0)
		return;
	log_warn("event=not_adopted instance=%s cause=\"%s\"", row->id,
		 r == -ENOENT ? "its image cannot be opened" : "no memory");
	(void)board_move(g->board, row->slot, ~0u, BOARD_DEAD);
	deed_end(g->estate, row);
}

/* It was the present ebbd's word to gateways that it is up; the row may not say so yet. */
static bool is_up(const struct fleet *f, const struct instance *i, enum instance_state was)
{
	board_word w = board_load(f->ground.board, i->slot);
	enum board_state state = board_state_of(w);

	if (board_generation(w) != i->generation || i->stop_wanted)
		return false;
	return was <= INSTANCE_FROZEN && (state == BOARD_RUNNING || state == BOARD_FROZEN);
}

static void begin_load(struct instance *i)
{
	struct board_slot *b = board_slot(i->ground->board, i->slot);

	i->load.state.limit = i->load.said_limit = atomic_load(&b->limit);
	if (i->load.state.limit == 0)
		i->load.state.limit = i->load.said_limit = spec_limit_first(i->spec);
	i->load.ended_ns = clock_mono_ns(); /* a frozen one rests since then */
	if (i->state == INSTANCE_RUNNING)
		load_begin(i);
}

/* It accepts requests, and goes on as it was. */
static void go_on(struct instance *i, enum instance_state was)
{
	if (stop_watch_death(i) < 0 || stop_watch(i) < 0) {
		stop_adopt(i, INSTANCE_DYING);
		return;
	}
	if (!i->was_ready) { /* the one before died as it became so */
		i->was_ready = true;
		i->ready_ns = clock_mono_ns();
		meter_ready(i);
	}
	accept_begin(i);
	freezer_adopt(i, was == INSTANCE_FROZEN);
	begin_load(i);
	if (i->state == INSTANCE_RUNNING)
		meter_begin(i);
	deed_write(i);
}

static void revive(struct instance *i, enum instance_state was)
{
	struct fleet *f = fleet_of(i);
	enum board_state state = board_state_of(board_load(f->ground.board, i->slot));

	if (is_up(f, i, was))
		go_on(i, was);
	else if (i->was_ready && was <= INSTANCE_FROZEN && state == BOARD_DRAINING)
		stop_adopt(i, INSTANCE_DRAINING); /* it died as it began to drain */
	else
		stop_adopt(i, was);
}

/* Slots of instances that had no row, or are not there any more. */
static void clear_board(struct fleet *f)
{
	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++)
		if (!f->ground.slots[slot])
			(void)board_move(f->ground.board, slot, ~(1u << BOARD_EMPTY), BOARD_DEAD);
}

/* Sandboxes that nobody had claimed may have had a wire. */
static void drop_wire(void *ground, uint32_t range)
{
	unwire_sandbox(ground, range);
}

/* The rows of the estate, oldest first. */
struct aged {
	uint64_t opened_ns;
	uint32_t slot;
};

static int by_age(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;

	return (x->opened_ns > y->opened_ns) - (x->opened_ns < y->opened_ns);
}

static uint32_t rows_by_age(const struct estate *estate, struct aged *out)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++) {
		const struct deed *row = deed_read(estate, slot);

		if (row)
			out[count++] = (struct aged){row->opened_ns, slot};
	}
	sort_items(out, count, sizeof(*out), by_age);
	return count;
}

/* A change of revision that the death cut short: an instance of the new one serves, and the old
 * ones are to go; or none does yet, and one is to come. */
static void go_on_changing(struct fleet *f, struct service *service)
{
	bool present = false, older = false;
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		if (i->service != service->index || !instance_is_up(i))
			continue;
		if (i->spec == service->spec)
			present = true;
		else
			older = true;
	}
	if (present)
		fleet_drain(f, service->index, service->spec, true);
	else if (older && !f->draining)
		fleet_service_changed(f, service);
}

static void go_on_with_services(struct fleet *f)
{
	for (uint32_t index = 0; index < SERVICES_MAX; index++) {
		struct service *service = services_at(f->ground.services, index);

		if (service)
			go_on_changing(f, service);
		else
			fleet_drain(f, index, NULL, true); /* its image cannot be opened */
	}
}

uint32_t fleet_adopt(struct fleet *f)
{
	enum instance_state was[INSTANCES_MAX];
	struct aged rows[INSTANCES_MAX];
	uint32_t count = rows_by_age(f->ground.estate, rows);
	struct instance *i;

	for (uint32_t n = 0; n < count; n++) {
		const struct deed *row = deed_read(f->ground.estate, rows[n].slot);

		was[rows[n].slot] = (enum instance_state)row->state;
		adopt_row(&f->ground, row);
	}
	f->draining = atomic_load(&estate_words(f->ground.estate)->draining);
	clear_board(f);
	armory_each_free(f->ground.armory, drop_wire, &f->ground);
	fleet_holds_lost(f);
	chain_each(i, &f->ground.instances, in_ground) {
		revive(i, was[i->slot]);
		if (i->state < INSTANCE_DYING)
			tell_adopted(i);
	}
	go_on_with_services(f);
	scale_again_at(f, loop_now_ns(f->ground.loop));
	return fleet_count(f);
}

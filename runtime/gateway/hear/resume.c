// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/hear/resume.h"

#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/client/bindings.h"
#include "runtime/gateway/exchange/blame.h"
#include "runtime/gateway/exchange/choice_tell.h"
#include "runtime/gateway/exchange/queue.h"
#include "runtime/gateway/exchange/run.h"
#include "runtime/gateway/upstream/room.h"

void resume_begin(struct gateway *g)
{
	g->resuming = true;
	for (uint32_t n = 0; n < SERVICES_MAX; n++)
		g->routes.services[n].said = false;
	sites_unsay(&g->sites);
	for (uint32_t n = 0; n < INSTANCES_MAX; n++)
		g->instances.slots[n].said = g->callers.slots[n].said = false;
}

int resume_route_gone(struct gateway *g, uint32_t index)
{
	int r = routes_del(&g->routes, index);
	struct service *s;

	if (r < 0)
		return r;
	blame_forget(g, index);
	s = &g->routes.services[index];
	choice_forget(s);
	s->site = 0;
	/* Open requests on its instances may finish, but the next service with this index gets none
	 * of them. */
	while (chain_take_first(&s->instances))
		;
	exchange_service_gone(g, index);
	return 0;
}

/* How it ended, the ebbd knew that died. */
static void end_instance(struct gateway *g, const struct instance *i)
{
	const struct wire_instance_down down = {
		.slot = i->slot, .generation = i->generation, .cause = WIRE_DOWN_STOPPED};

	exchange_instance_down(g, &down);
}

bool resume_knows(struct gateway *g, const struct wire_instance_up *up)
{
	struct instance *i;

	must(g->resuming);
	if (up->slot >= INSTANCES_MAX || !g->instances.slots[up->slot].up)
		return false;
	i = &g->instances.slots[up->slot];
	if (i->generation != up->generation || i->service != up->service) {
		end_instance(g, i);
		return false;
	}
	i->said = true;
	return true;
}

bool resume_knows_caller(struct gateway *g, const struct wire_bindings *record)
{
	struct caller *k = record->slot < INSTANCES_MAX ? &g->callers.slots[record->slot] : NULL;

	if (!g->resuming || !k || k->count == 0)
		return false;
	if (k->generation != record->generation)
		bindings_gone(g, record->slot, k->generation);
	k->said = k->count > 0 && k->generation == record->generation;
	return k->said;
}

/* Clients hold a ticket there and wait for a socket or for room. */
static void ask_again(struct gateway *g, struct instance *i)
{
	i->asked_sockets = false;
	room_forget_question(&g->up, i);
	if (!chain_is_empty(&i->waits) && i->stock_count == 0)
		tell_need_sockets(&g->tell, i);
}

int resume_end(struct gateway *g)
{
	int r = 0;

	g->resuming = false;
	for (uint32_t n = 0; n < INSTANCES_MAX; n++) {
		struct instance *i = &g->instances.slots[n];

		if (g->callers.slots[n].count > 0 && !g->callers.slots[n].said)
			bindings_gone(g, n, g->callers.slots[n].generation);
		if (i->up && !i->said)
			end_instance(g, i);
		else if (i->up)
			ask_again(g, i);
	}
	for (uint32_t n = 0; n < SERVICES_MAX && r == 0; n++) {
		struct service *s = &g->routes.services[n];

		if (s->used && !s->said) {
			r = resume_route_gone(g, n);
		} else if (s->used) {
			s->need_told = 0;
			exchange_serve_queue(g, n);
			queue_tell(g, n);
		}
	}
	log_info("event=resumed");
	return r;
}

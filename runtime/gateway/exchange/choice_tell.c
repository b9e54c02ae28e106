// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/choice_tell.h"

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"

#define TELL_AGAIN_NS NS_PER_SEC

static void tell(struct gateway *g, struct service *s)
{
	if (s->choice_told_ns == 0 || gateway_now(g) - s->choice_told_ns >= TELL_AGAIN_NS) {
		s->choice_due = false;
		tell_choice(&g->tell, s->record.index);
		return;
	}
	s->choice_due = g->choice_due = true;
	timers_set(&g->timers, gateway_coarse_timer(g), s->choice_told_ns + TELL_AGAIN_NS);
}

static void describe(struct gateway *g, const struct choice *made, struct wire_choice *out)
{
	const uint32_t *n = made->classes;
	struct board_slot *b = board_slot(g->board, made->best->slot);

	out->slot = made->best->slot;
	out->generation = made->best->generation;
	out->tickets = board_tickets(atomic_load_explicit(&b->word, memory_order_relaxed));
	out->limit = atomic_load_explicit(&b->limit, memory_order_relaxed);
	out->awake = n[CLASS_PRESENT | CLASS_ROOM | CLASS_AWAKE];
	out->frozen = n[CLASS_PRESENT | CLASS_ROOM];
	out->saturated = n[CLASS_PRESENT | CLASS_AWAKE];
	out->older = n[CLASS_ROOM | CLASS_AWAKE] + n[CLASS_ROOM] + n[CLASS_AWAKE];
	out->full = n[0];
}

void choice_made(struct gateway *g, struct client *c, const struct choice *made)
{
	struct service *s = &g->routes.services[c->x.service];
	struct wire_choice *last = &s->choice;
	const struct instance *i = made->best;
	bool alone = i->of_service.next == &s->instances && i->of_service.before == &s->instances;
	enum wire_choice_reason reason = choice_reason(made->rank, alone);

	must(c->x.ticket != TICKET_NONE);
	c->x.chosen = reason;
	last->made[reason]++;
	/* Generations begin with 1, so the zeroed choice of a new service differs from every real
	 * one. */
	if (last->generation == i->generation && last->slot == i->slot && last->reason == reason)
		return;
	last->reason = reason;
	describe(g, made, last);
	tell(g, s);
}

void choice_tell_due(struct gateway *g)
{
	if (!g->choice_due)
		return;
	g->choice_due = false;
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		if (g->routes.services[i].choice_due)
			tell(g, &g->routes.services[i]);
}

void choice_forget(struct service *s)
{
	s->choice = (struct wire_choice){0};
	s->choice_told_ns = 0;
	s->choice_due = false;
}

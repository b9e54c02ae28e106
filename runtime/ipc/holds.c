// SPDX-License-Identifier: Apache-2.0
#include "runtime/ipc/holds.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/base/container_of.h"
#include "runtime/base/heap.h"
#include "runtime/base/mem.h"

/* Links are 1 + index; 0 = none. */
struct hold {
	struct heap_item due;
	struct request_id id;
	struct hold_terms terms;
	uint32_t slot, generation;
	uint32_t prev, next; /* links of the instance's holds; next also of the free list */
	uint32_t note;       /* index of its note on the board; BOARD_NOTES_MAX: none */
};

struct holds {
	struct board *board;
	uint32_t free;
	struct heap due; /* earliest first */
	uint32_t first[INSTANCES_MAX], counts[INSTANCES_MAX], service[INSTANCES_MAX];
	struct shares shares;
	struct hold all[HOLDS_MAX];
};

int holds_new(struct board *board, struct holds **out)
{
	struct holds *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	if (heap_reserve(&h->due, HOLDS_MAX) < 0) {
		free(h);
		return -ENOMEM;
	}
	h->board = board;
	for (uint32_t i = 0; i < HOLDS_MAX; i++)
		h->all[i].next = i + 1 < HOLDS_MAX ? i + 2 : 0;
	h->free = 1;
	h->shares.max = HOLDS_MAX;
	*out = h;
	return 0;
}

void holds_free(struct holds *h)
{
	if (h)
		heap_fini(&h->due);
	free(h);
}

static struct hold *at(struct holds *h, uint32_t link)
{
	must(link > 0 && link <= HOLDS_MAX);
	return &h->all[link - 1];
}

static uint32_t link_of(const struct holds *h, const struct hold *hold)
{
	return (uint32_t)(hold - h->all) + 1;
}

/* The heap has room for all holds, so this cannot fail. */
static void set_due(struct holds *h, struct hold *hold)
{
	must(heap_put(&h->due, &hold->due, hold->terms.due_ns) == 0);
}

/* ---- numbers for others ---- */

static void write_note(struct holds *h, const struct hold *hold)
{
	struct board_note *note;

	if (hold->note >= BOARD_NOTES_MAX)
		return;
	note = &board_notes(h->board, hold->slot)[hold->note];
	atomic_store(&note->id_high, hold->id.high);
	atomic_store(&note->id_low, hold->id.low);
	atomic_store(&note->until_ms, hold->terms.until_ms);
}

static uint32_t free_note(struct holds *h, uint32_t slot)
{
	uint32_t n = 0;

	while (n < BOARD_NOTES_MAX && atomic_load(&board_notes(h->board, slot)[n].until_ms) != 0)
		n++;
	return n;
}

/* ---- holds ---- */

static uint32_t find(struct holds *h, uint32_t slot, struct request_id id)
{
	uint32_t link = h->first[slot];

	while (link && (at(h, link)->id.high != id.high || at(h, link)->id.low != id.low))
		link = at(h, link)->next;
	return link;
}

/* All background work of a request shares one hold and its deadline. A later message may move the
 * deadline, but never beyond the bound that the first message had (cap_ns). */
static void renew(struct holds *h, uint32_t link, const struct hold_terms *terms)
{
	struct hold *hold = at(h, link);
	uint64_t cap_ns = hold->terms.cap_ns, over_ns;

	hold->terms = *terms;
	hold->terms.cap_ns = cap_ns;
	if (terms->due_ns > cap_ns) {
		over_ns = terms->due_ns - cap_ns;
		hold->terms.due_ns = cap_ns;
		hold->terms.until_ms -= over_ns / 1000000;
	}
	set_due(h, hold);
	write_note(h, hold);
}

static void add(struct holds *h, uint32_t slot, uint32_t generation, struct request_id id,
		const struct hold_terms *terms)
{
	uint32_t link = h->free;
	struct hold *hold = at(h, link);

	h->free = hold->next;
	*hold = (struct hold){.id = id,
			      .terms = *terms,
			      .slot = slot,
			      .generation = generation,
			      .next = h->first[slot],
			      .note = free_note(h, slot)};
	if (hold->next)
		at(h, hold->next)->prev = link;
	h->first[slot] = link;
	h->counts[slot]++;
	shares_take(&h->shares, h->service[slot], 1);
	set_due(h, hold);
	write_note(h, hold);
}

static void drop(struct holds *h, uint32_t link)
{
	struct hold *hold = at(h, link);

	heap_remove(&h->due, &hold->due);
	if (hold->prev)
		at(h, hold->prev)->next = hold->next;
	else
		h->first[hold->slot] = hold->next;
	if (hold->next)
		at(h, hold->next)->prev = hold->prev;
	h->counts[hold->slot]--;
	shares_give(&h->shares, h->service[hold->slot], 1);
	if (hold->note < BOARD_NOTES_MAX)
		atomic_store(&board_notes(h->board, hold->slot)[hold->note].until_ms, 0);
	board_release(h->board, hold->slot, hold->generation);
	hold->next = h->free;
	h->free = link;
}

/* Ends a hold of the instance that has the most of the service that has the most. */
static bool make_room(struct holds *h, uint32_t slot)
{
	uint32_t service, most = INSTANCES_MAX;

	if (h->free)
		return true;
	service = shares_largest(&h->shares, h->service[slot], 1);
	if (service == SERVICES_MAX)
		return false;
	for (uint32_t n = 0; n < INSTANCES_MAX; n++)
		if (h->service[n] == service && h->counts[n] > 0 &&
		    (most == INSTANCES_MAX || h->counts[n] > h->counts[most]))
			most = n;
	must(most < INSTANCES_MAX);
	atomic_fetch_add(&board_tally(h->board, most)->cut, 1);
	drop(h, h->first[most]);
	return true;
}

void holds_of_service(struct holds *h, uint32_t slot, uint32_t service)
{
	must(slot < INSTANCES_MAX && service < SERVICES_MAX && h->counts[slot] == 0);
	h->service[slot] = service;
}

enum board_take holds_take(struct holds *h, uint32_t slot, uint32_t generation,
			   struct request_id id, const struct hold_terms *terms)
{
	uint32_t link = find(h, slot, id);
	enum board_take taken;

	if (link) {
		renew(h, link, terms);
		return BOARD_TAKEN;
	}
	if (h->counts[slot] >= HOLDS_PER_INSTANCE || !make_room(h, slot))
		return BOARD_FULL;
	taken = board_hold(h->board, slot, generation);
	if (taken == BOARD_TAKEN || taken == BOARD_TAKEN_THAW)
		add(h, slot, generation, id, terms);
	return taken;
}

bool holds_end(struct holds *h, uint32_t slot, struct request_id id)
{
	uint32_t link = find(h, slot, id);

	if (link)
		drop(h, link);
	return link != 0;
}

void holds_end_all(struct holds *h, uint32_t slot)
{
	while (h->first[slot])
		drop(h, h->first[slot]);
}

uint64_t holds_next_due_ns(const struct holds *h)
{
	return heap_first_key(&h->due);
}

bool holds_cut_due(struct holds *h, uint64_t now_ns, struct hold_cut *out)
{
	const struct hold *hold;

	if (holds_next_due_ns(h) > now_ns)
		return false;
	hold = container_of(heap_first(&h->due), struct hold, due);
	*out = (struct hold_cut){
		.slot = hold->slot, .id = hold->id, .until_ms = hold->terms.until_ms};
	drop(h, link_of(h, hold));
	return true;
}

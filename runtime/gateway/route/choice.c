// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/route/choice.h"

#include "runtime/base/mem.h"

#define CLASS_SHIFT 20 /* the bits below the class: tickets + 1 */

uint32_t choice_rank(board_word word, uint32_t generation, uint32_t limit, bool present_revision,
		     bool saturated)
{
	enum board_state state = board_state_of(word);
	uint32_t tickets = board_tickets(word);
	uint32_t class = (present_revision ? CLASS_PRESENT : 0) | (saturated ? 0 : CLASS_ROOM);

	if (board_generation(word) != generation || tickets >= limit)
		return 0;
	if (state == BOARD_RUNNING)
		return (class | CLASS_AWAKE) << CLASS_SHIFT | (tickets + 1);
	return state == BOARD_FROZEN ? (class | CLASS_ROOM) << CLASS_SHIFT | 1 : 0;
}

enum wire_choice_reason choice_reason(uint32_t rank, bool alone)
{
	uint32_t class = rank >> CLASS_SHIFT;

	if (alone)
		return WIRE_CHOICE_ONLY;
	if (!(class & CLASS_PRESENT))
		return WIRE_CHOICE_OLDER;
	if (!(class & CLASS_ROOM))
		return WIRE_CHOICE_SATURATED;
	return class & CLASS_AWAKE ? WIRE_CHOICE_FULLEST : WIRE_CHOICE_WOKEN;
}

static uint32_t rank_of(struct board *board, const struct service *s, const struct instance *i)
{
	struct board_slot *b = board_slot(board, i->slot);

	return choice_rank(atomic_load_explicit(&b->word, memory_order_acquire), i->generation,
			   atomic_load_explicit(&b->limit, memory_order_relaxed),
			   i->revision == s->record.revision,
			   atomic_load_explicit(&b->saturated, memory_order_relaxed));
}

struct choice choice_make(struct board *board, const struct service *s, uint64_t now_ns)
{
	struct choice made = {0};
	struct instance *i;

	chain_each(i, &s->instances, of_service) {
		uint32_t rank = i->doubt_until_ns > now_ns ? 0 : rank_of(board, s, i);

		must(rank >> CLASS_SHIFT < CHOICE_CLASSES);
		made.classes[rank >> CLASS_SHIFT]++;
		if (rank > made.rank) {
			made.rank = rank;
			made.best = i;
		}
	}
	return made;
}

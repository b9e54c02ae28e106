// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/rules/regex.h"

#define SLOTS_MAX (REGEX_GROUPS_MAX * 2)
#define UNSET     UINT16_MAX
#define NO_SLOT   UINT16_MAX

_Static_assert(REGEX_TEXT_MAX < UNSET, "a place fits into a slot");

/* Instructions that are tried at one place of the text, in the order of their precedence. */
struct tried {
	uint16_t count;
	uint16_t insts[REGEX_INSTS_MAX];
	uint16_t slots[REGEX_INSTS_MAX][SLOTS_MAX]; /* by instruction */
};

/* An instruction to follow, or a slot that gets its old value back. */
struct pending {
	uint16_t inst, slot, value;
};

struct regex_room {
	struct tried lists[2];
	uint32_t seen[REGEX_INSTS_MAX], stamp; /* stamp: of the place that is looked at */
	struct pending stack[REGEX_INSTS_MAX * 2 + SLOTS_MAX * REGEX_INSTS_MAX];
	uint8_t looks[REGEX_LOOKS_MAX][REGEX_TEXT_MAX / 8 + 1];
};

/* One matching. */
struct run {
	struct regex_room *room;
	const struct regex_inst *insts;
	const struct regex_set *sets;
	const char *text;
	size_t size;
	uint16_t slot_count; /* 0: nobody wants groups */
	uint16_t slots[SLOTS_MAX];
	uint64_t *steps; /* that may still be spent */
};

struct regex_room *regex_room_new(void)
{
	return calloc(1, sizeof(struct regex_room));
}

void regex_room_free(struct regex_room *room)
{
	free(room);
}

static bool is_word(const struct run *run, size_t at)
{
	unsigned char c = at < run->size ? (unsigned char)run->text[at] : 0;

	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_';
}

static bool place_holds(const struct run *run, const struct regex_inst *i, size_t at)
{
	bool edge = (at > 0 && is_word(run, at - 1)) != is_word(run, at);

	switch (i->op) {
	case REGEX_BEGIN:
		return at == 0;
	case REGEX_END:
		return at == run->size;
	case REGEX_WORD:
		return edge;
	case REGEX_NOT_WORD:
		return !edge;
	default:
		return (run->room->looks[i->x][at / 8] >> at % 8 & 1) == (i->op == REGEX_LOOK);
	}
}

/* Notes an instruction that takes a byte, or the end. */
static void note(struct run *run, struct tried *list, uint16_t inst)
{
	list->insts[list->count++] = inst;
	memcpy(list->slots[inst], run->slots, run->slot_count * sizeof(run->slots[0]));
}

static struct pending *save(struct run *run, struct pending *top, uint16_t slot, uint16_t value)
{
	if (slot >= run->slot_count)
		return top;
	*top = (struct pending){.slot = slot, .value = run->slots[slot]};
	run->slots[slot] = value;
	return top + 1;
}

/* Follows an instruction that takes no byte, and returns the new top of what is pending. */
static struct pending *follow(struct run *run, struct pending *top, uint16_t inst, size_t at)
{
	const struct regex_inst *i = &run->insts[inst];

	switch (i->op) {
	case REGEX_SPLIT:
		*top++ = (struct pending){.inst = i->y, .slot = NO_SLOT};
		*top++ = (struct pending){.inst = i->x, .slot = NO_SLOT};
		return top;
	case REGEX_JUMP:
		*top++ = (struct pending){.inst = i->x, .slot = NO_SLOT};
		return top;
	case REGEX_SAVE:
		top = save(run, top, i->x, (uint16_t)at);
		break;
	case REGEX_CLEAR:
		for (uint16_t slot = i->x; slot < i->y; slot++)
			top = save(run, top, slot, UNSET);
		break;
	default:
		if (!place_holds(run, i, at))
			return top;
	}
	*top++ = (struct pending){.inst = (uint16_t)(inst + 1), .slot = NO_SLOT};
	return top;
}

/* Adds an instruction, and all that it leads to without a byte, to the list of a place. */
static void reach(struct run *run, struct tried *list, uint16_t inst, size_t at)
{
	struct regex_room *room = run->room;
	struct pending *top = room->stack;

	*top++ = (struct pending){.inst = inst, .slot = NO_SLOT};
	while (top > room->stack) {
		struct pending p = *--top;

		if (p.slot != NO_SLOT) {
			run->slots[p.slot] = p.value;
			continue;
		}
		if (room->seen[p.inst] == room->stamp)
			continue;
		room->seen[p.inst] = room->stamp;
		*run->steps -= *run->steps > 0;
		if (run->insts[p.inst].op <= REGEX_MATCH)
			note(run, list, p.inst);
		else
			top = follow(run, top, p.inst, at);
	}
}

static void next_place(struct regex_room *room, struct tried *list)
{
	list->count = 0;
	if (++room->stamp == 0) {
		memset(room->seen, 0, sizeof(room->seen));
		room->stamp = 1;
	}
}

static bool takes(const struct run *run, const struct regex_inst *i, unsigned char byte)
{
	switch (i->op) {
	case REGEX_BYTE:
		return i->byte == byte;
	case REGEX_ANY:
		return byte != '\n' && byte != '\r';
	case REGEX_SET:
		return run->sets[i->x].bits[byte / 32] >> byte % 32 & 1;
	default:
		return false;
	}
}

/* Goes from all instructions of a place to those of the next one, over a byte. */
static void advance(struct run *run, const struct tried *now, struct tried *next,
		    unsigned char byte, size_t at)
{
	next_place(run->room, next);
	for (uint16_t n = 0; n < now->count; n++) {
		uint16_t inst = now->insts[n];

		if (!takes(run, &run->insts[inst], byte))
			continue;
		memcpy(run->slots, now->slots[inst], run->slot_count * sizeof(run->slots[0]));
		reach(run, next, (uint16_t)(inst + 1), at);
	}
}

static bool ends_here(const struct run *run, const struct tried *list)
{
	for (uint16_t n = 0; n < list->count; n++)
		if (run->insts[list->insts[n]].op == REGEX_MATCH)
			return true;
	return false;
}

/* Marks each place of the text where the lookahead holds, from the last one to the first. */
static int mark_look(struct run *run, uint16_t number, uint16_t begin)
{
	struct regex_room *room = run->room;
	struct tried *now = &room->lists[0], *next = &room->lists[1], *other;

	memset(room->looks[number], 0, run->size / 8 + 1);
	next_place(room, now);
	for (size_t at = run->size;; at--) {
		reach(run, now, begin, at); /* it may end at any place */
		if (ends_here(run, now))
			room->looks[number][at / 8] |= (uint8_t)(1u << at % 8);
		if (*run->steps == 0)
			return -E2BIG;
		if (at == 0)
			return 0;
		advance(run, now, next, (unsigned char)run->text[at - 1], at - 1);
		other = now;
		now = next;
		next = other;
	}
}

/* Cuts what has less precedence than an end of the match, and keeps the groups of that end. */
static bool take_end(struct run *run, struct tried *list, uint16_t *best)
{
	for (uint16_t n = 0; n < list->count; n++) {
		uint16_t inst = list->insts[n];

		if (run->insts[inst].op != REGEX_MATCH)
			continue;
		memcpy(best, list->slots[inst], run->slot_count * sizeof(best[0]));
		list->count = n;
		return true;
	}
	return false;
}

/* 1 with the slots of the match in best, 0 or -E2BIG. */
static int find(struct run *run, uint16_t *best)
{
	struct regex_room *room = run->room;
	struct tried *now = &room->lists[0], *next = &room->lists[1], *other;
	int found = 0;

	next_place(room, now);
	memset(run->slots, 0xff, sizeof(run->slots));
	reach(run, now, 0, 0);
	for (size_t at = 0;; at++) {
		if (take_end(run, now, best))
			found = 1;
		if (*run->steps == 0)
			return -E2BIG;
		if (now->count == 0 || at == run->size)
			return found;
		advance(run, now, next, (unsigned char)run->text[at], at + 1);
		other = now;
		now = next;
		next = other;
	}
}

static void give_groups(struct regex_group *groups, const uint16_t *slots, uint16_t count)
{
	memset(groups, 0, REGEX_GROUPS_MAX * sizeof(*groups));
	for (uint16_t i = 1; i < count; i++) {
		uint16_t at = slots[i * 2], end = slots[i * 2 + 1];

		if (at == UNSET || end == UNSET || at > end)
			continue;
		groups[i] = (struct regex_group){at, (uint32_t)(end - at), true};
	}
}

int regex_match(struct regex_room *room, const struct regex_head *re, const char *text, size_t size,
		struct regex_group *groups, uint64_t *steps)
{
	const struct regex_set *sets = (const void *)(re + 1);
	struct run run = {.room = room,
			  .insts = (const void *)(sets + re->set_count),
			  .sets = sets,
			  .text = text,
			  .size = size,
			  .steps = steps};
	uint16_t best[SLOTS_MAX];
	int r = 0;

	if (size > REGEX_TEXT_MAX)
		return -E2BIG;
	for (uint16_t i = 0; i < re->look_count && r == 0; i++)
		r = mark_look(&run, i, re->looks[i]);
	run.slot_count = groups ? (uint16_t)(re->group_count * 2) : 0;
	if (r == 0)
		r = find(&run, best);
	if (r == 1 && groups)
		give_groups(groups, best, re->group_count);
	return r;
}

/* ---- whether a table holds one ---- */

static bool inst_valid(const struct regex_head *head, const struct regex_inst *i, uint16_t number)
{
	uint16_t slots = (uint16_t)(head->group_count * 2);

	if (i->op >= REGEX_OP_COUNT ||
	    (i->op != REGEX_MATCH && i->op != REGEX_JUMP && number + 1u >= head->inst_count))
		return false;
	switch (i->op) {
	case REGEX_SET:
		return i->x < head->set_count;
	case REGEX_SPLIT:
		return i->x < head->inst_count && i->y < head->inst_count;
	case REGEX_JUMP:
		return i->x < head->inst_count;
	case REGEX_SAVE:
		return i->x < slots;
	case REGEX_CLEAR:
		return i->x <= i->y && i->y <= slots;
	case REGEX_LOOK:
	case REGEX_NOT_LOOK:
		return i->x < head->look_count;
	default:
		return true;
	}
}

bool regex_valid(const void *at, size_t size)
{
	const struct regex_head *head = at;
	const struct regex_inst *insts;

	if (size < sizeof(*head) || head->inst_count == 0 || head->inst_count > REGEX_INSTS_MAX ||
	    head->set_count > REGEX_SETS_MAX || head->group_count == 0 ||
	    head->group_count > REGEX_GROUPS_MAX || head->look_count > REGEX_LOOKS_MAX ||
	    regex_size(head) != size)
		return false;
	insts = (const void *)((const char *)at + sizeof(*head) +
			       head->set_count * sizeof(struct regex_set));
	for (uint16_t i = 0; i < head->look_count; i++)
		if (head->looks[i] >= head->inst_count)
			return false;
	for (uint16_t i = 0; i < head->inst_count; i++)
		if (!inst_valid(head, &insts[i], i))
			return false;
	return true;
}

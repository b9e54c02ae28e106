// SPDX-License-Identifier: Apache-2.0
#include "runtime/rules/regex_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

struct emitter {
	const struct regex_tree *tree;
	struct regex *re;
	bool backward, full;
};

static void emit(struct emitter *e, uint16_t number);

static uint16_t here(const struct emitter *e)
{
	return e->re->head.inst_count;
}

/* An instruction; where none has room any more, the last one is written again. */
static uint16_t add(struct emitter *e, enum regex_op op, uint16_t x, uint16_t y)
{
	if (here(e) == REGEX_INSTS_MAX) {
		e->full = true;
		return REGEX_INSTS_MAX - 1;
	}
	e->re->insts[here(e)] = (struct regex_inst){.op = (uint8_t)op, .x = x, .y = y};
	return e->re->head.inst_count++;
}

static void emit_either(struct emitter *e, const struct regex_node *n)
{
	uint16_t jumps = 0, split, jump; /* jumps: the last one, each names the one before in y */
	bool some = false;

	for (uint16_t child = n->first; child; child = e->tree->nodes[child].next) {
		if (!e->tree->nodes[child].next) {
			emit(e, child);
			break;
		}
		split = add(e, REGEX_SPLIT, (uint16_t)(here(e) + 1), 0);
		emit(e, child);
		jump = add(e, REGEX_JUMP, 0, some ? jumps : UINT16_MAX);
		jumps = jump;
		some = true;
		e->re->insts[split].y = here(e);
	}
	while (some && !e->full) {
		struct regex_inst *i = &e->re->insts[jumps];

		some = i->y != UINT16_MAX;
		jumps = i->y;
		i->x = here(e);
		i->y = 0;
	}
}

static void emit_body(struct emitter *e, const struct regex_node *n)
{
	if (!e->backward && n->group_end > n->group_from)
		add(e, REGEX_CLEAR, (uint16_t)(n->group_from * 2), (uint16_t)(n->group_end * 2));
	emit(e, n->first);
}

/* Sets where a split leads: into what is repeated, and past it; a lazy one tries that first. */
static void aim(struct emitter *e, uint16_t split, bool lazy, uint16_t into, uint16_t past)
{
	e->re->insts[split].x = lazy ? past : into;
	e->re->insts[split].y = lazy ? into : past;
}

static void emit_repeat(struct emitter *e, const struct regex_node *n)
{
	uint16_t splits[REGEX_REPEAT_MAX], count = 0;

	for (uint16_t i = 0; i < n->min && !e->full; i++)
		emit_body(e, n);
	if (n->max == REGEX_ENDLESS) {
		uint16_t split = add(e, REGEX_SPLIT, 0, 0);

		emit_body(e, n);
		add(e, REGEX_JUMP, split, 0);
		aim(e, split, n->lazy, (uint16_t)(split + 1), here(e));
		return;
	}
	for (uint16_t i = n->min; i < n->max && !e->full; i++) {
		splits[count++] = add(e, REGEX_SPLIT, 0, 0);
		emit_body(e, n);
	}
	for (uint16_t i = 0; i < count; i++)
		aim(e, splits[i], n->lazy, (uint16_t)(splits[i] + 1), here(e));
}

static void emit_sequence(struct emitter *e, const struct regex_node *n)
{
	uint16_t children[REGEX_INSTS_MAX], count = 0;

	for (uint16_t c = n->first; c && !e->backward; c = e->tree->nodes[c].next)
		emit(e, c);
	if (!e->backward)
		return;
	for (uint16_t c = n->first; c && !e->full; c = e->tree->nodes[c].next) {
		e->full = count == REGEX_INSTS_MAX;
		if (!e->full)
			children[count++] = c;
	}
	while (count > 0)
		emit(e, children[--count]);
}

static void emit_group(struct emitter *e, const struct regex_node *n)
{
	add(e, REGEX_SAVE, (uint16_t)(n->number * 2), 0);
	emit(e, n->first);
	add(e, REGEX_SAVE, (uint16_t)(n->number * 2 + 1), 0);
}

static void emit(struct emitter *e, uint16_t number)
{
	static const uint8_t plain[] = {
		[NODE_BYTE] = REGEX_BYTE,         [NODE_ANY] = REGEX_ANY,
		[NODE_SET] = REGEX_SET,           [NODE_BEGIN] = REGEX_BEGIN,
		[NODE_END] = REGEX_END,           [NODE_WORD] = REGEX_WORD,
		[NODE_LOOK] = REGEX_LOOK,         [NODE_NOT_WORD] = REGEX_NOT_WORD,
		[NODE_NOT_LOOK] = REGEX_NOT_LOOK,
	};
	const struct regex_node *n = &e->tree->nodes[number];

	if (!number || e->full)
		return;
	switch (n->kind) {
	case NODE_EMPTY:
		break;
	case NODE_SEQ:
		emit_sequence(e, n);
		break;
	case NODE_ALT:
		emit_either(e, n);
		break;
	case NODE_REPEAT:
		emit_repeat(e, n);
		break;
	case NODE_GROUP:
		emit_group(e, n);
		break;
	default:
		e->re->insts[add(e, plain[n->kind], n->number, 0)].byte = n->byte;
	}
}

static int regex_emit(const struct regex_tree *tree, const char **why)
{
	struct emitter e = {.tree = tree, .re = tree->re};

	tree->re->head.inst_count = 0;
	emit(&e, tree->root);
	add(&e, REGEX_MATCH, 0, 0);
	e.backward = true;
	for (uint16_t i = 0; i < tree->re->head.look_count; i++) {
		tree->re->head.looks[i] = here(&e);
		emit(&e, tree->nodes[tree->looks[i]].first);
		add(&e, REGEX_MATCH, 0, 0);
	}
	if (!e.full)
		return 0;
	*why = "is too large: it would take more than 1024 steps for each character";
	return -EINVAL;
}

int regex_compile(const char *text, size_t size, struct regex *out, const char **why)
{
	struct regex_tree *tree = calloc(1, sizeof(*tree));
	int r;

	if (!tree)
		return -ENOMEM;
	memset(out, 0, sizeof(*out));
	tree->re = out;
	r = regex_parse(text, size, tree, why);
	if (r == 0)
		r = regex_emit(tree, why);
	free(tree);
	return r;
}

size_t regex_size(const struct regex_head *head)
{
	return sizeof(*head) + head->set_count * sizeof(struct regex_set) +
	       head->inst_count * sizeof(struct regex_inst);
}

void regex_write(const struct regex *re, void *at)
{
	char *to = at;
	size_t sets = re->head.set_count * sizeof(struct regex_set);

	memcpy(to, &re->head, sizeof(re->head));
	memcpy(to + sizeof(re->head), re->sets, sets);
	memcpy(to + sizeof(re->head) + sets, re->insts,
	       re->head.inst_count * sizeof(struct regex_inst));
}

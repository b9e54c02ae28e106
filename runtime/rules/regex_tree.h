/* SPDX-License-Identifier: Apache-2.0 */
/* A regular expression as a tree, between its parser and the maker of instructions. */
#ifndef EBB_RULES_REGEX_TREE_H
#define EBB_RULES_REGEX_TREE_H

#include "runtime/rules/regex.h"

#define REGEX_NODES_MAX  4096u
#define REGEX_DEPTH_MAX  32u
#define REGEX_ENDLESS    UINT16_MAX
#define REGEX_REPEAT_MAX 1000u

enum regex_kind {
	NODE_EMPTY,
	NODE_BYTE,
	NODE_ANY,
	NODE_SET,
	NODE_SEQ, /* children one after the other */
	NODE_ALT, /* one of the children */
	NODE_REPEAT,
	NODE_GROUP,
	NODE_BEGIN,
	NODE_END,
	NODE_WORD,
	NODE_NOT_WORD,
	NODE_LOOK,
	NODE_NOT_LOOK,
};

/* Nodes by number; 0 is none. */
struct regex_node {
	uint8_t kind, byte;
	bool lazy;
	uint16_t first, next;
	uint16_t number; /* of the set, the group or the lookahead */
	uint16_t min, max;
	uint16_t group_from, group_end; /* REPEAT: the groups inside */
};

struct regex_tree {
	struct regex *re;
	uint16_t count, root;
	uint16_t looks[REGEX_LOOKS_MAX]; /* nodes of lookaheads, the inner ones first */
	struct regex_node nodes[REGEX_NODES_MAX];
};

/* Fills the tree, and sets, names and counts of groups and lookaheads of tree->re. 0 or -EINVAL. */
int regex_parse(const char *text, size_t size, struct regex_tree *tree, const char **why);
#endif

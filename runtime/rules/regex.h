/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions, as JavaScript has them without the parts that no matcher does in linear
 * time: compiled by an unprivileged program into a small table, matched by a gateway in time
 * proportional to text times table. Nothing goes back in the text.
 *
 * A lookahead is matched before the rest, once over the whole text from its end to its begin: a bit
 * for each place says whether it holds there. References to groups and lookbehinds are refused.
 */
#ifndef EBB_RULES_REGEX_H
#define EBB_RULES_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGEX_INSTS_MAX  1024u
#define REGEX_SETS_MAX   32u
#define REGEX_GROUPS_MAX 17u /* with the whole match, group 0 */
#define REGEX_LOOKS_MAX  8u
#define REGEX_NAME_SIZE  32
#define REGEX_TEXT_MAX   16384u /* bytes of a text that is matched */

enum regex_op {
	REGEX_BYTE, /* of this byte */
	REGEX_ANY,  /* a byte that ends no line */
	REGEX_SET,  /* x: number of the set */
	REGEX_MATCH,
	/* The rest takes no byte. */
	REGEX_SPLIT, /* x first, then y */
	REGEX_JUMP,  /* x */
	REGEX_SAVE,  /* x: number of the slot; two for each group */
	REGEX_CLEAR, /* slots from x to y, without y */
	REGEX_BEGIN,
	REGEX_END,
	REGEX_WORD,
	REGEX_NOT_WORD,
	REGEX_LOOK,     /* x: number of the lookahead */
	REGEX_NOT_LOOK, /* x */
	REGEX_OP_COUNT,
};

struct regex_inst {
	uint8_t op, byte;
	uint16_t x, y, reserved;
};

struct regex_set {
	uint32_t bits[8];
};

/* As a table keeps it: this head, the sets, the instructions. */
struct regex_head {
	uint16_t inst_count, set_count, group_count, look_count;
	uint16_t looks[REGEX_LOOKS_MAX]; /* the instruction where each begins; they run backwards */
};

/* As it is compiled. */
struct regex {
	struct regex_head head;
	struct regex_set sets[REGEX_SETS_MAX];
	struct regex_inst insts[REGEX_INSTS_MAX];
	char names[REGEX_GROUPS_MAX][REGEX_NAME_SIZE]; /* of groups, or "" */
};

/* 0, or -EINVAL with the cause in *why: half a sentence behind the expression. */
int regex_compile(const char *text, size_t size, struct regex *out, const char **why);
/* Bytes of the compiled expression in a table, and its writing there. */
size_t regex_size(const struct regex_head *head);
void regex_write(const struct regex *re, void *at);
/* Whether `size` bytes hold exactly a compiled expression that regex_match can take. at: aligned to
 * 4 bytes. */
bool regex_valid(const void *at, size_t size);

/* Memory for matching, of about 300 KB; made once. */
struct regex_room;
struct regex_room *regex_room_new(void); /* NULL: no memory */
void regex_room_free(struct regex_room *room);

struct regex_group {
	uint32_t at, size;
	bool set;
};

/* Matches from the begin of the text. groups: REGEX_GROUPS_MAX of them, or NULL if only the answer
 * counts, which is faster. *steps is what may be spent, and gets less. 1: it matches; 0; -E2BIG:
 * the text is too long, or the steps are spent. */
int regex_match(struct regex_room *room, const struct regex_head *re, const char *text, size_t size,
		struct regex_group *groups, uint64_t *steps);

#endif

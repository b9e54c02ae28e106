/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a pattern of path-to-regexp 6.1: text, and parameters with what stands around them.
 * A parameter takes the / or . in front of it as its prefix: "/a/:b*" is "/a" and {/ b *}.
 */
#ifndef EBB_RULES_TOKENS_H
#define EBB_RULES_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKENS_MAX      64u
#define PATTERN_MAX     4096u /* bytes of a source or a destination */
#define TOKENS_NAME_MAX 32u

/* Text in memory of the tokens. */
struct token_text {
	uint16_t at, size;
};

struct token {
	bool param;                 /* else it is the text in prefix */
	bool group;                 /* param: {...} with neither a name nor a pattern */
	char modifier;              /* * + ? or 0 */
	char name[TOKENS_NAME_MAX]; /* "" is a parameter without a name */
	struct token_text prefix, pattern, suffix; /* pattern: empty is the usual one */
};

struct tokens {
	struct token list[TOKENS_MAX];
	size_t count;
	char text[PATTERN_MAX];
	size_t used;
};

/* 0, or -EINVAL with half a sentence in *why. */
int tokens_read(const char *pattern, size_t size, struct tokens *out, const char **why);

#endif

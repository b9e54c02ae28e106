/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source as vercel.json has it, in the syntax of path-to-regexp: "/blog/:slug*",
 * "/((?!api/).*)". It becomes the text of a regular expression whose group n is the nth parameter.
 */
#ifndef EBB_RULES_SOURCE_H
#define EBB_RULES_SOURCE_H

#include "runtime/rules/regex.h"
#include "runtime/rules/tokens.h"

#define SOURCE_TEXT_MAX 16384u

struct source {
	char text[SOURCE_TEXT_MAX]; /* the regular expression, NUL-terminated */
	size_t size;
	size_t key_count;
	char keys[REGEX_GROUPS_MAX][TOKENS_NAME_MAX]; /* key n is group n + 1; "" has no name */
};

/* 0, or -EINVAL with half a sentence in *why. */
int source_read(const char *text, struct source *out, const char **why);

#endif

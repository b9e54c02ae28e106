/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A destination as vercel.json has it becomes text with $1, $2 for the parameters of its source and
 * $name for what conditions found. A rewrite that uses no parameter in its path gets all of them as
 * its query.
 */
#ifndef EBB_RULES_DESTINATION_H
#define EBB_RULES_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/rules/source.h"

#define DESTINATION_MAX 8192u
#define FOUND_NAMES_MAX 16u

/* Names that conditions (has) give to what they find. */
struct found_names {
	size_t count;
	char names[FOUND_NAMES_MAX][TOKENS_NAME_MAX];
};

struct destination {
	char text[DESTINATION_MAX];
	size_t size;
};

enum destination_kind { DESTINATION_REDIRECT, DESTINATION_REWRITE };

/* 0, or -EINVAL with half a sentence in *why. */
int destination_read(const char *text, enum destination_kind kind, const struct source *source,
		     const struct found_names *found, struct destination *out, const char **why);
/* The value (or the key) of a header that a rule adds: :name is replaced, nothing else. */
int destination_of_header(const char *text, const struct source *source,
			  const struct found_names *found, struct destination *out,
			  const char **why);

#endif

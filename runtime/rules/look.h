/* SPDX-License-Identifier: Apache-2.0 */
/* Whether one rule is for a request, and what it found: the groups of its source, and what its
 * conditions looked at. */
#ifndef EBB_RULES_LOOK_H
#define EBB_RULES_LOOK_H

#include "runtime/rules/apply.h"

#define VALUE_MAX 4096u /* bytes of a query parameter without its escapes */

struct found {
	struct rules_slice value; /* the subject of the condition */
	struct regex_group groups[REGEX_GROUPS_MAX];
};

struct look {
	const struct rules_table *table;
	struct regex_room *regex;
	const struct rules_request *request;
	struct rules_slice path; /* as the rules made it */
	uint64_t steps;
	bool spent; /* more work than a request is worth */
	struct regex_group groups[REGEX_GROUPS_MAX];
	struct found found[RULES_CONDS_MAX];
	char values[VALUE_MAX];
	size_t values_size;
};

bool look_matches(struct look *l, const struct rule *rule);

/* Writes a template with what the last matching rule found into memory from *at to end, and moves
 * *at. Bytes that an address may not hold are escaped. False: no room. */
bool look_expand(const struct look *l, struct rules_text template, char **at, const char *end,
		 bool address);

#endif

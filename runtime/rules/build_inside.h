/* SPDX-License-Identifier: Apache-2.0 */
/* The table while it is made. */
#ifndef EBB_RULES_BUILD_INSIDE_H
#define EBB_RULES_BUILD_INSIDE_H

#include <stdint.h>

#include "runtime/rules/build.h"
#include "runtime/rules/destination.h"
#include "runtime/rules/regex.h"

#define BUILD_PATH_SIZE 200

/* The meaning of a name in a destination. */
struct build_found {
	uint8_t cond, group;
};

/* The rule that is made. */
struct building {
	struct rules_table *table; /* grows; size is what it holds */
	size_t capacity;
	struct rule *rules; /* RULES_MAX */
	const struct rules_listener *listener;
	bool failed, no_memory;
	char path[BUILD_PATH_SIZE]; /* of the rule */
	struct rule rule;
	struct source source;
	struct found_names names;
	struct build_found found[FOUND_NAMES_MAX];
	struct rule_cond conds[RULES_CONDS_MAX];
	size_t cond_count;
	struct regex regex;
	struct destination text; /* scratch */
};

/* Says that a member of the rule is wrong. member: ".source", or "" for the rule. */
void build_refuse(struct building *b, const char *member, const struct json *value,
		  const char *what);
void build_warn(struct building *b, const char *member, const struct json *value, const char *what);

/* Adds bytes to the table, aligned for a struct. */
struct rules_text build_add(struct building *b, const void *bytes, size_t size, size_t align);
/* Compiles an expression and adds it. size 0: it was refused, with the value that held it. */
struct rules_text build_regex(struct building *b, const char *text, size_t size, const char *member,
			      const struct json *value);
/* Adds text with $1 and $name as a template. */
struct rules_text build_template(struct building *b, const char *text, size_t size);

/* Reads has and missing of a rule into conds and names. */
void build_conds(struct building *b, const struct json *rule);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "runtime/rules/table.h"

#include <string.h>

#include "runtime/base/text.h"
#include "runtime/rules/regex.h"

/* Whether a text lies behind the head of the table, and holds whole items of this size. */
static bool inside(const struct rules_table *t, struct rules_text text, size_t item)
{
	if (text.size == 0)
		return true;
	return text.at >= sizeof(*t) && text.at <= t->size && text.size <= t->size - text.at &&
	       text.size % item == 0 && (item == 1 || text.at % 8 == 0);
}

static bool template_valid(const struct rules_table *t, struct rules_text text, uint16_t groups,
			   size_t conds)
{
	const uint8_t *at, *end;

	if (!inside(t, text, 1))
		return false;
	at = rules_at(t, text);
	end = at + text.size;
	while (at < end) {
		size_t left = (size_t)(end - at);

		size_t text_size = left >= 3 ? (size_t)(at[1] | at[2] << 8) : 0;

		if (left >= 3 && at[0] == PIECE_TEXT && left - 3 >= text_size)
			at += 3 + text_size;
		else if (left >= 2 && at[0] == PIECE_GROUP && at[1] < groups)
			at += 2;
		else if (left >= 3 && at[0] == PIECE_FOUND && at[1] < conds &&
			 at[2] < REGEX_GROUPS_MAX)
			at += 3;
		else
			return false;
	}
	return true;
}

static bool regex_inside(const struct rules_table *t, struct rules_text text)
{
	return text.size > 0 && inside(t, text, 1) && text.at % 4 == 0 &&
	       regex_valid(rules_at(t, text), text.size);
}

/* Texts, each behind its size. */
static bool list_valid(const struct rules_table *t, struct rules_text text)
{
	const uint8_t *at, *end;

	if (!inside(t, text, 1))
		return false;
	at = rules_at(t, text);
	end = at + text.size;
	while (end - at >= 2) {
		size_t size = (size_t)(at[0] | at[1] << 8);

		if ((size_t)(end - at) - 2 < size)
			return false;
		at += 2 + size;
	}
	return at == end;
}

static bool cond_valid(const struct rules_table *t, const struct rule_cond *c)
{
	if (c->kind >= COND_KINDS || c->test >= TEST_COUNT || !inside(t, c->key, 1))
		return false;
	if (c->test == TEST_REGEX)
		return regex_inside(t, c->value);
	return c->test == TEST_EQUAL ? list_valid(t, c->value) : inside(t, c->value, 1);
}

static bool rule_valid(const struct rules_table *t, const struct rule *rule)
{
	const struct rule_cond *conds;
	const struct rule_field *fields;
	size_t cond_count, field_count;
	uint16_t groups;

	if (rule->kind >= RULE_KINDS || rule->target >= RULE_TARGETS ||
	    (rule->service != RULES_NONE && rule->service >= t->service_count) ||
	    (rule->target == RULE_TO_SERVICE && rule->service == RULES_NONE) ||
	    !inside(t, rule->literal, 1) || !regex_inside(t, rule->regex) ||
	    !inside(t, rule->conds, sizeof(struct rule_cond)) ||
	    !inside(t, rule->fields, sizeof(struct rule_field)))
		return false;
	groups = ((const struct regex_head *)rules_at(t, rule->regex))->group_count;
	conds = rules_at(t, rule->conds);
	cond_count = rule->conds.size / sizeof(*conds);
	fields = rules_at(t, rule->fields);
	field_count = rule->fields.size / sizeof(*fields);
	if (cond_count > RULES_CONDS_MAX || field_count > RULES_FIELDS_MAX ||
	    !template_valid(t, rule->to, groups, cond_count))
		return false;
	for (size_t i = 0; i < cond_count; i++)
		if (!cond_valid(t, &conds[i]))
			return false;
	for (size_t i = 0; i < field_count; i++)
		if (!template_valid(t, fields[i].name, groups, cond_count) ||
		    !template_valid(t, fields[i].value, groups, cond_count))
			return false;
	return true;
}

static bool group_valid(const struct rules_table *t, const struct rules_group *g, bool of_site)
{
	const struct rule *rules = rules_at(t, t->rules);

	if (of_site ? g->service != RULES_NONE : g->service >= t->service_count)
		return false;
	for (size_t kind = 0; kind < RULE_KINDS; kind++) {
		if (g->first[kind] + g->count[kind] > t->rule_count)
			return false;
		for (uint16_t i = 0; i < g->count[kind]; i++)
			if (rules[g->first[kind] + i].kind != kind)
				return false;
	}
	return true;
}

static bool head_valid(const struct rules_table *t, size_t size)
{
	if (size < sizeof(*t) || size > RULES_BYTES_MAX || t->magic != RULES_MAGIC ||
	    t->size != size || t->rule_count > RULES_MAX || t->group_count == 0 ||
	    t->group_count > RULES_GROUPS_MAX || t->service_count > RULES_SERVICES_MAX ||
	    (t->otherwise != RULES_NONE && t->otherwise >= t->service_count) ||
	    !inside(t, t->rules, sizeof(struct rule)) ||
	    t->rules.size != t->rule_count * sizeof(struct rule))
		return false;
	for (uint16_t i = 0; i < t->service_count; i++)
		if (!text_terminated(t->services[i], RULES_NAME_SIZE))
			return false;
	return true;
}

bool rules_valid(const void *table, size_t size)
{
	const struct rules_table *t = table;
	const struct rule *rules;

	if (!head_valid(t, size))
		return false;
	rules = rules_at(t, t->rules);
	for (uint16_t i = 0; i < t->rule_count; i++)
		if (!rule_valid(t, &rules[i]))
			return false;
	for (uint16_t i = 0; i < t->group_count; i++)
		if (!group_valid(t, &t->groups[i], i == 0))
			return false;
	return true;
}

// SPDX-License-Identifier: Apache-2.0
/* has and missing of a rule. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/rules/build_inside.h"

/* One item of has or missing. */
struct item {
	struct building *b;
	const struct json *json;
	char member[48];       /* ".has[2]" */
	struct rule_cond cond; /* the part that all of its tests share */
	bool missing;
};

static void refuse(struct item *it, const char *key, const struct json *value, const char *what)
{
	char member[64];

	(void)text_format(member, sizeof(member), "%s%s", it->member, key);
	build_refuse(it->b, member, value, what);
}

/* The condition gets its number here, and the names that destinations may use. */
static void add_name(struct building *b, const char *name, uint8_t group)
{
	if (b->names.count == FOUND_NAMES_MAX || strlen(name) >= TOKENS_NAME_MAX)
		return;
	for (size_t i = 0; i < b->names.count; i++)
		if (strcmp(b->names.names[i], name) == 0)
			return;
	(void)snprintf(b->names.names[b->names.count], TOKENS_NAME_MAX, "%s", name);
	b->found[b->names.count++] = (struct build_found){(uint8_t)b->cond_count, group};
}

static void add_cond(struct item *it, struct rule_cond cond)
{
	struct building *b = it->b;

	if (b->cond_count == RULES_CONDS_MAX)
		build_refuse(b, it->member, it->json, "is one condition too many (..16)");
	else
		b->conds[b->cond_count++] = cond;
}

static void add_list(struct item *it, struct rule_cond cond, const struct json *values,
		     const char *key)
{
	char *text = malloc(RULES_CONDS_MAX * 64 + 65536);
	size_t n = 0, count = json_kind(values) == JSON_ARRAY ? json_count(values) : 1;

	for (size_t i = 0; text && i < count; i++) {
		const struct json *v =
			json_kind(values) == JSON_ARRAY ? json_at(values, i) : values;
		const char *s = json_string(v);
		char number[32];
		int64_t whole;
		size_t size;

		if (!s && json_int(v, &whole) == 0) {
			(void)snprintf(number, sizeof(number), "%lld", (long long)whole);
			s = number;
		}
		size = s ? strlen(s) : 0;
		if (!s || size > 4096 || n + size + 2 > 65536) {
			refuse(it, key, values, "is neither text nor a list of texts (..4096)");
			break;
		}
		text[n++] = (char)(size & 255);
		text[n++] = (char)(size >> 8);
		memcpy(text + n, s, size);
		n += size;
	}
	it->b->no_memory |= !text;
	cond.test = TEST_EQUAL;
	cond.value = build_add(it->b, text, n, 4);
	free(text);
	add_cond(it, cond);
}

static void add_regex(struct item *it, struct rule_cond cond, const struct json *value)
{
	const char *text = json_string(value);
	struct building *b = it->b;
	char whole[PATTERN_MAX + 16];

	if (!text || text_format(whole, sizeof(whole), "^(?:%s)$", text) < 0) {
		refuse(it, ".value", value, "is no text of at most 4096 bytes");
		return;
	}
	cond.test = TEST_REGEX;
	cond.value = build_regex(b, whole, strlen(whole), it->member, value);
	for (uint16_t g = 1; !it->missing && cond.value.size && g < b->regex.head.group_count; g++)
		if (b->regex.names[g][0])
			add_name(b, b->regex.names[g], (uint8_t)g);
	if (!it->missing && cond.kind == COND_HOST)
		add_name(b, "host", 0);
	add_cond(it, cond);
}

static void add_number(struct item *it, struct rule_cond cond, const struct json *value,
		       enum cond_test test)
{
	int64_t whole;

	if (json_int(value, &whole) < 0) {
		refuse(it, ".value", value, "is not a whole number");
		return;
	}
	cond.test = (uint8_t)test;
	cond.number = (double)whole;
	add_cond(it, cond);
}

static void add_text(struct item *it, struct rule_cond cond, const struct json *value,
		     enum cond_test test)
{
	const char *text = json_string(value);

	if (!text) {
		refuse(it, ".value", value, "is not a text");
		return;
	}
	cond.test = (uint8_t)test;
	cond.value = build_add(it->b, text, strlen(text), 4);
	add_cond(it, cond);
}

static void add_operation(struct item *it, const char *name, const struct json *value)
{
	static const struct {
		const char *name;
		enum cond_test test;
	} numbers[] = {{"lt", TEST_LESS},
		       {"lte", TEST_AT_MOST},
		       {"gt", TEST_MORE},
		       {"gte", TEST_AT_LEAST}};
	struct rule_cond cond = it->cond, not = it->cond;

	not .negated = !cond.negated;
	if (strcmp(name, "eq") == 0 || strcmp(name, "inc") == 0)
		add_list(it, cond, value, ".value");
	else if (strcmp(name, "neq") == 0 || strcmp(name, "ninc") == 0)
		add_list(it, not, value, ".value");
	else if (strcmp(name, "pre") == 0)
		add_text(it, cond, value, TEST_BEGINS);
	else if (strcmp(name, "suf") == 0)
		add_text(it, cond, value, TEST_ENDS);
	else if (strcmp(name, "re") == 0)
		add_regex(it, cond, value);
	else {
		for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
			if (strcmp(name, numbers[i].name) == 0) {
				add_number(it, cond, value, numbers[i].test);
				return;
			}
		refuse(it, ".value", it->json,
		       "has a test that is none of: eq neq inc ninc pre suf re gt gte lt lte");
	}
}

static void add_tests(struct item *it, const struct json *value)
{
	struct rule_cond cond = it->cond;

	if (!value) {
		cond.test = TEST_THERE;
		if (!it->missing && cond.kind != COND_HOST)
			add_name(it->b, json_string(json_get(it->json, "key")), 0);
		add_cond(it, cond);
	} else if (json_kind(value) == JSON_STRING) {
		add_regex(it, cond, value);
	} else if (json_kind(value) != JSON_OBJECT || json_count(value) == 0) {
		refuse(it, ".value", value, "is neither a text nor an object of tests");
	} else if (it->missing && json_count(value) > 1) {
		refuse(it, ".value", value,
		       "has more than one test, which missing cannot have here");
	} else {
		for (size_t i = 0; i < json_count(value); i++)
			add_operation(it, json_key_at(value, i), json_at(value, i));
	}
}

static int kind_of(const char *type)
{
	static const char *const kinds[COND_KINDS] = {[COND_HOST] = "host",
						      [COND_HEADER] = "header",
						      [COND_COOKIE] = "cookie",
						      [COND_QUERY] = "query"};

	for (int i = 0; type && i < COND_KINDS; i++)
		if (strcmp(type, kinds[i]) == 0)
			return i;
	return -1;
}

static void read_item(struct item *it)
{
	const char *key = json_string(json_get(it->json, "key"));
	int kind = kind_of(json_string(json_get(it->json, "type")));

	if (kind < 0) {
		refuse(it, ".type", json_get(it->json, "type"),
		       "is not one of: host header cookie query");
		return;
	}
	if (kind != COND_HOST && (!key || !*key)) {
		refuse(it, ".key", json_get(it->json, "key"),
		       "is not the name of a header, cookie or parameter");
		return;
	}
	if (kind == COND_HOST && !json_get(it->json, "value")) {
		refuse(it, ".value", NULL, "is missing");
		return;
	}
	it->cond = (struct rule_cond){
		.kind = (uint8_t)kind, .negated = it->missing, .absent = it->missing};
	if (key && kind != COND_HOST)
		it->cond.key = build_add(it->b, key, strlen(key), 4);
	add_tests(it, json_get(it->json, "value"));
}

static void read_list(struct building *b, const struct json *rule, const char *key, bool missing)
{
	const struct json *list = json_get(rule, key);
	char member[16];

	(void)text_format(member, sizeof(member), ".%s", key);
	if (list && json_kind(list) != JSON_ARRAY)
		build_refuse(b, member, list, "is not a list of conditions");
	for (size_t i = 0; json_kind(list) == JSON_ARRAY && i < json_count(list); i++) {
		struct item it = {.b = b, .json = json_at(list, i), .missing = missing};

		(void)text_format(it.member, sizeof(it.member), ".%s[%zu]", key, i);
		read_item(&it);
	}
}

void build_conds(struct building *b, const struct json *rule)
{
	b->cond_count = b->names.count = 0;
	read_list(b, rule, "has", false);
	read_list(b, rule, "missing", true);
}

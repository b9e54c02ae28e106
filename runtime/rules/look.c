// SPDX-License-Identifier: Apache-2.0
#include "runtime/rules/look.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the subject of a condition ---- */

static bool same(struct rules_slice a, struct rules_slice b)
{
	return a.size == b.size && memcmp(a.at, b.at, a.size) == 0;
}

static struct rules_slice text_of(const struct look *l, struct rules_text text)
{
	return (struct rules_slice){rules_at(l->table, text), text.size};
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The text without its escapes, kept as long as the rule is looked at. */
static struct rules_slice unescaped(struct look *l, const char *text, size_t size)
{
	struct rules_slice out = {l->values + l->values_size, 0};

	if (size > VALUE_MAX - l->values_size) {
		l->spent = true;
		return (struct rules_slice){NULL, 0};
	}
	for (size_t i = 0; i < size; i++) {
		char c = text[i] == '+' ? ' ' : text[i];

		if (c == '%' && i + 2 < size && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
			c = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		}
		l->values[l->values_size++] = c;
		out.size++;
	}
	return out;
}

/* The value of a pair in "a=b&c=d" or "a=b; c=d". at NULL: there is none. */
static struct rules_slice pair_in(struct rules_slice list, struct rules_slice key, char between)
{
	const char *at = list.at, *end = list.at + list.size;

	while (at < end) {
		const char *next = memchr(at, between, (size_t)(end - at)), *equals;

		next = next ? next : end;
		while (between == ';' && at < next && *at == ' ')
			at++;
		equals = memchr(at, '=', (size_t)(next - at));
		equals = equals ? equals : next;
		if (same((struct rules_slice){at, (size_t)(equals - at)}, key)) {
			equals += equals < next;
			return (struct rules_slice){equals, (size_t)(next - equals)};
		}
		at = next + 1;
	}
	return (struct rules_slice){NULL, 0};
}

static struct rules_slice header(struct look *l, struct rules_slice name, size_t n)
{
	return l->request->header(l->request->self, name, n);
}

static struct rules_slice cookie(struct look *l, struct rules_slice name)
{
	struct rules_slice line, value = {NULL, 0};

	for (size_t n = 0; !value.at; n++) {
		line = header(l, (struct rules_slice){"cookie", 6}, n);
		if (!line.at)
			break;
		value = pair_in(line, name, ';');
	}
	return value;
}

/* The subject of the condition; at NULL: there is none. */
static struct rules_slice subject(struct look *l, const struct rule_cond *c)
{
	struct rules_slice key = text_of(l, c->key), value = {NULL, 0};

	switch (c->kind) {
	case COND_HOST:
		return l->request->host;
	case COND_HEADER:
		return header(l, key, 0);
	case COND_COOKIE:
		return cookie(l, key);
	default:
		value = pair_in(l->request->query, key, '&');
		return value.at ? unescaped(l, value.at, value.size) : value;
	}
}

/* ---- tests ---- */

static bool is_one_of(struct rules_slice value, struct rules_slice list)
{
	const uint8_t *at = (const void *)list.at, *end = at + list.size;

	while (at < end) {
		size_t size = (size_t)(at[0] | at[1] << 8);

		if (same(value, (struct rules_slice){(const char *)at + 2, size}))
			return true;
		at += 2 + size;
	}
	return false;
}

static bool number_of(struct rules_slice value, double *out)
{
	char text[32], *end;

	if (value.size == 0 || value.size >= sizeof(text))
		return false;
	memcpy(text, value.at, value.size);
	text[value.size] = '\0';
	*out = strtod(text, &end);
	return end == text + value.size;
}

static bool compares(const struct rule_cond *c, struct rules_slice value)
{
	double number;

	if (!number_of(value, &number))
		return false;
	switch (c->test) {
	case TEST_LESS:
		return number < c->number;
	case TEST_AT_MOST:
		return number <= c->number;
	case TEST_MORE:
		return number > c->number;
	default:
		return number >= c->number;
	}
}

static bool run_regex(struct look *l, struct rules_text regex, struct rules_slice text,
		      struct regex_group *groups)
{
	int r = regex_match(l->regex, rules_at(l->table, regex), text.at, text.size, groups,
			    &l->steps);

	l->spent |= r < 0;
	return r == 1;
}

static bool test(struct look *l, const struct rule_cond *c, struct found *found)
{
	struct rules_slice value = found->value, with = text_of(l, c->value);

	switch (c->test) {
	case TEST_THERE:
		return true;
	case TEST_EQUAL:
		return is_one_of(value, with);
	case TEST_BEGINS:
		return value.size >= with.size && memcmp(value.at, with.at, with.size) == 0;
	case TEST_ENDS:
		return value.size >= with.size &&
		       memcmp(value.at + value.size - with.size, with.at, with.size) == 0;
	case TEST_REGEX:
		return run_regex(l, c->value, value, found->groups);
	default:
		return compares(c, value);
	}
}

static bool cond_holds(struct look *l, const struct rule_cond *c, struct found *found)
{
	memset(found->groups, 0, sizeof(found->groups));
	found->value = subject(l, c);
	if (!found->value.at)
		return c->absent;
	return test(l, c, found) != (c->negated != 0);
}

static bool begins_right(const struct look *l, const struct rule *rule)
{
	struct rules_slice path = l->path, literal = text_of(l, rule->literal);

	if (path.size < literal.size || (rule->whole && path.size != literal.size))
		return false;
	return memcmp(path.at, literal.at, literal.size) == 0;
}

bool look_matches(struct look *l, const struct rule *rule)
{
	const struct rule_cond *conds = rules_at(l->table, rule->conds);
	size_t count = rule->conds.size / sizeof(*conds);

	if (!begins_right(l, rule))
		return false;
	l->values_size = 0;
	if (rule->whole)
		memset(l->groups, 0, sizeof(l->groups));
	else if (!run_regex(l, rule->regex, l->path,
			    rule->to.size || rule->fields.size ? l->groups : NULL))
		return false;
	for (size_t i = 0; i < count && i < RULES_CONDS_MAX; i++)
		if (!cond_holds(l, &conds[i], &l->found[i]))
			return false;
	return !l->spent;
}

/* ---- templates ---- */

/* Bytes that may stand in an address as they are. A line end in a header is none of them, either.
 */
static bool fits(unsigned char c, bool address)
{
	if (!address)
		return c >= ' ' && c != 127;
	return c > ' ' && c < 127 && !strchr("\"<>\\^`{|}", c);
}

static bool put(struct rules_slice text, char **at, const char *end, bool address)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = (unsigned char)text.at[i];
		bool plain = fits(c, address);

		if (end - *at < (plain ? 1 : 3))
			return false;
		if (plain) {
			*(*at)++ = (char)c;
			continue;
		}
		*(*at)++ = '%';
		*(*at)++ = digits[c >> 4];
		*(*at)++ = digits[c & 15];
	}
	return true;
}

static struct rules_slice group_text(const struct regex_group *g, struct rules_slice whole)
{
	if (!g->set || g->at > whole.size || g->size > whole.size - g->at)
		return (struct rules_slice){"", 0};
	return (struct rules_slice){whole.at + g->at, g->size};
}

static struct rules_slice found_text(const struct look *l, uint8_t cond, uint8_t group)
{
	const struct found *f = &l->found[cond];

	if (!f->value.at)
		return (struct rules_slice){"", 0};
	return group ? group_text(&f->groups[group], f->value) : f->value;
}

bool look_expand(const struct look *l, struct rules_text template, char **at, const char *end,
		 bool address)
{
	const uint8_t *piece = rules_at(l->table, template), *stop = piece + template.size;
	bool fine = true;

	while (piece < stop && fine) {
		size_t size;

		switch (*piece) {
		case PIECE_TEXT:
			size = (size_t)(piece[1] | piece[2] << 8);
			fine = put((struct rules_slice){(const char *)piece + 3, size}, at, end,
				   address);
			piece += 3 + size;
			break;
		case PIECE_GROUP:
			fine = put(group_text(&l->groups[piece[1]], l->path), at, end, address);
			piece += 2;
			break;
		default:
			fine = put(found_text(l, piece[1], piece[2]), at, end, address);
			piece += 3;
		}
	}
	return fine;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/rules/regex_tree.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"

struct parser {
	const char *at, *end;
	struct regex_tree *tree;
	const char *why;
	unsigned int depth;
	bool in_look;
};

static uint16_t parse_either(struct parser *p);

static uint16_t fail(struct parser *p, const char *why)
{
	if (!p->why)
		p->why = why;
	p->at = p->end;
	return 0;
}

static struct regex_node *node_of(struct parser *p, uint16_t number)
{
	must(number < p->tree->count);
	return &p->tree->nodes[number];
}

static uint16_t node_new(struct parser *p, enum regex_kind kind)
{
	if (p->tree->count == REGEX_NODES_MAX)
		return fail(p, "is too long");
	p->tree->nodes[p->tree->count] = (struct regex_node){.kind = (uint8_t)kind};
	return p->tree->count++;
}

static bool looking_at(const struct parser *p, const char *text)
{
	size_t size = strlen(text);

	return (size_t)(p->end - p->at) >= size && memcmp(p->at, text, size) == 0;
}

static bool take(struct parser *p, const char *text)
{
	if (!looking_at(p, text))
		return false;
	p->at += strlen(text);
	return true;
}

/* ---- sets of bytes ---- */

static void set_add(struct regex_set *set, unsigned int from, unsigned int to)
{
	for (unsigned int byte = from; byte <= to; byte++)
		set->bits[byte / 32] |= 1u << byte % 32;
}

static void set_invert(struct regex_set *set)
{
	for (size_t i = 0; i < ARRAY_LEN(set->bits); i++)
		set->bits[i] = ~set->bits[i];
}

/* \d \w \s and their opposites. */
static bool set_of_letter(char letter, struct regex_set *out)
{
	struct regex_set set = {{0}};

	switch (letter | 32) {
	case 'd':
		set_add(&set, '0', '9');
		break;
	case 'w':
		set_add(&set, '0', '9');
		set_add(&set, 'A', 'Z');
		set_add(&set, 'a', 'z');
		set_add(&set, '_', '_');
		break;
	case 's':
		set_add(&set, '\t', '\r');
		set_add(&set, ' ', ' ');
		break;
	default:
		return false;
	}
	if (!(letter & 32))
		set_invert(&set);
	*out = set;
	return true;
}

static uint16_t set_node(struct parser *p, const struct regex_set *set)
{
	struct regex *re = p->tree->re;
	uint16_t n, node;

	for (n = 0; n < re->head.set_count; n++)
		if (memcmp(&re->sets[n], set, sizeof(*set)) == 0)
			break;
	if (n == REGEX_SETS_MAX)
		return fail(p, "has too many sets of characters");
	if (n == re->head.set_count)
		re->sets[re->head.set_count++] = *set;
	node = node_new(p, NODE_SET);
	node_of(p, node)->number = n;
	return node;
}

static uint16_t byte_node(struct parser *p, unsigned char byte)
{
	uint16_t node = node_new(p, NODE_BYTE);

	node_of(p, node)->byte = byte;
	return node;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \xHH and \uHHHH of ASCII, \t and its kind, and a sign that stands for itself. The place is behind
 * the backslash. -1: it is none of these. */
static int escaped_byte(struct parser *p)
{
	static const char from[] = "tnrfv0", to[] = "\t\n\r\f\v\0";
	const char *known;
	char c = *p->at++;
	int value = 0;

	if (c == 'x' || c == 'u') {
		for (int i = c == 'x' ? 2 : 4; i > 0; i--) {
			int digit = p->at < p->end ? hex_digit(*p->at++) : -1;

			if (digit < 0)
				return -1;
			value = value * 16 + digit;
		}
		return value < 128 ? value : -1;
	}
	known = strchr(from, c);
	if (known && c)
		return c == '0' && p->at < p->end && *p->at >= '0' && *p->at <= '9'
			       ? -1
			       : to[known - from];
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c & 128)
		return -1;
	return (unsigned char)c;
}

static const char unknown_escape[] = "has an escape (\\...) that is not known";

/* A character of a set: a byte, or -1 with *set for \d and its kind. */
static int set_member(struct parser *p, struct regex_set *set)
{
	unsigned char c = (unsigned char)*p->at++;
	int byte;

	if (c & 128) {
		fail(p, "has a character beyond ASCII in a set ([...])");
		return 0;
	}
	if (c != '\\')
		return c;
	if (p->at == p->end) {
		fail(p, "ends with a backslash");
		return 0;
	}
	if (set_of_letter(*p->at, set)) {
		p->at++;
		return -1;
	}
	if (*p->at == 'b') {
		p->at++;
		return '\b';
	}
	byte = escaped_byte(p);
	if (byte < 0)
		fail(p, unknown_escape);
	return byte < 0 ? 0 : byte;
}

static void set_add_range(struct parser *p, struct regex_set *set, int from)
{
	struct regex_set other;
	int to;

	p->at++; /* the - */
	to = set_member(p, &other);
	if (to < 0 || (from > to && !p->why))
		fail(p, "has a range in a set ([...]) that is none");
	else if (!p->why)
		set_add(set, (unsigned int)from, (unsigned int)to);
}

/* Behind the [. */
static uint16_t parse_set(struct parser *p)
{
	struct regex_set set = {{0}}, part;
	bool inverted = take(p, "^");

	while (p->at < p->end && *p->at != ']') {
		int byte = set_member(p, &part);

		if (byte < 0)
			for (size_t i = 0; i < ARRAY_LEN(set.bits); i++)
				set.bits[i] |= part.bits[i];
		else if (p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']')
			set_add_range(p, &set, byte);
		else
			set_add(&set, (unsigned int)byte, (unsigned int)byte);
	}
	if (!take(p, "]"))
		return fail(p, "has a set ([...]) without an end");
	if (inverted)
		set_invert(&set);
	return set_node(p, &set);
}

/* ---- groups ---- */

static bool parse_name(struct parser *p, char *name)
{
	size_t n = 0;

	while (p->at < p->end && *p->at != '>') {
		char c = *p->at++;
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!(letter || (n && c >= '0' && c <= '9')) || n + 1 >= REGEX_NAME_SIZE) {
			fail(p, "has a name of a group that is none, or too long");
			return false;
		}
		name[n++] = c;
	}
	name[n] = '\0';
	if (n && take(p, ">"))
		return true;
	fail(p, "has a name of a group without an end");
	return false;
}

static uint16_t parse_closed(struct parser *p)
{
	uint16_t inner = parse_either(p);

	if (!p->why && !take(p, ")"))
		fail(p, "has a group without an end");
	return inner;
}

static uint16_t parse_look(struct parser *p, enum regex_kind kind)
{
	bool outer = p->in_look;
	uint16_t inner, node;

	p->in_look = true;
	inner = parse_closed(p);
	p->in_look = outer;
	if (p->tree->re->head.look_count == REGEX_LOOKS_MAX)
		return fail(p, "has too many lookaheads");
	node = node_new(p, kind);
	node_of(p, node)->first = inner;
	node_of(p, node)->number = p->tree->re->head.look_count;
	p->tree->looks[p->tree->re->head.look_count++] = node;
	return node;
}

static uint16_t parse_capture(struct parser *p, bool named)
{
	struct regex *re = p->tree->re;
	char name[REGEX_NAME_SIZE] = "";
	uint16_t node, number;

	if (named && !parse_name(p, name))
		return 0;
	if (p->in_look)
		return fail(p, "has a capturing group in a lookahead");
	if (re->head.group_count == REGEX_GROUPS_MAX)
		return fail(p, "has too many groups (..16)");
	number = re->head.group_count++;
	memcpy(re->names[number], name, sizeof(name));
	node = node_new(p, NODE_GROUP);
	node_of(p, node)->number = number;
	node_of(p, node)->first = parse_closed(p);
	return node;
}

/* Behind the (. */
static uint16_t parse_group(struct parser *p)
{
	if (take(p, "?:"))
		return parse_closed(p);
	if (take(p, "?="))
		return parse_look(p, NODE_LOOK);
	if (take(p, "?!"))
		return parse_look(p, NODE_NOT_LOOK);
	if (looking_at(p, "?<=") || looking_at(p, "?<!"))
		return fail(p, "looks behind ((?<= or (?<!), which cannot be matched in linear "
			       "time here");
	if (take(p, "?<"))
		return parse_capture(p, true);
	if (looking_at(p, "?"))
		return fail(p, "has a kind of group that is not known ((?...)");
	return parse_capture(p, false);
}

/* ---- atoms ---- */

/* Behind the backslash. */
static uint16_t parse_escape(struct parser *p)
{
	struct regex_set set;
	int byte;

	if (p->at == p->end)
		return fail(p, "ends with a backslash");
	if ((*p->at >= '1' && *p->at <= '9') || *p->at == 'k')
		return fail(p, "refers back to a group (\\1), which cannot be matched in linear "
			       "time");
	if (set_of_letter(*p->at, &set)) {
		p->at++;
		return set_node(p, &set);
	}
	if (take(p, "b"))
		return node_new(p, NODE_WORD);
	if (take(p, "B"))
		return node_new(p, NODE_NOT_WORD);
	byte = escaped_byte(p);
	return byte < 0 ? fail(p, unknown_escape) : byte_node(p, (unsigned char)byte);
}

static uint16_t number_of(struct parser *p, uint16_t otherwise)
{
	uint32_t value = 0;

	if (p->at == p->end || *p->at < '0' || *p->at > '9')
		return otherwise;
	while (p->at < p->end && *p->at >= '0' && *p->at <= '9' && value <= REGEX_REPEAT_MAX)
		value = value * 10 + (uint32_t)(*p->at++ - '0');
	if (value > REGEX_REPEAT_MAX)
		fail(p, "repeats too often ({n}, ..1000)");
	return (uint16_t)value;
}

/* {n}, {n,} or {n,m}. A brace that is none of these stands for itself. */
static bool take_counts(struct parser *p, uint16_t *min, uint16_t *max)
{
	const char *before = p->at;

	if (!take(p, "{") || p->at == p->end || *p->at < '0' || *p->at > '9') {
		p->at = before;
		return false;
	}
	*min = *max = number_of(p, 0);
	if (take(p, ","))
		*max = number_of(p, REGEX_ENDLESS);
	if (p->why || take(p, "}"))
		return true;
	p->at = before;
	return false;
}

static uint16_t parse_atom(struct parser *p)
{
	static const char repeats_none[] = "repeats nothing (*, +, ? or {n})";
	uint16_t min, max;
	char c = *p->at++;

	switch (c) {
	case '(':
		return parse_group(p);
	case '[':
		return parse_set(p);
	case '\\':
		return parse_escape(p);
	case '.':
		return node_new(p, NODE_ANY);
	case '^':
		return node_new(p, NODE_BEGIN);
	case '$':
		return node_new(p, NODE_END);
	case '*':
	case '+':
	case '?':
		return fail(p, repeats_none);
	case '{':
		p->at--;
		if (take_counts(p, &min, &max))
			return fail(p, repeats_none);
		p->at++;
		return byte_node(p, '{');
	default:
		return byte_node(p, (unsigned char)c);
	}
}

static bool take_times(struct parser *p, uint16_t *min, uint16_t *max)
{
	*min = 0;
	*max = REGEX_ENDLESS;
	if (take(p, "*"))
		return true;
	if (take(p, "+")) {
		*min = 1;
		return true;
	}
	if (take(p, "?")) {
		*max = 1;
		return true;
	}
	return take_counts(p, min, max);
}

static bool repeats_nothing(const struct regex_node *n)
{
	return n->kind >= NODE_BEGIN;
}

static uint16_t parse_repeated(struct parser *p)
{
	uint16_t from = p->tree->re->head.group_count, min, max, node;
	uint16_t atom = parse_atom(p);

	if (p->why || !take_times(p, &min, &max))
		return atom;
	if (p->why)
		return 0;
	if (min > max)
		return fail(p, "repeats from more to less ({n,m})");
	if (atom && repeats_nothing(node_of(p, atom)))
		return fail(p, "repeats a place and not a character");
	node = node_new(p, NODE_REPEAT);
	*node_of(p, node) = (struct regex_node){.kind = NODE_REPEAT,
						.first = atom,
						.min = min,
						.max = max,
						.lazy = take(p, "?"),
						.group_from = from,
						.group_end = p->tree->re->head.group_count};
	return node;
}

static uint16_t parse_sequence(struct parser *p)
{
	uint16_t seq = node_new(p, NODE_SEQ), last = 0;

	while (p->at < p->end && *p->at != '|' && *p->at != ')') {
		uint16_t child = parse_repeated(p);

		if (p->why)
			return 0;
		if (!child)
			continue; /* an empty group */
		if (last)
			node_of(p, last)->next = child;
		else
			node_of(p, seq)->first = child;
		last = child;
	}
	return seq;
}

static uint16_t parse_either(struct parser *p)
{
	uint16_t first, last, either;

	if (++p->depth > REGEX_DEPTH_MAX)
		return fail(p, "has too many groups in groups");
	first = last = parse_sequence(p);
	if (p->at < p->end && *p->at == '|') {
		either = node_new(p, NODE_ALT);
		node_of(p, either)->first = first;
		while (take(p, "|")) {
			uint16_t child = parse_sequence(p);

			if (p->why)
				return 0;
			node_of(p, last)->next = child;
			last = child;
		}
		first = either;
	}
	p->depth--;
	return first;
}

int regex_parse(const char *text, size_t size, struct regex_tree *tree, const char **why)
{
	struct parser p = {.at = text, .end = text + size, .tree = tree};

	tree->count = 1; /* 0 is none, and where a failed parser may write */
	tree->nodes[0] = (struct regex_node){.kind = NODE_EMPTY};
	tree->re->head.group_count = 1;
	tree->root = parse_either(&p);
	if (!p.why && p.at < p.end)
		p.why = "has an end of a group without a begin";
	if (!p.why)
		return 0;
	*why = p.why;
	return -EINVAL;
}

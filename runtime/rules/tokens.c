// SPDX-License-Identifier: Apache-2.0
#include "runtime/rules/tokens.h"

#include <errno.h>
#include <string.h>

struct reader {
	const char *at, *end;
	struct tokens *out;
	const char *why;
};

static void fail(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
	r->at = r->end;
}

/* The text of all tokens is at most as long as the pattern. */
static void keep(struct reader *r, struct token_text *text, char c)
{
	r->out->text[r->out->used++] = c;
	text->size++;
}

static struct token_text begin(const struct reader *r)
{
	return (struct token_text){.at = (uint16_t)r->out->used};
}

static struct token *add(struct reader *r)
{
	if (r->out->count == TOKENS_MAX) {
		fail(r, "has too many parts");
		return NULL;
	}
	r->out->list[r->out->count] = (struct token){0};
	return &r->out->list[r->out->count++];
}

static bool looking_at(const struct reader *r, const char *chars)
{
	return r->at < r->end && *r->at && strchr(chars, *r->at);
}

static char take_modifier(struct reader *r)
{
	return looking_at(r, "*+?") ? *r->at++ : 0;
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static void take_name(struct reader *r, char *name)
{
	size_t n = 0;

	if (!looking_at(r, ":"))
		return;
	r->at++;
	while (r->at < r->end && is_name(*r->at) && n + 1 < TOKENS_NAME_MAX)
		name[n++] = *r->at++;
	if (n == 0)
		fail(r, "has a : without a name behind it");
	else if (r->at < r->end && is_name(*r->at))
		fail(r, "has a name that is too long (..31 characters)");
}

/* A ( in an expression that is a parameter: only (?...) may be there. */
static bool opens_wrongly(struct reader *r)
{
	if (r->end - r->at >= 2 && r->at[1] == '?')
		return false;
	fail(r, "has a capturing group in a parameter (write (?:...))");
	return true;
}

static void take_pattern(struct reader *r, struct token_text *pattern)
{
	unsigned int open = 1;

	if (!looking_at(r, "("))
		return;
	r->at++;
	if (looking_at(r, "?"))
		fail(r, "has a parameter that begins with ?");
	*pattern = begin(r);
	while (r->at < r->end) {
		if (*r->at == '\\' && r->end - r->at >= 2)
			keep(r, pattern, *r->at++);
		else if (*r->at == ')' && --open == 0)
			break;
		else if (*r->at == '(' && opens_wrongly(r))
			return;
		else if (*r->at == '(')
			open++;
		keep(r, pattern, *r->at++);
	}
	if (r->at == r->end)
		fail(r, "has a ( without its )");
	else if (pattern->size == 0)
		fail(r, "has an empty parameter ()");
	else
		r->at++;
}

/* Characters that stand for themselves, behind a backslash or not. */
static void take_text(struct reader *r, struct token_text *text)
{
	*text = begin(r);
	while (r->at < r->end && !looking_at(r, "{}:(*+?")) {
		if (*r->at == '\\' && ++r->at == r->end) {
			fail(r, "ends with a backslash");
			return;
		}
		keep(r, text, *r->at++);
	}
}

/* Behind the {. */
static void take_group(struct reader *r)
{
	struct token *t = add(r);

	if (!t)
		return;
	r->at++;
	t->param = true;
	take_text(r, &t->prefix);
	take_name(r, t->name);
	take_pattern(r, &t->pattern);
	take_text(r, &t->suffix);
	t->group = !t->name[0] && t->pattern.size == 0;
	if (!looking_at(r, "}"))
		fail(r, "has a { without its }");
	else
		r->at++;
	t->modifier = take_modifier(r);
}

static void take_param(struct reader *r, struct token_text prefix)
{
	struct token *t = add(r);

	if (!t)
		return;
	t->param = true;
	t->prefix = prefix;
	take_name(r, t->name);
	take_pattern(r, &t->pattern);
	t->modifier = take_modifier(r);
}

/* Text up to the next parameter. The last sign of it is the prefix, if it is / or . and stood there
 * without a backslash. */
static void take_path(struct reader *r)
{
	struct token_text text = begin(r), prefix = {0};
	struct token *t;
	bool plain = false;

	while (r->at < r->end && !looking_at(r, "{}:(*+?")) {
		plain = *r->at != '\\';
		if (*r->at == ')') {
			fail(r, "has a ) without its (");
			return;
		}
		if (!plain && ++r->at == r->end) {
			fail(r, "ends with a backslash");
			return;
		}
		keep(r, &text, *r->at++);
	}
	if (looking_at(r, ":(") && plain && text.size > 0 &&
	    strchr("./", r->out->text[text.at + text.size - 1])) {
		text.size--;
		prefix = (struct token_text){(uint16_t)(text.at + text.size), 1};
	}
	if (text.size > 0 && (t = add(r)))
		t->prefix = text;
	if (looking_at(r, ":("))
		take_param(r, prefix);
}

int tokens_read(const char *pattern, size_t size, struct tokens *out, const char **why)
{
	struct reader r = {.at = pattern, .end = pattern + size, .out = out};

	out->count = out->used = 0;
	if (size > PATTERN_MAX)
		r.why = "is too long (..4096 bytes)";
	while (!r.why && r.at < r.end) {
		if (looking_at(&r, "{"))
			take_group(&r);
		else if (looking_at(&r, "}"))
			fail(&r, "has a } without its {");
		else if (looking_at(&r, "*+?"))
			fail(&r, "has a *, + or ? behind no parameter (write (.*), or \\\\? for "
				 "the sign)");
		else
			take_path(&r);
	}
	if (!r.why)
		return 0;
	*why = r.why;
	return -EINVAL;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/rules/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"

struct writing {
	struct source *out;
	const struct tokens *tokens;
	bool full;
};

static void put(struct writing *w, const char *text, size_t size)
{
	if (w->out->size + size >= SOURCE_TEXT_MAX) {
		w->full = true;
		return;
	}
	memcpy(w->out->text + w->out->size, text, size);
	w->out->size += size;
	w->out->text[w->out->size] = '\0';
}

static void put_text(struct writing *w, const char *text)
{
	put(w, text, strlen(text));
}

static void put_escaped(struct writing *w, struct token_text text)
{
	for (size_t i = 0; i < text.size; i++) {
		const char *c = &w->tokens->text[text.at + i];
		char escaped[4];

		if (*c == ' ' || *c & 128) { /* a path on its way has it so */
			(void)snprintf(escaped, sizeof(escaped), "%%%02X", (unsigned char)*c);
			put(w, escaped, 3);
			continue;
		}
		if (strchr(".+*?=^!:${}()[]|/\\", *c))
			put(w, "\\", 1);
		put(w, c, 1);
	}
}

static void put_pattern(struct writing *w, const struct token *t)
{
	if (t->pattern.size)
		put(w, w->tokens->text + t->pattern.at, t->pattern.size);
	else
		put_text(w, "[^\\/]+?");
}

static void put_modifier(struct writing *w, const struct token *t)
{
	put(w, &t->modifier, t->modifier != 0);
}

/* One parameter after the other, with what stands between two of them; the group holds all. */
static void put_repeated(struct writing *w, const struct token *t)
{
	put_text(w, "(?:");
	put_escaped(w, t->prefix);
	put_text(w, "((?:");
	put_pattern(w, t);
	put_text(w, ")(?:");
	put_escaped(w, t->suffix);
	put_escaped(w, t->prefix);
	put_text(w, "(?:");
	put_pattern(w, t);
	put_text(w, "))*)");
	put_escaped(w, t->suffix);
	put_text(w, t->modifier == '*' ? ")?" : ")");
}

static void put_once(struct writing *w, const struct token *t)
{
	bool around = t->prefix.size || t->suffix.size;

	put_text(w, around ? "(?:" : "");
	put_escaped(w, t->prefix);
	put_text(w, "(");
	put_pattern(w, t);
	put_text(w, ")");
	put_escaped(w, t->suffix);
	put_text(w, around ? ")" : "");
	put_modifier(w, t);
}

static void put_group(struct writing *w, const struct token *t)
{
	put_text(w, "(?:");
	put_escaped(w, t->prefix);
	put_escaped(w, t->suffix);
	put_text(w, ")");
	put_modifier(w, t);
}

static const char *put_param(struct writing *w, const struct token *t)
{
	bool repeats = t->modifier == '*' || t->modifier == '+';

	if (t->group) {
		put_group(w, t);
		return NULL;
	}
	if (w->out->key_count + 1 == REGEX_GROUPS_MAX)
		return "has too many parameters (..16)";
	memcpy(w->out->keys[w->out->key_count++], t->name, sizeof(t->name));
	if (repeats && !t->prefix.size && !t->suffix.size)
		return "repeats a parameter that has neither / nor . in front (write (.*))";
	repeats ? put_repeated(w, t) : put_once(w, t);
	return NULL;
}

int source_read(const char *text, struct source *out, const char **why)
{
	struct tokens tokens;
	struct writing w = {.out = out, .tokens = &tokens};
	int r = tokens_read(text, strlen(text), &tokens, why);

	if (r < 0)
		return r;
	out->size = out->key_count = 0;
	put_text(&w, "^");
	for (size_t i = 0; i < tokens.count; i++) {
		const struct token *t = &tokens.list[i];
		const char *wrong = NULL;

		if (t->param)
			wrong = put_param(&w, t);
		else
			put_escaped(&w, t->prefix);
		if (wrong) {
			*why = wrong;
			return -EINVAL;
		}
	}
	put_text(&w, "$");
	if (!w.full)
		return 0;
	*why = "is too long";
	return -EINVAL;
}

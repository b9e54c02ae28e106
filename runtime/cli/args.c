// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"

struct parse {
	const struct option *tables[2];
	int argc, at;
	char *const *argv;
	struct args *out;
	char *err;
	size_t err_size;
};

static int refuse(struct parse *p, const char *word, const char *why)
{
	snprintf(p->err, p->err_size, "%s: %s", word, why);
	return -EINVAL;
}

/* Finds an option by its letter, or with letter 0 by its long name, which has `size` bytes. */
static const struct option *option_find(const struct parse *p, const char *name, size_t size,
					char letter)
{
	for (int t = 0; t < 2; t++)
		for (const struct option *o = p->tables[t]; o && o->name; o++)
			if (letter ? o->letter == letter
				   : strlen(o->name) == size && memcmp(o->name, name, size) == 0)
				return o;
	return NULL;
}

static bool choice_known(const char *choices, const char *value)
{
	size_t size = strlen(value);

	for (const char *at = choices; size && (at = strstr(at, value)); at += size)
		if ((at == choices || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
			return true;
	return false;
}

const char *option_choices(const struct option *o, char *buf, size_t size)
{
	if (!o->choices && o->setting && o->kind == ARG_CHOICE)
		return setting_words(setting_of(o->setting), buf, size);
	snprintf(buf, size, "%s", o->choices ? o->choices : "");
	return buf;
}

const char *option_help(const struct option *o, char *buf, size_t size)
{
	const struct setting *s = o->setting ? setting_of(o->setting) : NULL;
	char usual[48];

	if (o->help || !s) {
		snprintf(buf, size, "%s", o->help ? o->help : "");
		return buf;
	}
	setting_usual(s, usual, sizeof(usual));
	snprintf(buf, size, "%s%s%s%s%s%s", s->help, *setting_unit(s) ? " (" : "", setting_unit(s),
		 *setting_unit(s) ? ")" : "", *usual ? "; default: " : "", usual);
	return buf;
}

static int option_take(struct parse *p, const char *word, const struct option *o, const char *value)
{
	struct args *out = p->out;
	char why[160], choices[96];

	must(o->name && (o->kind == ARG_NONE) == (o->value == NULL)); /* a slip of a table */
	if (o->kind == ARG_NONE && value)
		return refuse(p, word, "this option takes no value");
	if (o->kind != ARG_NONE && !value) {
		snprintf(why, sizeof(why), "needs a value: %s", o->value);
		return refuse(p, word, why);
	}
	option_choices(o, choices, sizeof(choices));
	if (o->kind == ARG_CHOICE && !choice_known(choices, value)) {
		snprintf(why, sizeof(why), "'%.40s' is not one of: %s", value, choices);
		return refuse(p, word, why);
	}
	if (!o->repeat && args_given(out, o->name))
		return refuse(p, word, "given more than once");
	if (out->given_count == ARGS_OPTIONS_MAX)
		return refuse(p, word, "too many options");
	out->given[out->given_count].option = o;
	out->given[out->given_count++].value = value;
	return 0;
}

static const char *next_word(struct parse *p)
{
	return p->at + 1 < p->argc ? p->argv[++p->at] : NULL;
}

static int parse_long(struct parse *p, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t size = equals ? (size_t)(equals - word - 2) : strlen(word) - 2;
	const struct option *o = option_find(p, word + 2, size, 0);
	const char *value = equals ? equals + 1 : NULL;

	if (!o)
		return refuse(p, word, "no such option");
	if (o->kind != ARG_NONE && !value)
		value = next_word(p);
	return option_take(p, word, o, value);
}

/* "-f", "-f value", "-fvalue", and flags together: "-fq". */
static int parse_short(struct parse *p, const char *word)
{
	for (const char *c = word + 1; *c; c++) {
		const struct option *o = option_find(p, NULL, 0, *c);
		int r;

		if (!o)
			return refuse(p, word, "no such option");
		if (o->kind != ARG_NONE)
			return option_take(p, word, o, c[1] ? c + 1 : next_word(p));
		r = option_take(p, word, o, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_word(struct parse *p, const char *word)
{
	if (p->out->word_count == ARGS_WORDS_MAX)
		return refuse(p, word, "too many words");
	p->out->words[p->out->word_count++] = word;
	return 0;
}

int args_parse(int argc, char *const *argv, const struct option *own, const struct option *common,
	       struct args *out, char *err, size_t err_size)
{
	struct args args = {.word_count = 0};
	struct parse p = {{own, common}, argc, 0, argv, &args, err, err_size};
	bool options = true;
	int r = 0;

	for (; r == 0 && p.at < argc; p.at++) {
		const char *word = argv[p.at];

		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && word[0] == '-' && word[1] == '-')
			r = parse_long(&p, word);
		else if (options && word[0] == '-' && word[1])
			r = parse_short(&p, word);
		else
			r = parse_word(&p, word);
	}
	if (r == 0)
		*out = args;
	return r;
}

const char *args_nth(const struct args *args, const char *name, size_t n)
{
	for (size_t i = 0; i < args->given_count; i++)
		if (strcmp(args->given[i].option->name, name) == 0 && n-- == 0) {
			must(args->given[i].option->kind != ARG_NONE); /* args_given is meant */
			return args->given[i].value;
		}
	return NULL;
}

const char *args_value(const struct args *args, const char *name)
{
	return args_nth(args, name, 0);
}

bool args_given(const struct args *args, const char *name)
{
	for (size_t i = 0; i < args->given_count; i++)
		if (strcmp(args->given[i].option->name, name) == 0)
			return true;
	return false;
}

const char *args_word(const struct args *args, size_t n)
{
	return n < args->word_count ? args->words[n] : NULL;
}

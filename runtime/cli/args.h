/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses a command line into words and options by a table.
 *
 * Forms: "--name value", "--name=value", "-f value", "-fvalue", and for flags "-f"; "--" ends the
 * options. Nothing is copied: words and values point into argv. Parsing prints nothing; a caller
 * finds the sentence about an error in err.
 */
#ifndef EBB_CLI_ARGS_H
#define EBB_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/settings/settings.h"

#define ARGS_WORDS_MAX   32
#define ARGS_OPTIONS_MAX 64

/* The kind of a word or a value, for completion. */
enum arg_kind {
	ARG_NONE, /* an option without a value, a flag */
	ARG_TEXT,
	ARG_SERVICE,
	ARG_INSTANCE,
	ARG_IMAGE,
	ARG_SECRET,
	ARG_SCHEDULE,
	ARG_FILE,
	ARG_DIRECTORY,
	ARG_CHOICE, /* one of the words in choices */
	ARG_TOPIC,
};

struct option {
	const char *name; /* without dashes; NULL ends a table */
	char letter;      /* or 0 */
	bool repeat;      /* may be given more than once */
	enum arg_kind kind;
	const char *value;       /* name of the value in help: "MB" */
	const char *choices;     /* ARG_CHOICE: separated by one space; NULL: the setting's words */
	enum setting_id setting; /* the setting that it sets, or 0 */
	const char *help;        /* NULL: the setting's */
};

struct args {
	const char *words[ARGS_WORDS_MAX];
	size_t word_count;
	struct {
		const struct option *option;
		const char *value; /* NULL for flags */
	} given[ARGS_OPTIONS_MAX];
	size_t given_count;
};

/* Parses argv[0..argc) (no program name) against two tables (either may be NULL). 0, or -EINVAL
 * with a sentence in err. */
int args_parse(int argc, char *const *argv, const struct option *own, const struct option *common,
	       struct args *out, char *err, size_t err_size);

/* The words that are allowed as value, separated by one space; "" if any word is. Returns buf. */
const char *option_choices(const struct option *o, char *buf, size_t size);
/* One line of help, with the value that an absent option stands for. Returns buf. */
const char *option_help(const struct option *o, char *buf, size_t size);

/* The value of an option that takes one, or NULL. */
const char *args_value(const struct args *args, const char *name);
bool args_given(const struct args *args, const char *name);
/* The n-th value of an option that repeats, or NULL. */
const char *args_nth(const struct args *args, const char *name, size_t n);
/* The n-th word, or NULL. */
const char *args_word(const struct args *args, size_t n);

#endif

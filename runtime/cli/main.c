// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/text_out.h"

static int usage(const struct verb *verb, const char *what)
{
	char mend[256], question[128] = "";

	if (strncmp(what, "--", 2) == 0)
		suggest_option(what, verb, question, sizeof(question));
	snprintf(mend, sizeof(mend), "%sebb help%s%s", question, verb ? " " : "",
		 verb ? verb->name : "");
	say_error(NULL, mend, "%s", what);
	return CLI_USAGE;
}

/* How many words of argv are common options in front of the verb. */
static int leading_options(int argc, char *const *argv)
{
	int n = 0;

	while (n < argc && argv[n][0] == '-' && strcmp(argv[n], "--") != 0)
		n += strcmp(argv[n], "--socket") == 0 ? 2 : 1;
	return n < argc ? n : argc;
}

static bool word_count_fits(const struct verb *verb, size_t count, char *err, size_t size)
{
	if (count >= verb->words_min && count <= verb->words_max)
		return true;
	snprintf(err, size, "%s: %s words (usage: ebb %s%s%s)", verb->name,
		 count < verb->words_min ? "too few" : "too many", verb->name,
		 *verb->words ? " " : "", verb->words);
	return false;
}

/* Runs a verb that prints the table of verbs: the table itself does not name its function. */
static int run_printer(struct call *call)
{
	static const struct {
		const char *name;
		int (*run)(struct call *call);
	} printers[] = {
		{"completion", verb_completion}, {"help", verb_help}, {"version", verb_version}};

	for (size_t i = 0; i < ARRAY_LEN(printers); i++)
		if (strcmp(call->verb->name, printers[i].name) == 0)
			return printers[i].run(call);
	must(!"every verb has a function");
	return CLI_FAILED;
}

static int run(const struct verb *verb, struct args *args)
{
	const char *from_env = getenv("EBB_SOCKET"), *no_color = getenv("NO_COLOR");
	struct call call = {
		.verb = verb,
		.args = *args,
		.socket = args_value(args, "socket"),
		.signals_fd = -1,
	};

	if (!call.socket)
		call.socket = from_env && *from_env ? from_env : CLI_SOCKET_DEFAULT;
	call.json = args_given(args, "json");
	call.terminal = isatty(STDOUT_FILENO);
	call.color = call.terminal && !(no_color && *no_color);
	return verb->run ? verb->run(&call) : run_printer(&call);
}

/* Parses the words of argv without the verb's own name, but with the options in front of
 * the verb. */
static int parse(const struct verb *verb, int lead, int used, int argc, char *const *argv,
		 struct args *args, char *err, size_t size)
{
	char *rest[256];
	int n = 0;

	if (argc - used > (int)(sizeof(rest) / sizeof(rest[0]))) {
		snprintf(err, size, "too many words");
		return -1;
	}
	for (int i = 0; i < argc; i++)
		if (i < lead || i >= lead + used)
			rest[n++] = argv[i];
	return args_parse(n, rest, verb->options, cli_common_options, args, err, size);
}

/* Prints the error for a word that is no verb, or only the first word of one, such as "image". */
static int no_verb(const char *word)
{
	char question[128], mend[256], err[256];
	size_t size = sizeof(err);
	size_t n = strlen(word), used = 0;

	for (const struct verb *v = cli_verbs; v->name && used < size; v++)
		if (strncmp(v->name, word, n) == 0 && v->name[n] == ' ')
			used += (size_t)snprintf(err + used, size - used, "%s%s",
						 used ? ", " : "which one: ", v->name);
	if (used == 0)
		snprintf(err, size, "%.80s: no such verb", word);
	snprintf(mend, sizeof(mend), "%sebb help",
		 used ? "" : suggest_verb(word, question, sizeof(question)));
	say_error(NULL, mend, "%s", err);
	return CLI_USAGE;
}

static int print_version(struct args *args)
{
	return run(&(struct verb){.name = "version", .words = ""}, args);
}

static int start(int argc, char *const *argv)
{
	int lead = leading_options(argc, argv), used = 0;
	const struct verb *verb = cli_verb_find(argc - lead, argv + lead, &used);
	struct args args = {.word_count = 0};
	char err[256];

	if (!verb && lead == argc) {
		if (args_parse(argc, argv, NULL, cli_common_options, &args, err, sizeof(err)) < 0)
			return usage(NULL, err);
		if (args_given(&args, "version"))
			return print_version(&args);
		help_overview();
		return args_given(&args, "help") ? CLI_DONE : CLI_USAGE;
	}
	if (!verb)
		return no_verb(argv[lead]);
	if (parse(verb, lead, used, argc, argv, &args, err, sizeof(err)) < 0)
		return usage(verb, err);
	if (args_given(&args, "version"))
		return print_version(&args);
	if (args_given(&args, "help")) {
		help_verb(verb);
		return CLI_DONE;
	}
	if (!word_count_fits(verb, args.word_count, err, sizeof(err)))
		return usage(verb, err);
	return run(verb, &args);
}

int main(int argc, char **argv)
{
	int r = start(argc - 1, argv + 1);

	/* A full disk or a closed pipe must not look like success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && r == CLI_DONE) {
		say_error(NULL, NULL, "cannot write to standard output");
		r = CLI_FAILED;
	}
	return r;
}

// SPDX-License-Identifier: Apache-2.0
/* Makes completion scripts for shells out of the table of verbs. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/text_out.h"

/* The command that lists the words of a kind; NULL: the shell's own completion of files. */
static const char *const listers[] = {
	[ARG_SERVICE] = "ebb ls -q 2>/dev/null",
	[ARG_INSTANCE] = "ebb ps -q 2>/dev/null",
	[ARG_IMAGE] = "ebb image ls -q 2>/dev/null",
	[ARG_SECRET] = "ebb secret ls -q 2>/dev/null",
	[ARG_SCHEDULE] = "ebb crons ls -q 2>/dev/null",
	[ARG_TOPIC] = NULL,
};

static bool first_word_seen(const struct verb *verb)
{
	size_t n = strcspn(verb->name, " ");

	for (const struct verb *v = cli_verbs; v != verb; v++)
		if (strncmp(v->name, verb->name, n) == 0 && v->name[n] == ' ')
			return true;
	return false;
}

/* First words of all verbs, each once. */
static void print_first_words(void)
{
	for (const struct verb *v = cli_verbs; v->name; v++)
		if (!first_word_seen(v))
			printf("%s%.*s", v == cli_verbs ? "" : " ", (int)strcspn(v->name, " "),
			       v->name);
}

static void print_option_names(const struct option *table)
{
	for (; table && table->name; table++)
		printf(" --%s", table->name);
}

static void print_words_of(enum arg_kind kind, const char *choices)
{
	if (kind == ARG_CHOICE)
		printf("%s", choices);
	else if (kind == ARG_TOPIC)
		print_first_words();
	else if (kind < ARRAY_LEN(listers) && listers[kind])
		printf("$(%s)", listers[kind]);
}

/* Second words of two-word verbs: "image" -> "import ls rm gc". */
static void print_second_words(void)
{
	for (const struct verb *v = cli_verbs; v->name; v++) {
		size_t n = strcspn(v->name, " ");

		if (!v->name[n] || first_word_seen(v))
			continue;
		printf("\t%.*s) found=\"", (int)n, v->name);
		for (const struct verb *w = v; w->name; w++)
			if (strncmp(w->name, v->name, n) == 0 && w->name[n] == ' ')
				printf("%s%s", w == v ? "" : " ", w->name + n + 1);
		printf("\" ;;\n");
	}
}

static void print_values(const struct option *o)
{
	char choices[96];

	print_words_of(o->kind, option_choices(o, choices, sizeof(choices)));
}

static void print_option_values(const struct verb *verb)
{
	for (const struct option *o = verb->options; o && o->name; o++) {
		if (o->kind == ARG_NONE || o->kind == ARG_TEXT || o->kind == ARG_FILE)
			continue;
		printf("\t\"%s --%s\"", verb->name, o->name);
		if (o->letter)
			printf(" | \"%s -%c\"", verb->name, o->letter);
		printf(") found=\"");
		print_values(o);
		printf("\"; return ;;\n");
	}
}

/* Prints a function for bash and zsh that sets `found` to the words that may follow. */
static void print_shell_words(void)
{
	printf("# made by `ebb completion`\n"
	       "_ebb_words() { # VERB PREVIOUS CURRENT\n"
	       "\tfound=\"\"\n"
	       "\tcase \"$1 $2\" in\n");
	for (const struct verb *v = cli_verbs; v->name; v++)
		print_option_values(v);
	printf("\tesac\n\tif [[ $3 == -* ]]; then\n\t\tcase \"$1\" in\n");
	for (const struct verb *v = cli_verbs; v->name; v++) {
		printf("\t\t\"%s\") found=\"", v->name);
		print_option_names(v->options);
		print_option_names(cli_common_options);
		printf("\" ;;\n");
	}
	printf("\t\tesac\n\t\treturn\n\tfi\n\tcase \"$1\" in\n\t\"\") found=\"");
	print_first_words();
	printf("\" ;;\n");
	print_second_words();
	for (const struct verb *v = cli_verbs; v->name; v++) {
		if (v->completes == ARG_NONE || v->completes == ARG_FILE ||
		    v->completes == ARG_DIRECTORY)
			continue;
		printf("\t\"%s\") found=\"", v->name);
		print_words_of(v->completes, v->choices);
		printf("\" ;;\n");
	}
	printf("\tesac\n}\n");
}

static const char bash_tail[] =
	"_ebb() {\n"
	"\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
	"\tlocal verb=\"\" found=\"\" i\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase \"${COMP_WORDS[i]}\" in\n"
	"\t\t--socket) i=$((i + 1)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*)\n"
	"\t\t\tif [[ -z $verb ]]; then verb=\"${COMP_WORDS[i]}\"\n"
	"\t\t\telif [[ $verb == image || $verb == ledger ]]; then verb+=\" ${COMP_WORDS[i]}\"\n"
	"\t\t\tfi ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\t_ebb_words \"$verb\" \"$prev\" \"$cur\"\n"
	"\tCOMPREPLY=($(compgen -W \"$found\" -- \"$cur\"))\n"
	"}\n"
	"complete -o default -F _ebb ebb\n";

static const char zsh_tail[] =
	"_ebb() {\n"
	"\tlocal -a line=(\"${(@)words}\")\n"
	"\tlocal verb=\"\" found=\"\" i\n"
	"\tlocal cur=\"${line[CURRENT]}\" prev=\"${line[CURRENT-1]}\"\n"
	"\tfor ((i = 2; i < CURRENT; i++)); do\n"
	"\t\tcase \"${line[i]}\" in\n"
	"\t\t--socket) i=$((i + 1)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*)\n"
	"\t\t\tif [[ -z $verb ]]; then verb=\"${line[i]}\"\n"
	"\t\t\telif [[ $verb == image || $verb == ledger ]]; then verb+=\" ${line[i]}\"\n"
	"\t\t\tfi ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\t_ebb_words \"$verb\" \"$prev\" \"$cur\"\n"
	"\tif [[ -n $found ]]; then compadd -- ${=found}; else _files; fi\n"
	"}\n"
	"compdef _ebb ebb\n";

static void print_bash(void)
{
	print_shell_words();
	fputs(bash_tail, stdout);
}

static void print_zsh(void)
{
	printf("#compdef ebb\n");
	print_shell_words();
	fputs(zsh_tail, stdout);
}

static void fish_condition(const struct verb *verb)
{
	const char *space = strchr(verb->name, ' ');

	printf("complete -c ebb -n '__fish_seen_subcommand_from %.*s",
	       (int)strcspn(verb->name, " "), verb->name);
	if (space)
		printf("; and __fish_seen_subcommand_from %s", space + 1);
	printf("'");
}

static void fish_options(const struct verb *verb)
{
	char help[192];

	for (const struct option *o = verb->options; o && o->name; o++) {
		fish_condition(verb);
		printf(" -l %s", o->name);
		if (o->letter)
			printf(" -s %c", o->letter);
		if (o->kind != ARG_NONE)
			printf(o->kind == ARG_FILE ? " -r" : " -x");
		if (o->kind != ARG_NONE && o->kind != ARG_TEXT && o->kind != ARG_FILE) {
			printf(" -a \"");
			print_values(o);
			printf("\"");
		}
		printf(" -d \"%s\"\n", option_help(o, help, sizeof(help)));
	}
}

static void print_fish(void)
{
	printf("# made by `ebb completion fish`\n");
	for (const struct verb *v = cli_verbs; v->name; v++) {
		const char *space = strchr(v->name, ' ');

		if (space)
			printf("complete -c ebb -f -n '__fish_seen_subcommand_from %.*s' -a %s "
			       "-d \"%s\"\n",
			       (int)(space - v->name), v->name, space + 1, v->help);
		if (!first_word_seen(v))
			printf("complete -c ebb -f -n __fish_use_subcommand -a %.*s -d \"%s\"\n",
			       (int)strcspn(v->name, " "), v->name, v->help);
		fish_options(v);
		if (v->completes == ARG_NONE || v->completes == ARG_FILE ||
		    v->completes == ARG_DIRECTORY)
			continue;
		fish_condition(v);
		printf(" -f -a \"");
		print_words_of(v->completes, v->choices);
		printf("\"\n");
	}
}

int verb_completion(struct call *call)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
	const char *shell = args_word(&call->args, 0);

	if (call->json) {
		say_error("a script is no document", "leave --json out", "cannot print it as JSON");
		return CLI_USAGE;
	}
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (strcmp(shells[i].shell, shell) != 0)
			continue;
		shells[i].print();
		return CLI_DONE;
	}
	say_error(NULL, "bash, zsh or fish", "%s: no such shell", shell);
	return CLI_USAGE;
}

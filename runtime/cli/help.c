// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/help.h"
#include "runtime/cli/text_out.h"

static void print_option(const struct option *o)
{
	char left[48], help[192], choices[96];

	snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : "  ",
		 o->letter ? o->letter : ' ', o->letter ? ", " : " ", o->name, o->value ? " " : "",
		 o->value ? o->value : "");
	printf("  %-24s %s", left, option_help(o, help, sizeof(help)));
	if (*option_choices(o, choices, sizeof(choices)))
		printf(" (%s)", choices);
	putchar('\n');
}

static void print_options(const char *title, const struct option *table)
{
	if (!table)
		return;
	printf("\n%s\n", title);
	for (; table->name; table++)
		print_option(table);
}

void help_overview(void)
{
	printf("ebb: fluid compute for this host\n\nusage: ebb [--socket PATH] VERB\n\n");
	for (const struct verb *verb = cli_verbs; verb->name; verb++) {
		char left[48];

		snprintf(left, sizeof(left), "%s %s", verb->name, verb->words);
		printf("  %-30s %s\n", left, verb->help);
	}
	print_options("everywhere", cli_common_options);
	printf("\nebb help VERB tells more; ebb help exit, environment, ebb.json are topics "
	       "too.\n");
}

void help_verb(const struct verb *verb)
{
	printf("usage: ebb %s%s%s%s\n\n%s\n", verb->name, verb->options ? " [options]" : "",
	       *verb->words ? " " : "", verb->words, verb->help);
	if (verb->details)
		printf("\n%s\n", verb->details);
	print_options("options", verb->options);
	print_options("everywhere", cli_common_options);
}

static void print_lines(const struct help_line *line, int width)
{
	for (; line->name; line++)
		printf("%-*s  %s\n", width, line->name, line->help);
}

static void topic_exit(void)
{
	print_lines(help_exits, 1);
}

static void topic_environment(void)
{
	print_lines(help_environment, 19);
}

static void setting_values(const struct setting *s, char *buf, size_t size)
{
	static const char *const shapes[] = {
		[SETTING_TEXT] = "string",
		[SETTING_PATH] = "path",
		[SETTING_TIME] = "duration",
		[SETTING_LIST] = "strings",
		[SETTING_MAP] = "object",
		[SETTING_OBJECTS] = "objects",
		[SETTING_NAMED] = "objects by name",
		[SETTING_OBJECT] = "object",
		[SETTING_NUMBER] = "",
		[SETTING_WORD] = "",
		[SETTING_BOOL] = "true or false",
	};
	char most[24] = "", range[64] = "", words[96] = "";

	if (!s->open_ended)
		snprintf(most, sizeof(most), "%lld", (long long)s->max);
	if (s->kind == SETTING_NUMBER)
		snprintf(range, sizeof(range), "%lld..%s", (long long)s->min, most);
	if (s->kind == SETTING_WORD || (s->kind == SETTING_TEXT && s->words[0])) {
		snprintf(buf, size, "%s", setting_words(s, words, sizeof(words)));
		return;
	}
	snprintf(buf, size, "%s%s%s%s", shapes[s->kind], range, s->zero ? " or " : "",
		 s->zero ? s->zero : "");
}

static void print_setting(const struct setting *s)
{
	char left[64], values[80], usual[64];
	const char *unit = setting_unit(s);

	setting_values(s, values, sizeof(values));
	setting_usual(s, usual, sizeof(usual));
	snprintf(left, sizeof(left), "%s%s", s->place == SETTING_OF_EBB ? "ebb." : "", s->name);
	printf("  %-20s %-28s %s%s%s%s%s%s\n", left, values, s->help, *unit ? " (" : "", unit,
	       *unit ? ")" : "", *usual ? "; default: " : "", usual);
}

static void topic_file(void)
{
	printf("{ \"services\": { NAME: { ... } } }, each service with\n\n");
	for (int id = SETTING_NONE + 1; id < SETTING_COUNT; id++)
		if (setting_of((enum setting_id)id)->reader != SETTING_FOR_API)
			print_setting(setting_of((enum setting_id)id));
	printf("\nUnknown keys warn; wrong values are refused. Durations: 250ms, 2s, 1m, 1h, "
	       "1d.\n");
}

static const struct {
	const char *name;
	void (*print)(void);
} topics[] = {
	{"exit", topic_exit},
	{"environment", topic_environment},
	{"ebb.json", topic_file},
};

/* Shows all verbs that begin with a word, such as "image". False if there is none. */
static bool help_group(const char *word)
{
	size_t n = strlen(word), shown = 0;

	for (const struct verb *v = cli_verbs; v->name; v++) {
		if (strncmp(v->name, word, n) != 0 || v->name[n] != ' ')
			continue;
		if (shown++)
			printf("\n");
		help_verb(v);
	}
	return shown > 0;
}

int verb_help(struct call *call)
{
	const char *topic = args_word(&call->args, 0);
	int count = (int)call->args.word_count, used;
	const struct verb *verb;
	char question[128], mend[256];

	if (call->json)
		return help_document();
	if (!topic) {
		help_overview();
		return CLI_DONE;
	}
	for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
		if (strcmp(topics[i].name, topic) == 0) {
			topics[i].print();
			return CLI_DONE;
		}
	}
	verb = cli_verb_find(count, (char *const *)call->args.words, &used);
	if (verb && used == count) {
		help_verb(verb);
		return CLI_DONE;
	}
	if (count == 1 && help_group(topic))
		return CLI_DONE;
	snprintf(mend, sizeof(mend),
		 "%sebb help lists the verbs; exit, environment and ebb.json are "
		 "topics too",
		 suggest_verb(topic, question, sizeof(question)));
	say_error(NULL, mend, "%s: no such topic", topic);
	return CLI_USAGE;
}

int verb_version(struct call *call)
{
	struct json_out out;

	if (!call->json) {
		printf("ebb %s\n", EBB_VERSION);
		return CLI_DONE;
	}
	json_out_init(&out);
	json_out_object(&out, NULL);
	json_out_string(&out, "version", EBB_VERSION);
	json_out_end_object(&out);
	if (!out.failed)
		printf("%s\n", out.text);
	json_out_fini(&out);
	return CLI_DONE;
}

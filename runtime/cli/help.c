// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/keys.h"
#include "runtime/cli/text_out.h"

static void print_option(const struct option *o)
{
	char left[48];

	snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : "  ",
		 o->letter ? o->letter : ' ', o->letter ? ", " : " ", o->name, o->value ? " " : "",
		 o->value ? o->value : "");
	printf("  %-24s %s", left, o->help);
	if (o->choices)
		printf(" (%s)", o->choices);
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

static void topic_exit(void)
{
	printf("0  what was asked for is so\n"
	       "1  it failed\n"
	       "2  the command line or ebb.json is wrong; nothing was tried\n"
	       "3  no server answers\n");
}

static void topic_environment(void)
{
	printf("EBB_SOCKET      the server's socket, when --socket is not given\n"
	       "EBB_LIBEXEC     directory of ebb-build\n"
	       "EBB_CACHE       directory for what building keeps\n"
	       "NO_COLOR        no colours, when it is not empty\n"
	       "NOTIFY_SOCKET   where `ebb up --attach` says that it is ready\n");
}

static void key_values(const struct key *key, char *buf, size_t size)
{
	static const char *const shapes[] = {
		[KEY_STRING] = "string",
		[KEY_PREFIX] = "path",
		[KEY_INT] = "",
		[KEY_INT_WORD] = "",
		[KEY_CHOICE] = "",
		[KEY_DURATION] = "duration",
		[KEY_BOOL] = "true or false",
		[KEY_STRINGS] = "strings",
		[KEY_MAP] = "object",
		[KEY_OBJECT] = "object",
		[KEY_SERVICES] = "object",
		[KEY_ANY] = "",
	};
	char most[24] = "", range[64] = "";

	if (key->max && key->kind != KEY_DURATION)
		snprintf(most, sizeof(most), "%lld", (long long)key->max);
	if (key->kind == KEY_INT || key->kind == KEY_INT_WORD)
		snprintf(range, sizeof(range), "%lld..%s", (long long)key->min, most);
	snprintf(buf, size, "%s%s%s%s", shapes[key->kind], range,
		 key->words && key->kind != KEY_CHOICE ? " or " : "", key->words ? key->words : "");
}

static void print_keys(const struct key *table, const char *path, int depth)
{
	for (; table->name; table++) {
		char left[64], values[80];

		if (table->use != KEY_CLIENT && table->use != KEY_SENT)
			continue;
		key_values(table, values, sizeof(values));
		snprintf(left, sizeof(left), "%s%s", path, table->name);
		printf("  %-20s %-28s %s\n", left, values, table->help);
		if (table->kind == KEY_OBJECT && depth < 4)
			print_keys(table->members, "ebb.", depth + 1);
	}
}

static void topic_file(void)
{
	printf("{ \"services\": { NAME: { ... } } }, each service with\n\n");
	print_keys(keys_service, "", 0);
	printf("\nUnknown keys warn; wrong values are refused. Durations: 250ms, 2s, 1m, 1h.\n");
}

static const struct {
	const char *name;
	void (*print)(void);
} topics[] = {
	{"exit", topic_exit},
	{"environment", topic_environment},
	{"ebb.json", topic_file},
};

/* "image": all verbs that begin so. False if there is none. */
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

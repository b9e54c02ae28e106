// SPDX-License-Identifier: Apache-2.0
/* `ebb help --json`: the tables of this program for other programs, and for `make docs`. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/cli/api.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/help.h"
#include "runtime/cli/keys.h"

static void write_words(struct json_out *o, const char *key, const char *words)
{
	char copy[256], *rest = copy, *word;

	if (!*words)
		return;
	snprintf(copy, sizeof(copy), "%s", words);
	json_out_array(o, key);
	while ((word = strsep(&rest, " ")) != NULL)
		json_out_string(o, NULL, word);
	json_out_end_array(o);
}

static void write_options(struct json_out *o, const struct option *table)
{
	json_out_array(o, "options");
	for (; table && table->name; table++) {
		char letter[2] = {table->letter, '\0'}, text[192];

		json_out_object(o, NULL);
		json_out_string(o, "name", table->name);
		if (table->letter)
			json_out_string(o, "letter", letter);
		if (table->value)
			json_out_string(o, "value", table->value);
		write_words(o, "choices", option_choices(table, text, sizeof(text)));
		json_out_string(o, "help", option_help(table, text, sizeof(text)));
		json_out_bool(o, "repeats", table->repeat);
		if (table->setting)
			json_out_string(o, "setting", setting_of(table->setting)->name);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

static void write_verbs(struct json_out *o)
{
	json_out_array(o, "verbs");
	for (const struct verb *v = cli_verbs; v->name; v++) {
		json_out_object(o, NULL);
		json_out_string(o, "name", v->name);
		json_out_string(o, "words", v->words);
		json_out_string(o, "help", v->help);
		if (v->details)
			json_out_string(o, "details", v->details);
		if (v->choices)
			write_words(o, "choices", v->choices);
		write_options(o, v->options);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

static void write_lines(struct json_out *o, const char *key, const struct help_line *line)
{
	json_out_array(o, key);
	for (; line->name; line++) {
		json_out_object(o, NULL);
		json_out_string(o, "name", line->name);
		json_out_string(o, "help", line->help);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

static const char *const places[] = {
	[SETTING_OF_FILE] = "file",
	[SETTING_OF_SERVICE] = "service",
	[SETTING_OF_EBB] = "ebb",
};

static void write_bounds(struct json_out *o, const struct setting *s)
{
	bool bounded = s->kind == SETTING_NUMBER || s->kind == SETTING_TIME;

	if (bounded)
		json_out_i64(o, "min", s->min);
	if (bounded || s->max)
		json_out_i64(o, "max", s->max);
	if (s->open_ended)
		json_out_bool(o, "open_ended", true);
	if (s->kind == SETTING_TIME)
		json_out_u64(o, "unit_ms", s->unit_ms);
	if (s->unit)
		json_out_string(o, "unit", s->unit);
	if (s->zero)
		json_out_string(o, "zero", s->zero);
	if (bounded && !(s->zero && !s->fallback))
		json_out_i64(o, "fallback", s->fallback);
}

static void write_setting(struct json_out *o, const struct setting *s)
{
	static const char *const kinds[] = {
		[SETTING_NUMBER] = "number", [SETTING_TIME] = "time",
		[SETTING_WORD] = "word",     [SETTING_BOOL] = "bool",
		[SETTING_TEXT] = "text",     [SETTING_PATH] = "path",
		[SETTING_LIST] = "list",     [SETTING_MAP] = "map",
		[SETTING_OBJECT] = "object", [SETTING_OBJECTS] = "objects",
		[SETTING_NAMED] = "named",
	};
	char text[96];

	json_out_object(o, NULL);
	json_out_string(o, "name", s->name);
	json_out_string(o, "place", places[s->place]);
	json_out_string(o, "kind", kinds[s->kind]);
	json_out_bool(o, "in_file", s->reader != SETTING_FOR_API);
	json_out_bool(o, "in_api", s->reader != SETTING_FOR_CLI);
	write_bounds(o, s);
	if (s->or_object)
		json_out_bool(o, "or_object", true);
	write_words(o, "words", setting_words(s, text, sizeof(text)));
	json_out_string(o, "default", setting_usual(s, text, sizeof(text)));
	json_out_string(o, "help", s->help);
	json_out_end_object(o);
}

static void write_keys(struct json_out *o)
{
	static const char *const uses[] = {
		[KEY_SERVICES] = "services", [KEY_OLD] = "old",     [KEY_IGNORED] = "ignored",
		[KEY_SILENT] = "silent",     [KEY_RULES] = "rules", [KEY_FUNCTIONS] = "functions",
		[KEY_MOUNT] = "mount",       [KEY_NAME] = "name",   [KEY_HOSTS] = "hosts",
		[KEY_OUTPUT] = "output",     [KEY_CRONS] = "crons", [KEY_COMMAND] = "command",
		[KEY_FRAMEWORK] = "word",    [KEY_BUILD] = "build", [KEY_AGE] = "age",
	};

	_Static_assert(sizeof(uses) / sizeof(uses[0]) == KEY_USES, "a word for each use of a key");

	json_out_array(o, "settings");
	for (int id = SETTING_NONE + 1; id < SETTING_COUNT; id++)
		write_setting(o, setting_of((enum setting_id)id));
	json_out_end_array(o);
	json_out_array(o, "keys");
	for (const struct key *key = keys; key->name; key++) {
		json_out_object(o, NULL);
		json_out_string(o, "name", key->name);
		json_out_string(o, "place", places[key->place]);
		json_out_string(o, "use", uses[key->use]);
		json_out_string(o, "help", key->help);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

int help_document(void)
{
	struct json_out o;
	int r = CLI_FAILED;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "version", EBB_VERSION);
	write_options(&o, cli_common_options);
	write_verbs(&o);
	write_lines(&o, "exits", help_exits);
	write_lines(&o, "environment", help_environment);
	write_keys(&o);
	json_out_end_object(&o);
	if (!o.failed) {
		api_print_text(&o);
		r = CLI_DONE;
	}
	json_out_fini(&o);
	return r;
}

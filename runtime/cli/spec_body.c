// SPDX-License-Identifier: Apache-2.0
/* The body of a request to the API, from a service of a file. */
#include <errno.h>
#include <string.h>

#include "runtime/cli/spec_inside.h"
#include "runtime/settings/settings.h"

/* A setting as the file has it: itself, by another name, or for files. */
static const struct json *value_of(const struct spec_service *service, const struct setting *s)
{
	const struct json *value = json_get(service->value, s->name);
	const char *file;

	if (!value && setting_id_of(s) == SETTING_ROUTE_PREFIX)
		return json_get(service->value, "mount");
	return value ? value : spec_of_functions(json_get(service->value, "functions"), s, &file);
}

static void write_hidden(const struct spec_service *service, struct json_out *out)
{
	const struct json *ebb = json_get(service->value, "ebb");

	json_out_object(out, "ebb");
	for (size_t i = 0; i < json_count(ebb); i++)
		json_out_value(out, json_key_at(ebb, i), json_at(ebb, i));
	if (!json_get(ebb, "private"))
		json_out_bool(out, "private", true);
	json_out_end_object(out);
}

/* Takes one word, with quotes, off a command. 1; 0 at its end; -EINVAL for a quote without an
 * end. */
static int next_word(const char **at, char *word, size_t size)
{
	char quote = '\0';
	size_t n = 0;

	*at += strspn(*at, " \t\n");
	if (!**at)
		return 0;
	for (; **at && (quote || !strchr(" \t\n", **at)); (*at)++) {
		char c = **at;

		if (c == quote)
			quote = '\0';
		else if (!quote && (c == '"' || c == '\''))
			quote = c;
		else if (n + 1 < size)
			word[n++] = c;
	}
	word[n] = '\0';
	return quote ? -EINVAL : 1;
}

/* A command that is one string: words, or where it asks for more, a line for the image's shell. */
static void write_command(const char *text, struct json_out *out)
{
	bool shell = strpbrk(text, "$`\\;&|<>()*?[]#~\r") != NULL;
	char word[4096];

	json_out_array(out, "command");
	if (shell) {
		json_out_string(out, NULL, "/bin/sh");
		json_out_string(out, NULL, "-c");
		json_out_string(out, NULL, text);
	}
	while (!shell && next_word(&text, word, sizeof(word)) > 0)
		json_out_string(out, NULL, word);
	json_out_end_array(out);
}

void spec_body(const struct spec_service *service, const char *image, const char *key,
	       struct json_out *out)
{
	json_out_object(out, key);
	json_out_string(out, "image", image);
	for (int id = SETTING_NONE + 1; id < SETTING_COUNT; id++) {
		const struct setting *s = setting_of((enum setting_id)id);
		const struct json *value = value_of(service, s);

		if (s->place != SETTING_OF_SERVICE || s->reader != SETTING_FOR_BOTH)
			continue;
		if (id == SETTING_EBB && service->hidden)
			write_hidden(service, out);
		else if ((id == SETTING_CRONS || id == SETTING_SCHEDULES) && !service->implied)
			spec_write_crons(service, s->name, out);
		else if (id == SETTING_TRIGGERS)
			spec_write_triggers(service, out);
		else if (id == SETTING_COMMAND && json_string(value))
			write_command(json_string(value), out);
		else if (value && !(id == SETTING_HOSTS && service->implied))
			json_out_value(out, s->name, value);
	}
	json_out_end_object(out);
}

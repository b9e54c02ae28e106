// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/log_line.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define DIM   "\033[2m"
#define RESET "\033[0m"

static void put_text(const struct call *call, const char *text)
{
	size_t n = strlen(text);

	n -= n > 0 && text[n - 1] == '\n';
	n -= n > 0 && text[n - 1] == '\r';
	text_out_program(stdout, text, n, call->color);
}

/* Prints the members named in keys, in a row, in front of the text. */
static void put_members(const struct call *call, const struct json *document,
			const char *const *keys, size_t count)
{
	fputs(call->color ? DIM : "", stdout);
	for (size_t i = 0; i < count; i++) {
		const struct json *value = keys[i] ? json_get(document, keys[i]) : NULL;
		const char *word = json_string(value);
		char text[160], safe[640];

		if (json_kind(value) == JSON_NULL || (word && !*word))
			continue;
		text_escape(safe, sizeof(safe),
			    table_value(text, sizeof(text), value, SHOW_TEXT, 0));
		fputs(safe, stdout);
		putchar(' ');
	}
	fputs(call->color ? RESET : "", stdout);
}

struct layout {
	const char *keys[4]; /* the members in front of the text; NULL ends them */
	const char *text;
};

static const struct layout log_layout = {{"time", "instance", "request"}, "line"};
static const struct layout event_layout = {{"time", "kind", "service", "instance"}, "text"};

static void document_print(const struct call *call, const struct json *document,
			   const struct layout *layout)
{
	const char *text = json_string(json_get(document, layout->text));

	put_members(call, document, layout->keys, ARRAY_LEN(layout->keys));
	put_text(call, text ? text : "");
}

/* Shows the parts of one long line as one line. If the last document was a part of a line and this
 * one is of the same instance, its text goes on where the last one ended; any other document begins
 * a new line. */
static void log_print(struct line_sink *sink, const struct json *document)
{
	const char *instance = json_string(json_get(document, "instance"));
	const char *text = json_string(json_get(document, "line"));
	bool goes_on = json_is_true(json_get(document, "partial"));

	if (sink->open[0] && instance && strcmp(sink->open, instance) == 0)
		put_text(sink->call, text ? text : "");
	else {
		fputs(sink->open[0] ? "\n" : "", stdout);
		document_print(sink->call, document, &log_layout);
	}
	sink->open[0] = '\0';
	if (goes_on && instance)
		(void)text_copy(sink->open, sizeof(sink->open), instance);
	if (!sink->open[0])
		putchar('\n');
}

/* Prints a line that is not JSON as a JSON document, because --json promises documents. */
static void print_foreign(const char *line)
{
	struct json *document = NULL;
	struct json_out out;
	char err[128];

	json_out_init(&out);
	json_out_object(&out, NULL);
	json_out_string(&out, "line", line);
	json_out_end_object(&out);
	if (!out.failed && json_parse(out.text, out.length, 4, &document, err, sizeof(err)) == 0)
		api_print_compact(document);
	json_free(document);
	json_out_fini(&out);
}

static void line_print(struct line_sink *sink, char *line, const struct layout *layout)
{
	struct json *document = NULL;
	char err[128];

	if (!*line)
		return; /* a heartbeat */
	if (json_parse(line, strlen(line), 32, &document, err, sizeof(err)) < 0)
		document = NULL;
	if (document && !(layout == &log_layout ? cursor_takes_line
						: cursor_takes_event)(&sink->cursor, document)) {
		json_free(document);
		return;
	}
	if (sink->call->json && sink->array && sink->count)
		fputs(",\n", stdout);
	if (!document && sink->call->json)
		print_foreign(line);
	else if (!document)
		put_text(sink->call, line);
	else if (sink->call->json)
		api_print_compact(document);
	else if (layout == &log_layout)
		log_print(sink, document);
	else
		document_print(sink->call, document, layout);
	if (sink->call->json ? !sink->array : !document || layout != &log_layout)
		putchar('\n');
	sink->count++;
	fflush(stdout);
	json_free(document);
}

void line_sink_begin(struct line_sink *sink)
{
	if (sink->call->json && sink->array)
		fputs("[\n", stdout);
}

void line_sink_end(struct line_sink *sink)
{
	if (sink->open[0])
		putchar('\n');
	if (sink->call->json && sink->array)
		fputs(sink->count ? "\n]\n" : "]\n", stdout);
}

void log_line_print(void *context, char *line)
{
	line_print(context, line, &log_layout);
}

void event_line_print(void *context, char *line)
{
	line_print(context, line, &event_layout);
}

void event_print(const struct call *call, const struct json *event)
{
	if (call->json)
		api_print_compact(event);
	else
		document_print(call, event, &event_layout);
	putchar('\n');
}

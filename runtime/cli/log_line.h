/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the lines of a log or event stream (NDJSON), as text for people or with --json as JSON. */
#ifndef EBB_CLI_LOG_LINE_H
#define EBB_CLI_LOG_LINE_H

#include "runtime/base/json.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/cursor.h"

struct line_sink {
	const struct call *call;
	bool array;    /* with --json: elements of one array, between line_sink_begin and _end */
	size_t count;  /* lines so far */
	char open[96]; /* the instance whose line was shown in part last, or "" */
	struct cursor cursor;
};

/* To be called before the first line and behind the last: they print the brackets of the array with
 * --json, else the end of a line that was shown in part. */
void line_sink_begin(struct line_sink *sink);
void line_sink_end(struct line_sink *sink);
/* Print one line, if the cursor has not passed it; context is a struct line_sink. A line that is
 * not JSON goes out escaped. */
void log_line_print(void *context, char *line);
void event_line_print(void *context, char *line);
/* Prints one event of a list as text. */
void event_print(const struct call *call, const struct json *event);

#endif

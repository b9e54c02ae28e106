/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a log or event stream (NDJSON), as text or as it is. */
#ifndef EBB_CLI_LOG_LINE_H
#define EBB_CLI_LOG_LINE_H

#include "runtime/base/json.h"
#include "runtime/cli/cli.h"

struct line_sink {
	const struct call *call;
	bool array;    /* with --json: elements of one array, between line_sink_begin and _end */
	size_t count;  /* lines so far */
	char open[96]; /* the instance of which a part of a line was shown last, or "" */
};

/* Before the first line and behind the last: with --json the brackets of the array, else the end of
 * a line that was shown in part. */
void line_sink_begin(struct line_sink *sink);
void line_sink_end(struct line_sink *sink);
/* context is a struct line_sink. Lines that are not JSON go out escaped. */
void log_line_print(void *context, char *line);
void event_line_print(void *context, char *line);
/* One event of a list. */
void event_print(const struct call *call, const struct json *event);

#endif

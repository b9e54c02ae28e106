/* SPDX-License-Identifier: Apache-2.0 */
/* A list of findings about a file: every one is kept, not only the first. Prints only when told. */
#ifndef EBB_CLI_REPORT_H
#define EBB_CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/json.h"

#define REPORT_LINES_MAX 64
#define REPORT_LINE_SIZE 320

struct report {
	size_t count, errors; /* kept lines; all errors, dropped ones included */
	size_t dropped;       /* lines that did not fit */
	struct {
		bool warning;
		char text[REPORT_LINE_SIZE];
	} lines[REPORT_LINES_MAX];
};

/* Each adds a line; a full report only counts. An error refuses the file, a warning does not. */
void report_error(struct report *report, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void report_warning(struct report *report, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The value as JSON, cut to what fits in a sentence. Returns buf. */
const char *report_value(const struct json *value, char *buf, size_t size);
/* Prints all lines on stderr, each behind the name of the file. */
void report_print(const struct report *report, const char *file);

#endif

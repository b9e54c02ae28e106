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

/* An error refuses the file. UNSUPPORTED: ebb does not do what the file says, and the line says
 * what happens instead. */
enum report_kind { REPORT_ERROR, REPORT_WARNING, REPORT_UNSUPPORTED, REPORT_KINDS };

struct report {
	size_t count, dropped;     /* kept lines, and those that did not fit */
	size_t said[REPORT_KINDS]; /* all of a kind, dropped ones included */
	struct {
		enum report_kind kind;
		char text[REPORT_LINE_SIZE];
	} lines[REPORT_LINES_MAX];
};

/* Adds a line; a full report only counts. */
void report_add(struct report *report, enum report_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define report_error(report, ...)       report_add(report, REPORT_ERROR, __VA_ARGS__)
#define report_warning(report, ...)     report_add(report, REPORT_WARNING, __VA_ARGS__)
#define report_unsupported(report, ...) report_add(report, REPORT_UNSUPPORTED, __VA_ARGS__)
/* The value as JSON, cut to what fits in a sentence. Returns buf. */
const char *report_value(const struct json *value, char *buf, size_t size);
/* Prints all lines on stderr, each behind the name of the file: errors and warnings, then in one
 * list what is not supported. */
void report_print(const struct report *report, const char *file);

#endif

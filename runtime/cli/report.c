// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/cli/text_out.h"

void report_add(struct report *report, enum report_kind kind, const char *fmt, ...)
{
	va_list ap;

	report->said[kind]++;
	if (report->count == REPORT_LINES_MAX) {
		report->dropped++;
		return;
	}
	report->lines[report->count].kind = kind;
	va_start(ap, fmt);
	vsnprintf(report->lines[report->count].text, REPORT_LINE_SIZE, fmt, ap);
	va_end(ap);
	report->count++;
}

const char *report_value(const struct json *value, char *buf, size_t size)
{
	struct json_out out;

	if (!value)
		return "it";
	json_out_init(&out);
	json_out_value(&out, NULL, value);
	if (out.failed || !out.text)
		snprintf(buf, size, "it");
	else if (out.length >= size)
		snprintf(buf, size, "%.*s...", (int)size - 4, out.text);
	else
		snprintf(buf, size, "%s", out.text);
	json_out_fini(&out);
	return buf;
}

static void print_kind(const struct report *report, const char *file, enum report_kind kind,
		       const char *before)
{
	for (size_t i = 0; i < report->count; i++)
		if (report->lines[i].kind == kind)
			say_note("%s: %s%s", file, before, report->lines[i].text);
}

void report_print(const struct report *report, const char *file)
{
	print_kind(report, file, REPORT_ERROR, "");
	print_kind(report, file, REPORT_WARNING, "warning: ");
	if (report->said[REPORT_UNSUPPORTED])
		say_note("%s: not done as the file says (%zu):", file,
			 report->said[REPORT_UNSUPPORTED]);
	print_kind(report, file, REPORT_UNSUPPORTED, "  ");
	if (report->dropped)
		say_note("%s: and %zu more", file, report->dropped);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/cli/text_out.h"

static void report_add(struct report *report, bool warning, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void report_add(struct report *report, bool warning, const char *fmt, va_list ap)
{
	report->errors += !warning;
	if (report->count == REPORT_LINES_MAX) {
		report->dropped++;
		return;
	}
	report->lines[report->count].warning = warning;
	vsnprintf(report->lines[report->count].text, REPORT_LINE_SIZE, fmt, ap);
	report->count++;
}

void report_error(struct report *report, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_add(report, false, fmt, ap);
	va_end(ap);
}

void report_warning(struct report *report, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_add(report, true, fmt, ap);
	va_end(ap);
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

void report_print(const struct report *report, const char *file)
{
	for (size_t i = 0; i < report->count; i++)
		say_note("%s: %s%s", file, report->lines[i].warning ? "warning: " : "",
			 report->lines[i].text);
	if (report->dropped)
		say_note("%s: and %zu more", file, report->dropped);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static struct {
	const char *program;
	enum log_level lowest;
} log_state = {"ebb", LOG_INFO_LEVEL};

void log_init(const char *program, enum log_level lowest)
{
	log_state.program = program;
	log_state.lowest = lowest;
}

int log_level_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
		if (strcmp(name, level_names[i]) == 0)
			return (int)i;
	return -EINVAL;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char line[2048], when[28];
	size_t used;
	int n;
	va_list ap;

	if (level > log_state.lowest)
		return;
	n = snprintf(line, sizeof(line), "ts=%s level=%s prog=%s ",
		     clock_rfc3339(clock_real_us(), when), level_names[level], log_state.program);
	used = n > 0 ? (size_t)n : 0;
	va_start(ap, fmt);
	n = vsnprintf(line + used, sizeof(line) - used - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	used += (size_t)n;
	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nobody is listening, and there is nowhere else to say so */
}

const char *log_quote(char *buf, size_t size, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	must(size >= 3);
	buf[used++] = '"';
	for (; *text && used + 5 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			buf[used++] = '\\';
			buf[used++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			buf[used++] = '\\';
			buf[used++] = 'x';
			buf[used++] = hex[c >> 4];
			buf[used++] = hex[c & 15];
		} else {
			buf[used++] = (char)c;
		}
	}
	buf[used++] = '"';
	buf[used] = '\0';
	return buf;
}

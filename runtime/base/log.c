// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

#define LINE_SIZE 4096

static const char *const level_names[] = {
	[LOG_ERROR_LEVEL] = "error",
	[LOG_WARN_LEVEL] = "warn",
	[LOG_INFO_LEVEL] = "info",
	[LOG_DEBUG_LEVEL] = "debug",
};
static struct {
	const char *program;
	enum log_level lowest;
	int fd;
	bool under_ebbd;
	uint64_t lost;
} log_state = {.program = "ebb", .lowest = LOG_INFO_LEVEL, .fd = STDERR_FILENO};

void log_init(const char *program, enum log_level lowest)
{
	log_state.program = program;
	log_state.lowest = lowest;
}

void log_lowest(enum log_level lowest)
{
	log_state.lowest = lowest;
}

void log_init_named(const char *program)
{
	const char *wanted = getenv("EBB_LOG");
	int level = wanted ? log_level_parse(wanted) : -EINVAL;

	log_init(program, level < 0 ? LOG_INFO_LEVEL : (enum log_level)level);
}

void log_to_supervisor(void)
{
	log_state.under_ebbd = true;
}

void log_to(int fd)
{
	log_state.fd = fd;
}

int log_level_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
		if (strcmp(name, level_names[i]) == 0)
			return (int)i;
	return -EINVAL;
}

/* Writes "ts=... level=... prog=... ", or only the level where ebbd adds the rest. */
static size_t put_head(char *line, size_t size, enum log_level level, const char *program)
{
	char when[CLOCK_DATE_SIZE];
	int n;

	if (log_state.under_ebbd)
		n = snprintf(line, size, "level=%s ", level_names[level]);
	else
		n = snprintf(line, size, "ts=%s level=%s prog=%s ",
			     clock_rfc3339(clock_real_us(), when), level_names[level], program);
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static void put_line(const char *line, size_t size)
{
	char lost[80];
	int n;

	if (log_state.lost > 0) {
		n = snprintf(lost, sizeof(lost), "level=warn event=log_lines_lost lines=%llu\n",
			     (unsigned long long)log_state.lost);
		if (write(log_state.fd, lost, (size_t)n) == n)
			log_state.lost = 0;
	}
	/* The reader is gone or too slow, and there is no other place to say so now. */
	if (write(log_state.fd, line, size) < 0 && log_state.under_ebbd)
		log_state.lost++;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char line[LINE_SIZE];
	size_t used;
	int n;
	va_list ap;

	if (level > log_state.lowest)
		return;
	used = put_head(line, sizeof(line), level, log_state.program);
	va_start(ap, fmt);
	n = vsnprintf(line + used, sizeof(line) - used - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	used += (size_t)n;
	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';
	put_line(line, used);
}

/* Takes the level that a line claims off its front. A line that claims none was not written by our
 * log, and counts as an error. */
static enum log_level level_of(const char **text)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		size_t n = strlen(level_names[i]);

		if (strncmp(*text, "level=", 6) != 0 ||
		    strncmp(*text + 6, level_names[i], n) != 0 || (*text)[6 + n] != ' ')
			continue;
		*text += 6 + n + 1;
		return (enum log_level)i;
	}
	return LOG_ERROR_LEVEL;
}

static bool claims_more(const char *text)
{
	static const char *const keys[] = {"ts=", "level=", "prog="};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		for (const char *at = strstr(text, keys[i]); at; at = strstr(at + 1, keys[i]))
			if (at == text || at[-1] == ' ')
				return true;
	return false;
}

void log_forward(const char *program, const char *line, size_t size)
{
	char copy[LINE_SIZE / 2 + 1], quoted[LINE_SIZE + 8], out[2 * LINE_SIZE];
	const char *text = copy;
	enum log_level level;
	size_t used = 0;
	int n;

	for (; used < size && used < sizeof(copy) - 1; used++) {
		unsigned char c = (unsigned char)line[used];

		copy[used] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	copy[used] = '\0';
	level = level_of(&text);
	if (level > log_state.lowest)
		return;
	used = put_head(out, sizeof(out), level, program);
	if (claims_more(text))
		n = snprintf(out + used, sizeof(out) - used - 1, "said=%s",
			     log_quote(quoted, sizeof(quoted), text));
	else
		n = snprintf(out + used, sizeof(out) - used - 1, "%s", text);
	used += n < 0 ? 0 : (size_t)n < sizeof(out) - used - 1 ? (size_t)n : sizeof(out) - used - 2;
	out[used++] = '\n';
	put_line(out, used);
}

/* Here and not in a file of mem.h, because the last words are a line of the log. */
void must_failed(const char *what, const char *file, int line)
{
	log_at(LOG_ERROR_LEVEL, "event=bug check=\"%s\" at=%s:%d", what, file, line);
	abort();
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

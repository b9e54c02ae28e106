// SPDX-License-Identifier: Apache-2.0
/* Lines with the id of the request they belong to: 0x1e, the id, a space, the text. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"

#define LOG_BYTES 4096

static void write_all(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, text, size);

		if (n < 0 && errno != EINTR)
			return; /* there is nowhere to report the error */
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
}

/* Writes each line with one write(2), so that lines of several processes do not mix. A line of more
 * than LOG_BYTES becomes several lines, each with the id of the request. */
static void log_text(const char *id, const char *text)
{
	char line[LOG_BYTES + ID_CHARS + 8];

	do {
		size_t n = strcspn(text, "\n");
		int used;

		if (n > LOG_BYTES)
			n = LOG_BYTES;
		used = snprintf(line, sizeof(line), "%s%s%s%.*s\n", *id ? "\x1e" : "", id,
				*id ? " " : "", (int)n, text);
		write_all(line, (size_t)used);
		text += n + (text[n] == '\n');
	} while (*text);
}

__attribute__((format(printf, 2, 0))) static void log_list(const char *id, const char *fmt,
							   va_list args)
{
	char text[LOG_BYTES], *all = NULL;
	va_list again;
	int n;

	(void)fflush(stdout); /* the function's own output comes first */
	va_copy(again, args);
	n = vsnprintf(text, sizeof(text), fmt, args);
	if (n >= (int)sizeof(text) && (all = malloc((size_t)n + 1)))
		(void)vsnprintf(all, (size_t)n + 1, fmt, again);
	va_end(again);
	log_text(id, all ? all : text);
	free(all);
}

void log_line(const char *id, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_list(id, fmt, args);
	va_end(args);
}

void ebb_log(const struct ebb_request *rq, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_list(rq->id, fmt, args);
	va_end(args);
}

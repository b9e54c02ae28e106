// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/lines.h"

#include <string.h>

void lines_end(struct lines *lines, void (*take)(void *context, char *line), void *context)
{
	if (lines->used == 0)
		return;
	lines->buf[lines->used] = '\0';
	lines->used = 0;
	take(context, lines->buf);
}

static void flush_line(struct lines *lines, void (*take)(void *context, char *line), void *context)
{
	lines->buf[lines->used] = '\0';
	lines->used = 0;
	take(context, lines->buf);
}

void lines_feed(struct lines *lines, struct http_slice piece,
		void (*take)(void *context, char *line), void *context)
{
	while (piece.size > 0) {
		const char *newline = memchr(piece.at, '\n', piece.size);
		size_t n = newline ? (size_t)(newline - piece.at) : piece.size;
		size_t room = LINE_BYTES_MAX - lines->used;

		if (n > room) {
			n = room;
			newline = NULL;
		}
		memcpy(lines->buf + lines->used, piece.at, n);
		lines->used += n;
		n += newline != NULL;
		piece.at += n;
		piece.size -= n;
		if (newline || lines->used == LINE_BYTES_MAX)
			flush_line(lines, take, context);
	}
}

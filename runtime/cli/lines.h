/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a stream that comes in pieces into lines. A line of more than LINE_BYTES_MAX bytes is given
 * out in parts. */
#ifndef EBB_CLI_LINES_H
#define EBB_CLI_LINES_H

#include "runtime/cli/conn.h"

#define LINE_BYTES_MAX 65536

struct lines {
	size_t used;
	char buf[LINE_BYTES_MAX + 1];
};

/* take gets each line NUL-terminated, without its newline. */
void lines_feed(struct lines *lines, struct http_slice piece,
		void (*take)(void *context, char *line), void *context);
/* The bytes behind the last newline, if there are any. */
void lines_end(struct lines *lines, void (*take)(void *context, char *line), void *context);

#endif

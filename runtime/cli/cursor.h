/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a client stands in a stream of lines, so that a second connection goes on behind the last
 * line: neither is one missing nor does one come twice. Lines of logs are counted by their time,
 * which several can share; events have numbers.
 */
#ifndef EBB_CLI_CURSOR_H
#define EBB_CLI_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/json.h"

#define CURSOR_TIME_SIZE 32
#define CURSOR_INSTANCES 16 /* that wrote in the same microsecond */

/* Begins as zeros: before the first line. */
struct cursor {
	int64_t rev;                 /* of the last event; 0: none yet */
	char time[CURSOR_TIME_SIZE]; /* of the last line; "": none yet */
	bool again;                  /* lines from this time on come again */
	size_t count;
	struct {
		char instance[96];
		uint32_t lines, skip; /* of that time; those that are to come again */
	} at[CURSOR_INSTANCES];
};

/* Notes a line of a log. False: it was taken before. */
bool cursor_takes_line(struct cursor *c, const struct json *line);
/* The same of an event. */
bool cursor_takes_event(struct cursor *c, const struct json *event);
/* The next lines begin with those of c->time, also the ones that were taken. */
void cursor_again(struct cursor *c);

#endif

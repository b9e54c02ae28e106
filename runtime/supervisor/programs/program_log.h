/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output of a program under ebbd. Each has a pipe of its own, which is read here line by line
 * and written into ebbd's log with the date and the name that ebbd knows. A program can neither cut
 * the log, nor speak with another's name, nor make the log grow without bound: beyond its allowance
 * its pipe is not read, and it loses its own lines.
 */
#ifndef EBB_SUPERVISOR_PROGRAM_LOG_H
#define EBB_SUPERVISOR_PROGRAM_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/allowance.h"
#include "runtime/base/loop.h"

#define PROGRAM_LINE_MAX 2048

struct program_log {
	struct watch watch; /* the reading end, owned; -1 = none */
	struct timer again;
	struct loop *loop;
	const char *name;
	struct allowance bytes;
	int forbidden; /* number of the call its filter refused, or -1 */
	bool cut;      /* the rest of this line is dropped */
	size_t used;
	char line[PROGRAM_LINE_MAX];
};

/* Makes the pipe; the writing end is the caller's. A log that was open is ended. 0 or -errno. */
int program_log_open(struct program_log *l, struct loop *loop, const char *name, int *out_fd);
/* The same with a pipe that is there: its reading end becomes the log's. 0 or -errno (fd closed).
 */
int program_log_adopt(struct program_log *l, struct loop *loop, const char *name, int fd);
/* Reads what is there still, then closes. Harmless if it is not open. */
void program_log_end(struct program_log *l);

/* Moves the log's own descriptor to where no child inherits it; once, before there is an ebbd.
 * Sanitizers write where they like, so their builds stay as they are, and *out_fd too. 0 or -errno.
 */
int program_log_move_ours(int *out_fd);
/* The same in a binary that was executed later: the log is fd, as it was (-1: not moved). */
int program_log_keep_ours(int fd);
/* Other children of ebbd (unpackers, mkfs) have a pipe as stdout and stderr, and can neither cut
 * nor forge the log. Not in sanitizer builds. 0 or -errno. */
int program_log_hide_ours(struct program_log *strays, struct loop *loop);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several builds at once, each in a process of its own. Its output is kept and shown when it ended:
 * all of it, or the last lines if it failed. After a failure no further build begins.
 */
#ifndef EBB_CLI_BUILDS_H
#define EBB_CLI_BUILDS_H

#include <stdbool.h>
#include <stddef.h>

struct builds {
	size_t count;        /* of builds */
	const bool *skipped; /* by number; these are not made */
	size_t at_once;      /* 0: as many as CPUs */
	const char *(*name)(void *context, size_t number);
	int (*build)(void *context, size_t number); /* in its process; returns an exit code */
	void *context;
};

/* Makes them. CLI_DONE, or the exit code of the first that failed. One that is alone is made in
 * this process, and its output goes out as it comes. */
int builds_run(const struct builds *b);

#endif

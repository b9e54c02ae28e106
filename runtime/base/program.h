/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a program that ebbd starts: a name in the log, a filter before the first foreign
 * byte, a rehearsal if --rehearse asks for one (rehearse.h), and an end that says its cause. A main
 * is one row of this table and nothing else.
 */
#ifndef EBB_BASE_PROGRAM_H
#define EBB_BASE_PROGRAM_H

struct program {
	const char *name;                /* in the log; a static string */
	const char *policy, *policy_end; /* the filter's text (FILTER_EMBED in filter.h) */
	/* The steps, in this order. Each returns 0 or -errno, and may be NULL but for run. The
	 * first two run before the filter is loaded, so their calls need no rule in it; they read
	 * nothing foreign. The name of the step that failed goes to *step. */
	int (*prepare)(const char **step); /* before a rehearsal, too */
	int (*open)(void *self, const char **step);
	int (*run)(void *self); /* under the filter, until the program ends */
	void *self;             /* of open and run */
};

/* Loads the filter for the calling thread alone: for threads that open starts. 0, or -errno, which
 * is logged. */
int program_confine(const struct program *p);
/* Lives that life, and returns the status for the end of main. A build with a sanitizer goes on
 * without a filter and warns: the run-time of a sanitizer makes calls of its own at any moment.
 * Such a build is for tests and is never installed. */
int program_main(const struct program *p, int argc, char *const *argv);

#endif

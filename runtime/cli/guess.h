/* SPDX-License-Identifier: Apache-2.0 */
/* Guesses the runtime of a directory of sources from the files in it. Reads only. */
#ifndef EBB_CLI_GUESS_H
#define EBB_CLI_GUESS_H

#include <stdbool.h>

struct guess {
	char runtime[16];     /* "node", "python", "native", "static" */
	char entrypoint[256]; /* a file in the directory; for static a directory, or "."; with
			       * -EBADMSG the file that package.json names, or "" */
	char framework[16];   /* "nextjs": the directory is built first; else "" */
	char because[320];    /* "package.json is there"; with -EBADMSG what cannot be followed */
};

/* Guesses the runtime and the entry point. With `runtime` known (else NULL) only the entry point is
 * looked for. 0; -ENOENT if no file tells; -EBADMSG if package.json names a file that cannot serve;
 * -errno. */
int guess_directory(int dir_fd, const char *runtime, struct guess *out);

/* The runtime of an entry point by its name alone: "node" where it tells none. */
const char *guess_runtime(const char *entrypoint);

/* Whether a directory is a program of Node with workflows: its package.json depends on npm's
 * workflow, or `workflow build` left its routes there. 1, 0, or -ENOENT: it has no package.json. */
int guess_workflows(int dir_fd);
/* The same for a service of a file that names the directory. As Node does it, the nearest
 * package.json decides: that of the directory, or of one above it up to the file's own, for a build
 * leaves its output without one. */
bool guess_workflows_of(const char *directory, const char *file);

#endif

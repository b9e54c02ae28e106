/* SPDX-License-Identifier: Apache-2.0 */
/* Guesses the runtime of a directory of sources from the files in it. Reads only. */
#ifndef EBB_CLI_GUESS_H
#define EBB_CLI_GUESS_H

struct guess {
	char runtime[16];     /* "node", "python", "native" */
	char entrypoint[256]; /* a file in the directory */
	char because[320];    /* "package.json is there"; with -EBADMSG what cannot be followed */
};

/* 0, -ENOENT if nothing tells, -EBADMSG if package.json names a file that cannot serve, -errno.
 * With a runtime already known (else NULL) only the entrypoint is looked for. */
int guess_directory(int dir_fd, const char *runtime, struct guess *out);

#endif

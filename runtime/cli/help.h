/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of `ebb help`; `ebb help --json` and the documents are made from the same. */
#ifndef EBB_CLI_HELP_H
#define EBB_CLI_HELP_H

struct help_line {
	const char *name; /* NULL ends a table */
	const char *help;
};

extern const struct help_line help_exits[];
extern const struct help_line help_environment[];

/* help_json.c: prints verbs, options, exit codes, environment and the vocabulary of ebb.json as one
 * JSON document on standard output. Returns an exit code. */
int help_document(void);

#endif

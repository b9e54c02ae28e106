/* SPDX-License-Identifier: Apache-2.0 */
/* Frameworks by their words in vercel.json, and what their builds leave. */
#ifndef EBB_CLI_FRAMEWORK_H
#define EBB_CLI_FRAMEWORK_H

struct framework {
	const char *name;
	const char *output; /* the directory of pages; NULL: a program or a build output */
};

/* The row of a word, or NULL. name may be NULL. */
const struct framework *framework_find(const char *name);

#endif

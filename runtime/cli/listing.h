/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that list things: as JSON (--json), as names (--quiet), or as a table. */
#ifndef EBB_CLI_LISTING_H
#define EBB_CLI_LISTING_H

#include "runtime/cli/api.h"
#include "runtime/cli/table.h"

struct listing {
	const char *action; /* "list the services" */
	const char *key;    /* the member of the answer that has the list */
	const char *name;   /* the member of each thing that names it */
	const struct column *columns;
	size_t column_count;
	const char *none; /* instead of an empty table */
};

/* Asks for the list at target and prints it. Returns an exit code. */
int listing_show(struct call *call, const char *target, const struct listing *listing);

#endif

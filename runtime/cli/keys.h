/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vocabulary of ebb.json: one table of keys. The check, `ebb help ebb.json` and the request to
 * the API are made from it. docs/ebb.schema.json says the same to editors; a test compares the two.
 */
#ifndef EBB_CLI_KEYS_H
#define EBB_CLI_KEYS_H

#include <stdint.h>

enum key_kind {
	KEY_STRING,
	KEY_PREFIX,   /* a path that begins with "/" */
	KEY_INT,      /* min..max */
	KEY_INT_WORD, /* min..max or one of words */
	KEY_BOOL,     /* true or false */
	KEY_CHOICE,   /* one of words */
	KEY_DURATION, /* a number of unit_ms, or "250ms", "2s", "1m", "1h"; min..max in ms; or words
		       */
	KEY_STRINGS,  /* a list of strings */
	KEY_MAP,      /* strings by name */
	KEY_OBJECT,   /* members */
	KEY_SERVICES, /* objects by service name, each of members */
	KEY_ANY,      /* not looked into */
};

enum key_use {
	KEY_CLIENT,  /* read by ebb: how to build */
	KEY_SENT,    /* a setting: goes to the API as it is */
	KEY_IGNORED, /* of the wider vocabulary; accepted with a warning */
	KEY_OLD,     /* accepted with a warning that names the new one */
	KEY_SILENT,  /* accepted, means nothing to ebb */
};

struct key {
	const char *name; /* NULL ends a table */
	enum key_kind kind;
	enum key_use use;
	int64_t min, max; /* max 0: no upper bound here, the server knows the host */
	int64_t unit_ms;
	const char *words; /* separated by one space */
	const struct key *members;
	const char *help;
};

extern const struct key keys_file[];
extern const struct key keys_service[];

const struct key *key_find(const struct key *table, const char *name);
/* The name in the table nearest to a misspelt one, or NULL. */
const char *key_nearest(const struct key *table, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vocabulary of ebb.json: the settings of runtime/settings/, and the keys of the table here,
 * which are no settings. docs/ebb.schema.json says the same to editors; `make docs` writes it.
 */
#ifndef EBB_CLI_KEYS_H
#define EBB_CLI_KEYS_H

#include "runtime/settings/settings.h"

enum key_use {
	KEY_SERVICES,  /* objects by service name */
	KEY_OLD,       /* an old name of a key, accepted with a warning that names the new one */
	KEY_IGNORED,   /* a key of other platforms, which is told as not supported */
	KEY_SILENT,    /* accepted, means nothing to ebb */
	KEY_RULES,     /* rules of a site: site.c checks them */
	KEY_FUNCTIONS, /* objects of settings by file */
	KEY_MOUNT,     /* another name of a setting */
	KEY_NAME,      /* a name of a site */
	KEY_HOSTS,     /* a list of host names */
	KEY_OUTPUT,    /* a directory below the sources */
	KEY_COMMAND,   /* a command of a build: commands.c */
	KEY_FRAMEWORK, /* a word for what a build leaves */
	KEY_BUILD,     /* an object with the environment of builds */
	KEY_AGE,       /* how long clients stay with a former deployment */
	KEY_CRONS,     /* crons and schedules of services: spec_crons.c */
	KEY_USES,
};

/* A key that is no setting. */
struct key {
	const char *name; /* NULL ends the table */
	enum setting_place place;
	enum key_use use;
	const char *help; /* KEY_OLD: the new name; KEY_IGNORED: another way */
};

extern const struct key keys[];

/* The row of the table, or NULL for a setting or an unknown key. */
const struct key *key_find(enum setting_place place, const char *name);
/* A setting that ebb.json may hold, or NULL. */
const struct setting *key_setting(enum setting_place place, const char *name);
/* The name of a key or a setting that is nearest to a misspelt one, or NULL. */
const char *key_nearest(enum setting_place place, const char *name);

#endif

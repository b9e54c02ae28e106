// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/keys.h"

#include <string.h>
#include <strings.h>

#include "runtime/base/nearest.h"

/* clang-format off */
const struct key keys[] = {
	{"$schema", SETTING_OF_FILE, KEY_SILENT, "for editors"},
	{"services", SETTING_OF_FILE, KEY_SERVICES, "the services, by name"},
	{"experimentalServices", SETTING_OF_FILE, KEY_OLD, "services"},
	{"functions", SETTING_OF_FILE, KEY_IGNORED, "settings by file; set them on the service"},
	{"crons", SETTING_OF_FILE, KEY_IGNORED, "call it from cron(8)"},
	{"rewrites", SETTING_OF_FILE, KEY_IGNORED, "use routePrefix and hosts"},
	{"redirects", SETTING_OF_FILE, KEY_IGNORED, "the proxy in front can do it"},
	{"headers", SETTING_OF_FILE, KEY_IGNORED, "the proxy in front can do it"},
	{"regions", SETTING_OF_FILE, KEY_IGNORED, "there is one host"},
	{"functions", SETTING_OF_SERVICE, KEY_IGNORED, "settings by file; set them on the service"},
	{"bindings", SETTING_OF_SERVICE, KEY_IGNORED, "use env"},
	{"crons", SETTING_OF_SERVICE, KEY_IGNORED, "call it from cron(8)"},
	{"framework", SETTING_OF_SERVICE, KEY_IGNORED, "set runtime and entrypoint"},
	{"buildCommand", SETTING_OF_SERVICE, KEY_IGNORED, "run it before ebb build"},
	{"installCommand", SETTING_OF_SERVICE, KEY_IGNORED, "run it before ebb build"},
	{"outputDirectory", SETTING_OF_SERVICE, KEY_IGNORED, "set root to it"},
	{"regions", SETTING_OF_SERVICE, KEY_IGNORED, "there is one host"},
	{.name = NULL},
};
/* clang-format on */

const struct key *key_find(enum setting_place place, const char *name)
{
	for (const struct key *key = keys; key->name; key++)
		if (key->place == place && strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

const struct setting *key_setting(enum setting_place place, const char *name)
{
	const struct setting *s = setting_find(place, name);

	return s && s->reader != SETTING_FOR_API ? s : NULL;
}

static void offer(struct nearest *near, const char *name, const char **same)
{
	nearest_offer(near, name);
	if (strcasecmp(near->word, name) == 0)
		*same = name;
}

const char *key_nearest(enum setting_place place, const char *name)
{
	const struct key *key;
	const char *same = NULL;
	struct nearest near;

	nearest_init(&near, name);
	for (key = keys; key->name; key++)
		if (key->place == place)
			offer(&near, key->name, &same);
	for (int id = SETTING_NONE + 1; id < SETTING_COUNT; id++) {
		const struct setting *s = setting_of((enum setting_id)id);

		if (s->place == place && s->reader != SETTING_FOR_API)
			offer(&near, s->name, &same);
	}
	if (same || !near.found[0])
		return same;
	/* `near` lives no longer than this function: return the same name out of a table. */
	key = key_find(place, near.found);
	return key ? key->name : setting_find(place, near.found)->name;
}

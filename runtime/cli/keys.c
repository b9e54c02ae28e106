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
	{"name", SETTING_OF_FILE, KEY_NAME, "name of the site: NAME.localhost"},
	{"skewProtection", SETTING_OF_FILE, KEY_AGE, "seconds, or \"7d\": so long clients may stay with a former deployment"},
	{"hosts", SETTING_OF_FILE, KEY_HOSTS, "host names of the site; without, those that nobody names"},
	{"rewrites", SETTING_OF_FILE, KEY_RULES, "where requests go, in order"},
	{"redirects", SETTING_OF_FILE, KEY_RULES, "paths that moved"},
	{"headers", SETTING_OF_FILE, KEY_RULES, "headers that answers get"},
	{"cleanUrls", SETTING_OF_FILE, KEY_RULES, "/about.html leads to /about"},
	{"trailingSlash", SETTING_OF_FILE, KEY_RULES, "true leads /about to /about/, false the other way"},
	{"functions", SETTING_OF_FILE, KEY_FUNCTIONS, "settings by file: the largest of each counts"},
	{"crons", SETTING_OF_FILE, KEY_CRONS, "paths that are called at times of UTC; each of the service that has the path"},
	{"schedules", SETTING_OF_FILE, KEY_CRONS, "the same by name, with \"service\" or by their path"},
	{"regions", SETTING_OF_FILE, KEY_IGNORED, "there is one host"},
	{"version", SETTING_OF_FILE, KEY_SILENT, "2"},
	{"public", SETTING_OF_FILE, KEY_SILENT, "nothing is shown"},
	{"github", SETTING_OF_FILE, KEY_SILENT, "nothing is deployed from there"},
	{"git", SETTING_OF_FILE, KEY_SILENT, "nothing is deployed from there"},
	{"fluid", SETTING_OF_FILE, KEY_SILENT, "it is"},
	{"framework", SETTING_OF_FILE, KEY_FRAMEWORK, "tells the directory of pages that a build leaves"},
	{"buildCommand", SETTING_OF_FILE, KEY_COMMAND, "a line for the shell that builds the sources, without network"},
	{"installCommand", SETTING_OF_FILE, KEY_COMMAND, "a line for the shell that installs packages; \"\" installs none"},
	{"devCommand", SETTING_OF_FILE, KEY_SILENT, "for development"},
	{"ignoreCommand", SETTING_OF_FILE, KEY_IGNORED, "every deployment is made"},
	{"outputDirectory", SETTING_OF_FILE, KEY_OUTPUT, "directory of files that a build left, which are served"},
	{"images", SETTING_OF_FILE, KEY_IGNORED, "pictures are sent as the service has them"},
	{"build", SETTING_OF_FILE, KEY_BUILD, "{\"env\": {NAME: TEXT}}: variables of builds"},
	{"builds", SETTING_OF_FILE, KEY_IGNORED, "the runtime is guessed from the files"},
	{"routes", SETTING_OF_FILE, KEY_IGNORED, "requests go as without them: write rewrites, redirects and headers"},
	{"functionFailoverRegions", SETTING_OF_FILE, KEY_IGNORED, "there is one host"},
	{"functions", SETTING_OF_SERVICE, KEY_FUNCTIONS, "settings by file: the largest of each counts"},
	{"mount", SETTING_OF_SERVICE, KEY_MOUNT, "routePrefix"},
	{"rewrites", SETTING_OF_SERVICE, KEY_RULES, "paths that it sees otherwise"},
	{"redirects", SETTING_OF_SERVICE, KEY_RULES, "paths of it that moved"},
	{"headers", SETTING_OF_SERVICE, KEY_RULES, "headers that its answers get"},
	{"framework", SETTING_OF_SERVICE, KEY_FRAMEWORK, "tells the directory of pages that a build leaves"},
	{"buildCommand", SETTING_OF_SERVICE, KEY_COMMAND, "a line for the shell that builds the sources, without network"},
	{"installCommand", SETTING_OF_SERVICE, KEY_COMMAND, "a line for the shell that installs packages; \"\" installs none"},
	{"devCommand", SETTING_OF_SERVICE, KEY_SILENT, "for development"},
	{"ignoreCommand", SETTING_OF_SERVICE, KEY_IGNORED, "every deployment is made"},
	{"outputDirectory", SETTING_OF_SERVICE, KEY_OUTPUT, "directory of files that a build left, which are served"},
	{"routes", SETTING_OF_SERVICE, KEY_IGNORED, "requests go as without them: write rewrites, redirects and headers"},
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

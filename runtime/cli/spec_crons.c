// SPDX-License-Identifier: Apache-2.0
/* crons and schedules that stand outside of the services, as vercel.json has them: each goes to the
 * service that has its path. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/cli/site.h"
#include "runtime/cli/spec_inside.h"

#define CRON_PATH_SIZE 1024

static const char *const keys[] = {"crons", "schedules"};

static const char *prefix_of(const struct spec_service *service)
{
	const char *prefix = json_string(json_get(service->value, "routePrefix"));

	return prefix ? prefix : json_string(json_get(service->value, "mount"));
}

/* How well a service fits a path: 1 + the length of its prefix, or 0. */
static size_t fit(const struct spec_service *service, const char *path)
{
	const char *prefix = prefix_of(service);
	size_t n = prefix ? strlen(prefix) : 0;

	if (!prefix)
		return 0;
	if (n <= 1)
		return 1;
	return strncmp(path, prefix, n) == 0 && strchr("/?", path[n]) ? n + 1 : 0;
}

/* The service that has the path by its prefix; the longest wins. */
static const struct spec_service *with_prefix(const struct spec *spec, const char *path)
{
	const struct spec_service *found = NULL;
	size_t best = 0;

	for (size_t i = 0; i < spec->count; i++) {
		size_t fits = fit(&spec->services[i], path);

		if (fits > best) {
			best = fits;
			found = &spec->services[i];
		}
	}
	return found;
}

static const struct spec_service *with_name(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->count; i++)
		if (strcmp(spec->services[i].name, name) == 0)
			return &spec->services[i];
	return NULL;
}

/* The service of an entry: the one that it names, the only one, or the one that a request for its
 * path reaches; NULL: there is none. seen: the path that the service sees, "" for the entry's
 * own. */
static const struct spec_service *owner_of(const struct spec *spec, const struct json *entry,
					   char seen[CRON_PATH_SIZE])
{
	const char *name = json_string(json_get(entry, "service"));
	const char *path = json_string(json_get(entry, "path"));
	const struct spec_service *found;

	*seen = '\0';
	if (name)
		return with_name(spec, name);
	if (spec->count == 1)
		return &spec->services[0];
	if (!path)
		return NULL;
	found = site_owner(spec, path, seen, CRON_PATH_SIZE);
	return found ? found : with_prefix(spec, path);
}

void spec_check_crons(const struct spec *spec, struct report *report)
{
	if (site_has_rules(spec) && !spec->rules)
		return; /* where paths lead is not known, and the report says why */
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		const struct json *all = json_get(spec->document, keys[k]);

		for (size_t i = 0; i < json_count(all); i++) {
			const char *name = json_key_at(all, i);
			char at[96], seen[CRON_PATH_SIZE];

			if (owner_of(spec, json_at(all, i), seen))
				continue;
			if (name)
				(void)snprintf(at, sizeof(at), "%s.%.60s", keys[k], name);
			else
				(void)snprintf(at, sizeof(at), "%s[%zu]", keys[k], i);
			report_error(
				report,
				"%s: no service has its path: name one with \"service\", or put "
				"it into a service",
				at);
		}
	}
}

/* An entry as the API takes it: without the name of its service, with the path that the service
 * sees. */
static void write_entry(struct json_out *out, const char *key, const struct json *entry,
			const char *seen)
{
	json_out_object(out, key);
	for (size_t i = 0; i < json_count(entry); i++) {
		const char *name = json_key_at(entry, i);

		if (*seen && strcmp(name, "path") == 0)
			json_out_string(out, name, seen);
		else if (strcmp(name, "service") != 0)
			json_out_value(out, name, json_at(entry, i));
	}
	json_out_end_object(out);
}

void spec_write_crons(const struct spec_service *service, const char *key, struct json_out *out)
{
	const struct json *own = json_get(service->value, key);
	const struct json *all = json_get(service->spec->document, key);
	bool listed = strcmp(key, "crons") == 0;

	if (!own && json_count(all) == 0)
		return;
	if (listed)
		json_out_array(out, key);
	else
		json_out_object(out, key);
	for (size_t i = 0; i < json_count(own); i++)
		json_out_value(out, json_key_at(own, i), json_at(own, i));
	for (size_t i = 0; i < json_count(all); i++) {
		char seen[CRON_PATH_SIZE];

		if (owner_of(service->spec, json_at(all, i), seen) == service)
			write_entry(out, json_key_at(all, i), json_at(all, i), seen);
	}
	if (listed)
		json_out_end_array(out);
	else
		json_out_end_object(out);
}

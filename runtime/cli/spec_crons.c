// SPDX-License-Identifier: Apache-2.0
/* crons and schedules that stand outside of the services, as vercel.json has them: each goes to the
 * service that has its path. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/cli/spec_inside.h"

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

/* The service of an entry: the one that it names, the only one, or that with the longest prefix;
 * NULL: there is none. */
static const struct spec_service *owner_of(const struct spec *spec, const struct json *entry)
{
	const char *name = json_string(json_get(entry, "service"));
	const char *path = json_string(json_get(entry, "path"));
	const struct spec_service *found = NULL;
	size_t best = 0;

	if (!name && spec->count == 1)
		return &spec->services[0];
	for (size_t i = 0; i < spec->count; i++) {
		const struct spec_service *s = &spec->services[i];
		size_t fits = name ? strcmp(s->name, name) == 0 : path ? fit(s, path) : 0;

		if (fits > best) {
			best = fits;
			found = s;
		}
	}
	return found;
}

void spec_check_crons(const struct spec *spec, struct report *report)
{
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		const struct json *all = json_get(spec->document, keys[k]);

		for (size_t i = 0; i < json_count(all); i++) {
			const char *name = json_key_at(all, i);
			char at[96];

			if (owner_of(spec, json_at(all, i)))
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

/* An entry as the API takes it: without the name of its service. */
static void write_entry(struct json_out *out, const char *key, const struct json *entry)
{
	json_out_object(out, key);
	for (size_t i = 0; i < json_count(entry); i++)
		if (strcmp(json_key_at(entry, i), "service") != 0)
			json_out_value(out, json_key_at(entry, i), json_at(entry, i));
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
	for (size_t i = 0; i < json_count(all); i++)
		if (owner_of(service->spec, json_at(all, i)) == service)
			write_entry(out, json_key_at(all, i), json_at(all, i));
	if (listed)
		json_out_end_array(out);
	else
		json_out_end_object(out);
}

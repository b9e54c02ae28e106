// SPDX-License-Identifier: Apache-2.0
/* Checks that concern several services of a file, and its site. */
#include <string.h>
#include <strings.h>

#include "runtime/base/text.h"
#include "runtime/cli/site.h"
#include "runtime/cli/spec_inside.h"

static const char *prefix_of(const struct json *service)
{
	const char *prefix = json_string(json_get(service, "routePrefix"));

	return prefix ? prefix : json_string(json_get(service, "mount"));
}

/* Whether two services are reached by the same host and prefix: one way to two ends. */
static bool same_way(const struct json *a, const struct json *b, const char **host)
{
	const char *prefix[2] = {prefix_of(a), prefix_of(b)};
	const struct json *hosts = json_get(a, "hosts"), *others = json_get(b, "hosts");

	*host = NULL;
	if (strcmp(prefix[0] ? prefix[0] : "/", prefix[1] ? prefix[1] : "/") != 0)
		return false;
	if (json_count(hosts) == 0 && json_count(others) == 0)
		return prefix[0] && prefix[1];
	for (size_t i = 0; i < json_count(hosts); i++)
		for (size_t n = 0; n < json_count(others); n++) {
			const char *one = json_string(json_at(hosts, i));
			const char *two = json_string(json_at(others, n));

			if (one && two && strcasecmp(one, two) == 0) {
				*host = one;
				return true;
			}
		}
	return false;
}

static void check_ways(const struct spec *spec, struct report *report)
{
	const char *host;

	for (size_t i = 0; i < spec->count; i++)
		for (size_t n = i + 1; n < spec->count; n++) {
			const struct spec_service *a = &spec->services[i];
			const struct spec_service *b = &spec->services[n];

			if (!same_way(a->value, b->value, &host))
				continue;
			if (host)
				report_error(
					report,
					"services.%s.hosts: \"%s\" is a host of %s too, with the "
					"same routePrefix: one of them needs another",
					b->name, host, a->name);
			else
				report_error(
					report,
					"services.%s.%s: \"%s\" is that of %s, too: each service "
					"needs its own",
					b->name,
					json_get(b->value, "routePrefix") ? "routePrefix" : "mount",
					prefix_of(b->value), a->name);
		}
}

/* Whether calls through bindings can come from `at` back to `to`. seen: by number. */
static bool calls_back(const struct spec *spec, size_t at, size_t to, bool *seen)
{
	const struct json *bindings = json_get(spec->services[at].value, "bindings");

	for (size_t i = 0; i < json_count(bindings); i++) {
		const char *name = json_string(json_get(json_at(bindings, i), "service"));

		for (size_t n = 0; name && n < spec->count; n++) {
			if (strcmp(spec->services[n].name, name) != 0)
				continue;
			if (n == to)
				return true;
			if (seen[n])
				continue;
			seen[n] = true;
			if (calls_back(spec, n, to, seen))
				return true;
		}
	}
	return false;
}

static void check_circles(const struct spec *spec, struct report *report)
{
	for (size_t i = 0; i < spec->count; i++) {
		bool seen[SPEC_SERVICES_MAX] = {false};

		if (calls_back(spec, i, i, seen))
			report_warning(
				report,
				"services.%s.bindings: its calls can come back to it: ebb ends "
				"a chain of 16 calls with 508",
				spec->services[i].name);
	}
}

void spec_check_file(struct spec *spec, struct report *report)
{
	const char *name = json_string(json_get(spec->document, "name"));

	if (name)
		(void)text_copy(spec->name, sizeof(spec->name), name);
	for (size_t i = 0; i < spec->count; i++)
		spec->services[i].spec = spec;
	check_ways(spec, report);
	spec_check_commands(spec, report);
	check_circles(spec, report);
	site_check(spec, report);
	spec_check_crons(spec, report);
	for (size_t i = 0; i < spec->count; i++) {
		const struct json *value = spec->services[i].value;

		spec->services[i].hidden =
			site_leads(spec) && !site_leads_to(spec, spec->services[i].name) &&
			!json_get(value, "hosts") && !json_get(value, "routePrefix");
	}
}

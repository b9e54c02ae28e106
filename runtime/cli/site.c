// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/rules/apply.h"
#include "runtime/rules/build.h"

#define DEPTH_MAX 32

/* Keys of rules. Those of a static service behind `tidy` are its image's. */
static const char *const keys[] = {"rewrites", "redirects", "headers", "cleanUrls",
				   "trailingSlash"};
#define KEYS_TIDY 3

static bool is_static(const struct spec_service *service)
{
	const char *runtime = json_string(json_get(service->value, "runtime"));

	return runtime ? strcmp(runtime, "static") == 0 : service->files;
}

static bool has_rules(const struct json *object, bool of_image)
{
	for (size_t i = 0; i < (of_image ? KEYS_TIDY : ARRAY_LEN(keys)); i++)
		if (json_get(object, keys[i]))
			return true;
	return false;
}

bool site_has_rules(const struct spec *spec)
{
	if (has_rules(spec->document, false))
		return true;
	for (size_t i = 0; i < spec->count; i++)
		if (has_rules(spec->services[i].value, is_static(&spec->services[i])))
			return true;
	return false;
}

static const char *led_to(const struct json *rewrite)
{
	return json_string(json_get(json_get(rewrite, "destination"), "service"));
}

bool site_leads_to(const struct spec *spec, const char *service)
{
	const struct json *rewrites = json_get(spec->document, "rewrites");

	for (size_t i = 0; i < json_count(rewrites); i++) {
		const char *name = led_to(json_at(rewrites, i));

		if (name && (!service || strcmp(name, service) == 0))
			return true;
	}
	return false;
}

bool site_leads(const struct spec *spec)
{
	return site_leads_to(spec, NULL);
}

/* The one service that gets every request, if the file says no other way to find services. */
static const struct spec_service *only_one(const struct spec *spec)
{
	const struct json *one = spec->services[0].value;

	if (spec->count != 1 || site_leads(spec))
		return NULL;
	return json_get(one, "hosts") || json_get(one, "routePrefix") ? NULL : &spec->services[0];
}

/* The rules of the file; those that the image of its only service has are left out. */
static void write_rules(struct json_out *out, const struct json *object, bool of_image)
{
	for (size_t i = 0; i < (of_image ? KEYS_TIDY : ARRAY_LEN(keys)); i++)
		if (json_get(object, keys[i]))
			json_out_value(out, keys[i], json_get(object, keys[i]));
}

static void write_service(struct json_out *out, const struct spec *spec,
			  const struct spec_service *service)
{
	bool files = is_static(service);

	json_out_object(out, service->name);
	json_out_bool(out, "files", files);
	if (service->value != spec->document)
		write_rules(out, service->value, files);
	json_out_end_object(out);
}

void site_write(const struct spec *spec, const char *key, struct json_out *out)
{
	const struct spec_service *one = only_one(spec);

	json_out_object(out, key);
	if (one && !site_has_rules(spec)) {
		json_out_string(out, "only", one->name);
		one = NULL;
	}
	if (json_get(spec->document, "hosts"))
		json_out_value(out, "hosts", json_get(spec->document, "hosts"));
	if (one)
		json_out_string(out, "otherwise", one->name);
	json_out_bool(out, "passes", !one && !site_leads(spec));
	write_rules(out, spec->document, one && is_static(one));
	json_out_object(out, "services");
	for (size_t i = 0; i < spec->count; i++)
		write_service(out, spec, &spec->services[i]);
	json_out_end_object(out);
	json_out_end_object(out);
}

/* ---- checking ---- */

static void say(void *self, bool warning, const char *path, const struct json *value,
		const char *what)
{
	struct report *report = self;
	char text[48];

	report_add(report, warning ? REPORT_UNSUPPORTED : REPORT_ERROR, "%s: %s %s", path,
		   report_value(value, text, sizeof(text)), what);
}

void site_check(struct spec *spec, struct report *report)
{
	const struct rules_listener listener = {.self = report, .say = say};
	struct json *document = NULL;
	struct json_out out;
	char why[256];

	if (!site_has_rules(spec))
		return;
	json_out_init(&out);
	site_write(spec, NULL, &out);
	if (out.failed ||
	    json_parse(out.text, out.length, DEPTH_MAX, &document, why, sizeof(why)) < 0)
		report_error(report, "rewrites, redirects and headers cannot be read again");
	else
		(void)rules_build(document, &listener, &spec->rules);
	json_free(document);
	json_out_fini(&out);
}

/* ---- where a path leads ---- */

static struct rules_slice no_header(void *self, struct rules_slice name, size_t n)
{
	(void)self;
	(void)name;
	(void)n;
	return (struct rules_slice){NULL, 0};
}

static const struct spec_service *named(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->count; i++)
		if (strcmp(spec->services[i].name, name) == 0)
			return &spec->services[i];
	return NULL;
}

const struct spec_service *site_owner(const struct spec *spec, const char *path, char *seen,
				      size_t size)
{
	struct rules_room *room = spec->rules ? rules_room_new() : NULL;
	const struct spec_service *found = NULL;
	const char *query = strchr(path, '?');
	size_t n = query ? (size_t)(query - path) : strlen(path);
	struct rules_request request = {.host = {"", 0}, .path = {path, n}, .header = no_header};
	struct rules_result result;

	*seen = '\0';
	if (!room)
		return NULL;
	request.query = query ? (struct rules_slice){query + 1, strlen(query + 1)}
			      : (struct rules_slice){"", 0};
	rules_apply(spec->rules, room, &request, &result);
	if (result.outcome == RULES_SERVICE && result.service != RULES_NONE)
		found = named(spec, spec->rules->services[result.service]);
	if (found && result.seen &&
	    text_format(seen, size, "%.*s", (int)result.to.size, result.to.at) < 0)
		found = NULL;
	rules_room_free(room);
	return found;
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/spec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/keys.h"

#define PATH_SIZE 160
#define DEPTH_MAX 32
#define HOSTS_MAX 4

/* What is being looked at. */
struct look {
	struct report *report;
	const char *path;
	const struct key *key;
	const struct json *value;
};

static void check_members(struct report *report, const char *path, const struct key *table,
			  const struct json *object);

/* The value as JSON, cut to what fits in a sentence. */
static const char *value_text(const struct json *value, char *buf, size_t size)
{
	struct json_out out;

	json_out_init(&out);
	json_out_value(&out, NULL, value);
	if (out.failed || !out.text)
		snprintf(buf, size, "it");
	else if (out.length >= size)
		snprintf(buf, size, "%.*s...", (int)size - 4, out.text);
	else
		snprintf(buf, size, "%s", out.text);
	json_out_fini(&out);
	return buf;
}

static void refuse(const struct look *l, const char *what)
{
	char value[48];

	report_error(l->report, "%s: %s %s", l->path, value_text(l->value, value, sizeof(value)),
		     what);
}

/* The bounds in the unit that the value has: "64..", "1..86400", "100ms..3600000ms", with words
 * "1.. or auto". */
static const char *allowed(const struct key *key, bool in_ms, char *buf, size_t size)
{
	int64_t unit = key->unit_ms && !in_ms ? key->unit_ms : 1;
	const char *suffix = in_ms ? "ms" : "";
	char most[32] = "";
	size_t used;

	if (key->max)
		snprintf(most, sizeof(most), "%" PRId64 "%s", key->max / unit, suffix);
	used = (size_t)snprintf(buf, size, "%" PRId64 "%s..%s", (key->min + unit - 1) / unit,
				suffix, most);
	if (key->words && used < size)
		snprintf(buf + used, size - used, " or %s", key->words);
	return buf;
}

static void check_range(const struct look *l, int64_t number, bool in_ms)
{
	char range[96], what[160];
	const char *wrong = NULL;

	if (number < l->key->min)
		wrong = "too small";
	else if (l->key->max && number > l->key->max)
		wrong = "too large";
	if (!wrong)
		return;
	snprintf(what, sizeof(what), "is %s (%s)", wrong,
		 allowed(l->key, in_ms, range, sizeof(range)));
	refuse(l, what);
}

static bool word_known(const char *words, const char *text)
{
	size_t size = text ? strlen(text) : 0;

	for (const char *at = words; at && size && (at = strstr(at, text)); at += size)
		if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
			return true;
	return false;
}

static void check_string(const struct look *l)
{
	if (!json_string(l->value))
		refuse(l, "is not a string");
	else if (!*json_string(l->value))
		refuse(l, "is empty");
}

static void check_prefix(const struct look *l)
{
	const char *text = json_string(l->value);
	size_t n = text ? strlen(text) : 0;

	if (!text || text[0] != '/')
		refuse(l, "is not a path (\"/\" or \"/name\")");
	else if (strlen(text) > 255)
		refuse(l, "is too long (..255 bytes)");
	else if (n > 1 && text[n - 1] == '/')
		refuse(l, "ends with a slash");
	else if (strpbrk(text, "?# %\\\"") || strstr(text, "//"))
		refuse(l, "holds // or one of ? # % \\ \" or a space");
}

static void check_int(const struct look *l)
{
	char range[96], what[160];
	int64_t number;

	if (json_int(l->value, &number) == 0) {
		check_range(l, number, false);
		return;
	}
	if (l->key->kind == KEY_INT_WORD && word_known(l->key->words, json_string(l->value)))
		return;
	snprintf(what, sizeof(what), "is not a whole number (%s)",
		 allowed(l->key, false, range, sizeof(range)));
	refuse(l, what);
}

static void check_bool(const struct look *l)
{
	if (json_kind(l->value) != JSON_BOOL)
		refuse(l, "is not true or false");
}

static void check_choice(const struct look *l)
{
	char what[160];

	if (word_known(l->key->words, json_string(l->value)))
		return;
	snprintf(what, sizeof(what), "is not one of: %s", l->key->words);
	refuse(l, what);
}

int spec_duration_ms(const char *text, int64_t *out_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	char digits[20];
	size_t n = strspn(text, "0123456789");
	uint64_t number;
	int r;

	if (n == 0 || n >= sizeof(digits))
		return n ? -ERANGE : -EINVAL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(text + n, units[i].unit) != 0)
			continue;
		r = text_parse_u64(digits, 0, INT64_MAX / units[i].ms, &number);
		if (r == 0)
			*out_ms = (int64_t)(number * units[i].ms);
		return r;
	}
	return -EINVAL;
}

static void check_duration(const struct look *l)
{
	const char *text = json_string(l->value);
	char what[160];
	int64_t number;

	if (word_known(l->key->words, text))
		return;
	if (text && spec_duration_ms(text, &number) == 0) {
		check_range(l, number, true);
		return;
	}
	if (json_int(l->value, &number) == 0) {
		if (__builtin_mul_overflow(number, l->key->unit_ms, &number))
			number = INT64_MAX;
		check_range(l, number, false);
		return;
	}
	snprintf(what, sizeof(what), "is not a duration (a number of %s, \"250ms\", \"2s\"%s%s)",
		 l->key->unit_ms == 1 ? "ms" : "seconds", l->key->words ? ", or " : "",
		 l->key->words ? l->key->words : "");
	refuse(l, what);
}

static void check_strings(const struct look *l)
{
	if (json_kind(l->value) != JSON_ARRAY) {
		refuse(l, "is not a list of strings");
		return;
	}
	for (size_t i = 0; i < json_count(l->value); i++) {
		char path[PATH_SIZE + 16];
		struct look one = {l->report, path, l->key, json_at(l->value, i)};

		snprintf(path, sizeof(path), "%s[%zu]", l->path, i);
		if (!json_string(one.value))
			refuse(&one, "is not a string");
	}
}

static void check_map(const struct look *l)
{
	if (json_kind(l->value) != JSON_OBJECT) {
		refuse(l, "is not an object of strings");
		return;
	}
	for (size_t i = 0; i < json_count(l->value); i++) {
		char path[PATH_SIZE + 80];
		const char *name = json_key_at(l->value, i);
		struct look one = {l->report, path, l->key, json_at(l->value, i)};

		snprintf(path, sizeof(path), "%s.%.64s", l->path, name);
		if (!*name || strchr(name, '='))
			report_error(l->report, "%s: not a name for a variable", path);
		if (!json_string(one.value))
			refuse(&one, "is not a string");
	}
}

static void check_object(const struct look *l)
{
	if (json_kind(l->value) == JSON_OBJECT)
		check_members(l->report, l->path, l->key->members, l->value);
	else
		refuse(l, "is not an object");
}

/* What no single key can say. */
static void check_service(struct report *report, const char *path, const struct json *service)
{
	const char *runtime = json_string(json_get(service, "runtime"));
	int64_t least, most;

	if (json_int(json_get(service, "minInstances"), &least) == 0 &&
	    json_int(json_get(service, "maxInstances"), &most) == 0 && least > most)
		report_error(report,
			     "%s.minInstances: %" PRId64 " is more than maxInstances (%" PRId64 ")",
			     path, least, most);
	if (runtime && strcmp(runtime, "container") == 0 && !json_get(service, "entrypoint"))
		report_error(report, "%s.entrypoint: missing (the image reference)", path);
	if (json_count(json_get(service, "hosts")) > HOSTS_MAX)
		report_error(report, "%s.hosts: %zu names are too many (..%d)", path,
			     json_count(json_get(service, "hosts")), HOSTS_MAX);
}

static void check_services(const struct look *l)
{
	if (json_kind(l->value) != JSON_OBJECT) {
		refuse(l, "is not an object of services");
		return;
	}
	for (size_t i = 0; i < json_count(l->value); i++) {
		char path[PATH_SIZE];
		const char *name = json_key_at(l->value, i);
		struct look one = {l->report, path, l->key, json_at(l->value, i)};

		snprintf(path, sizeof(path), "%s.%.80s", l->path, name);
		if (!text_is_label(name))
			report_error(l->report,
				     "%s: not a service name (a-z, 0-9 and - inside, ..63)", path);
		check_object(&one);
		check_service(l->report, path, one.value);
	}
}

static void check_value(const struct look *l)
{
	static void (*const checks[])(const struct look *) = {
		[KEY_STRING] = check_string,     [KEY_PREFIX] = check_prefix,
		[KEY_INT] = check_int,           [KEY_INT_WORD] = check_int,
		[KEY_BOOL] = check_bool,         [KEY_CHOICE] = check_choice,
		[KEY_DURATION] = check_duration, [KEY_STRINGS] = check_strings,
		[KEY_MAP] = check_map,           [KEY_OBJECT] = check_object,
		[KEY_SERVICES] = check_services, [KEY_ANY] = NULL,
	};

	if (l->key->use == KEY_IGNORED)
		report_warning(l->report, "%s: not supported, ignored (%s)", l->path, l->key->help);
	if (l->key->use == KEY_OLD)
		report_warning(l->report, "%s: the old name of %s", l->path, l->key->help);
	if (checks[l->key->kind])
		checks[l->key->kind](l);
}

static void check_members(struct report *report, const char *path, const struct key *table,
			  const struct json *object)
{
	for (size_t i = 0; i < json_count(object); i++) {
		const char *name = json_key_at(object, i);
		const struct key *key = key_find(table, name);
		const char *near = key ? NULL : key_nearest(table, name);
		char inner[PATH_SIZE];
		struct look l = {report, inner, key, json_at(object, i)};

		snprintf(inner, sizeof(inner), "%s%s%.64s", path, *path ? "." : "", name);
		if (key)
			check_value(&l);
		else
			report_warning(report, "%s: unknown key, ignored%s%s%s", inner,
				       near ? " (did you mean " : "", near ? near : "",
				       near ? "?)" : "");
	}
}

static void collect(struct spec *spec, struct report *report, const char *key)
{
	const struct json *services = json_get(spec->document, key);

	for (size_t i = 0; i < json_count(services); i++) {
		if (spec->count == SPEC_SERVICES_MAX) {
			report_error(report, "%s: too many services (..%d)", key,
				     SPEC_SERVICES_MAX);
			return;
		}
		spec->services[spec->count].name = json_key_at(services, i);
		spec->services[spec->count++].value = json_at(services, i);
	}
}

int spec_parse(const char *text, size_t size, struct report *report, struct spec **out)
{
	struct spec *spec = calloc(1, sizeof(*spec));
	char err[256];
	int r;

	if (!spec)
		return -ENOMEM;
	r = json_parse(text, size, DEPTH_MAX, &spec->document, err, sizeof(err));
	if (r < 0) {
		report_error(report, "%s", err);
	} else if (json_kind(spec->document) != JSON_OBJECT) {
		report_error(report, "not a JSON object");
	} else {
		check_members(report, "", keys_file, spec->document);
		if (report->errors == 0) {
			collect(spec, report, "services");
			collect(spec, report, "experimentalServices");
		}
		if (report->errors == 0 && spec->count == 0)
			report_error(report, "services: missing or empty");
	}
	if (report->errors) {
		spec_free(spec);
		return r == -ENOMEM ? r : -EINVAL;
	}
	*out = spec;
	return 0;
}

void spec_free(struct spec *spec)
{
	if (!spec)
		return;
	json_free(spec->document);
	free(spec);
}

const char *spec_string(const struct spec_service *service, const char *key)
{
	return json_string(json_get(service->value, key));
}

void spec_body(const struct spec_service *service, const char *image, struct json_out *out)
{
	json_out_object(out, NULL);
	json_out_string(out, "image", image);
	for (const struct key *key = keys_service; key->name; key++) {
		const struct json *value = json_get(service->value, key->name);

		if (value && key->use == KEY_SENT)
			json_out_value(out, key->name, value);
	}
	json_out_end_object(out);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/spec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/duration.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/keys.h"
#include "runtime/cli/spec_inside.h"

#define PATH_SIZE 160
#define DEPTH_MAX 32

/* The part that is being checked. */
struct look {
	struct report *report;
	const char *path;
	const struct setting *setting;
	const struct json *value;
};

static void check_members(struct report *report, const char *path, enum setting_place place,
			  const struct json *object);

static void refuse(const struct look *l, const char *what)
{
	char value[48];

	report_error(l->report, "%s: %s %s", l->path, report_value(l->value, value, sizeof(value)),
		     what);
}

/* The bounds in the unit of the value: "64..", "1..86400", "100ms..3600000ms"; with the word for
 * zero, if the setting has one: "1.. or auto". */
static const char *allowed(const struct setting *s, bool in_ms, char *buf, size_t size)
{
	int64_t unit = s->unit_ms && !in_ms ? s->unit_ms : 1;
	const char *suffix = in_ms ? "ms" : "";
	char most[32] = "";

	if (!s->open_ended)
		snprintf(most, sizeof(most), "%" PRId64 "%s", s->max / unit, suffix);
	snprintf(buf, size, "%" PRId64 "%s..%s%s%s", (s->min + unit - 1) / unit, suffix, most,
		 s->zero ? " or " : "", s->zero ? s->zero : "");
	return buf;
}

static void check_range(const struct look *l, int64_t number, bool in_ms)
{
	char range[96], what[160];
	const char *wrong = NULL;

	if (number < l->setting->min)
		wrong = "too small";
	else if (!l->setting->open_ended && number > l->setting->max)
		wrong = "too large";
	if (!wrong)
		return;
	snprintf(what, sizeof(what), "is %s (%s)", wrong,
		 allowed(l->setting, in_ms, range, sizeof(range)));
	refuse(l, what);
}

static bool is_zero_word(const struct look *l)
{
	const char *text = json_string(l->value);

	return text && l->setting->zero && strcmp(text, l->setting->zero) == 0;
}

static void check_choice(const struct look *l)
{
	char what[160], words[96];

	if (setting_word(l->setting, json_string(l->value)) >= 0 ||
	    (l->setting->or_object && json_kind(l->value) == JSON_OBJECT))
		return;
	snprintf(what, sizeof(what), "is not one of: %s%s",
		 setting_words(l->setting, words, sizeof(words)),
		 l->setting->or_object ? ", or an object" : "");
	refuse(l, what);
}

static void check_text(const struct look *l)
{
	if (l->setting->words[0])
		check_choice(l);
	else if (!json_string(l->value))
		refuse(l, "is not a string");
	else if (!*json_string(l->value))
		refuse(l, "is empty");
}

static void refuse_longer(const struct look *l)
{
	char what[48];

	snprintf(what, sizeof(what), "is too long (..%" PRId64 " bytes)", l->setting->max);
	refuse(l, what);
}

static void check_prefix(const struct look *l)
{
	const char *text = json_string(l->value);
	size_t n = text ? strlen(text) : 0;

	if (!text || text[0] != '/')
		refuse(l, "is not a path (\"/\" or \"/name\")");
	else if (n > (size_t)l->setting->max)
		refuse_longer(l);
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
	if (is_zero_word(l))
		return;
	snprintf(what, sizeof(what), "is not a whole number (%s)",
		 allowed(l->setting, false, range, sizeof(range)));
	refuse(l, what);
}

static void check_bool(const struct look *l)
{
	if (json_kind(l->value) != JSON_BOOL)
		refuse(l, "is not true or false");
}

static void check_duration(const struct look *l)
{
	const struct setting *s = l->setting;
	const char *text = json_string(l->value);
	char what[160];
	uint64_t ms;
	int64_t number;

	if (is_zero_word(l))
		return;
	if (text && duration_parse_ms(text, &ms) == 0) {
		check_range(l, (int64_t)ms, true);
		return;
	}
	if (json_int(l->value, &number) == 0) {
		if (__builtin_mul_overflow(number, s->unit_ms, &number))
			number = INT64_MAX;
		check_range(l, number, false);
		return;
	}
	snprintf(what, sizeof(what), "is not a duration (a number of %s, \"250ms\", \"2s\"%s%s)",
		 s->unit_ms == 1 ? "ms" : "seconds", s->zero ? ", or " : "",
		 s->zero ? s->zero : "");
	refuse(l, what);
}

/* A command may be one string. */
static bool is_command_line(const struct look *l)
{
	return l->setting && setting_id_of(l->setting) == SETTING_COMMAND &&
	       json_string(l->value) && *json_string(l->value);
}

static void check_strings(const struct look *l)
{
	if (is_command_line(l))
		return;
	if (json_kind(l->value) != JSON_ARRAY) {
		refuse(l, setting_id_of(l->setting) == SETTING_COMMAND
				  ? "is not a list of strings, or one string"
				  : "is not a list of strings");
		return;
	}
	for (size_t i = 0; i < json_count(l->value); i++) {
		char path[PATH_SIZE + 16];
		struct look one = {l->report, path, l->setting, json_at(l->value, i)};

		snprintf(path, sizeof(path), "%s[%zu]", l->path, i);
		if (!json_string(one.value))
			refuse(&one, "is not a string");
	}
}

/* {"secret": "NAME"} */
static bool is_reference(const struct json *value)
{
	return json_kind(value) == JSON_OBJECT && json_count(value) == 1 &&
	       json_string(json_get(value, "secret"));
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
		struct look one = {l->report, path, l->setting, json_at(l->value, i)};

		snprintf(path, sizeof(path), "%s.%.64s", l->path, name);
		if (!*name || strchr(name, '='))
			report_error(l->report, "%s: not a name for a variable", path);
		if (!json_string(one.value) && !is_reference(one.value))
			refuse(&one, "is neither a string nor {\"secret\": \"NAME\"}");
	}
}

static void check_named(const struct look *l)
{
	if (json_kind(l->value) != JSON_OBJECT) {
		refuse(l, "is not an object");
		return;
	}
	for (size_t i = 0; i < json_count(l->value); i++) {
		char path[PATH_SIZE + 80];
		struct look one = {l->report, path, l->setting, json_at(l->value, i)};

		snprintf(path, sizeof(path), "%s.%.60s", l->path, json_key_at(l->value, i));
		if (json_kind(one.value) != JSON_OBJECT)
			refuse(&one, "is not an object");
	}
}

static void check_objects(const struct look *l)
{
	if (json_kind(l->value) != JSON_ARRAY) {
		refuse(l, "is not a list of objects");
		return;
	}
	for (size_t i = 0; i < json_count(l->value); i++) {
		char path[PATH_SIZE + 16];
		struct look one = {l->report, path, l->setting, json_at(l->value, i)};

		snprintf(path, sizeof(path), "%s[%zu]", l->path, i);
		if (json_kind(one.value) != JSON_OBJECT)
			refuse(&one, "is not an object");
	}
}

static void check_object(const struct look *l)
{
	if (json_kind(l->value) == JSON_OBJECT)
		check_members(l->report, l->path, SETTING_OF_EBB, l->value);
	else
		refuse(l, "is not an object");
}

/* Checks rules that concern several keys of a service. */
static void check_service(struct report *report, const char *path, const struct json *service)
{
	const char *runtime = json_string(json_get(service, "runtime"));
	size_t hosts = json_count(json_get(service, "hosts"));
	int64_t least, most;

	if (json_int(json_get(service, "minInstances"), &least) == 0 &&
	    json_int(json_get(service, "maxInstances"), &most) == 0 && least > most)
		report_error(report,
			     "%s.minInstances: %" PRId64 " is more than maxInstances (%" PRId64 ")",
			     path, least, most);
	if (runtime && strcmp(runtime, "container") == 0 && !json_get(service, "entrypoint"))
		report_error(report, "%s.entrypoint: missing (the image reference)", path);
	if (runtime && strcmp(runtime, "static") != 0 && json_get(service, "outputDirectory"))
		report_unsupported(
			report,
			"%s.outputDirectory: not supported, ignored (only files have one: "
			"runtime static)",
			path);
	if (hosts > (size_t)setting_of(SETTING_HOSTS)->max)
		report_error(report, "%s.hosts: %zu names are too many (..%" PRId64 ")", path,
			     hosts, setting_of(SETTING_HOSTS)->max);
}

static void check_services(struct report *report, const char *key, const struct json *services)
{
	struct look whole = {report, key, NULL, services};

	if (json_kind(services) != JSON_OBJECT) {
		refuse(&whole, "is not an object of services");
		return;
	}
	for (size_t i = 0; i < json_count(services); i++) {
		char path[PATH_SIZE];
		const char *name = json_key_at(services, i);
		struct look one = {report, path, NULL, json_at(services, i)};

		snprintf(path, sizeof(path), "%.64s.%.80s", key, name);
		if (!text_is_label(name))
			report_error(report, "%s: not a service name (a-z, 0-9 and - inside, ..63)",
				     path);
		if (json_kind(one.value) == JSON_OBJECT)
			check_members(report, path, SETTING_OF_SERVICE, one.value);
		else
			refuse(&one, "is not an object");
		check_service(report, path, one.value);
	}
}

static void check_name(const struct look *l)
{
	const char *text = json_string(l->value);

	if (!text || !text_is_label(text))
		refuse(l, "is not a name of a site (a-z, 0-9 and - inside, ..63)");
}

static void check_value(const struct look *l);

static void check_setting(struct report *report, const char *path, const struct setting *setting,
			  const struct json *value)
{
	check_value(&(struct look){report, path, setting, value});
}

static bool spec_text(const struct json *value)
{
	return json_string(value) && *json_string(value);
}

/* A key with a meaning of its own, which is no setting. */
static void check_special(const struct look *l, enum key_use use)
{
	struct look mount = *l;

	if (use == KEY_FUNCTIONS)
		spec_check_functions(l->report, l->path, l->value, check_setting);
	else if (use == KEY_CRONS && strcmp(l->path, "crons") == 0)
		check_objects(l);
	else if (use == KEY_CRONS)
		check_named(l);
	else if (use == KEY_NAME)
		check_name(l);
	else if (use == KEY_HOSTS)
		check_strings(l);
	else if (use == KEY_OUTPUT && json_kind(l->value) != JSON_NULL && !spec_text(l->value))
		refuse(l, "is not a directory below the sources");
	spec_check_build(l->report, l->path, use, l->value);
	if (use != KEY_MOUNT)
		return;
	mount.setting = setting_of(SETTING_ROUTE_PREFIX);
	check_prefix(&mount);
}

static void check_value(const struct look *l)
{
	static void (*const checks[])(const struct look *) = {
		[SETTING_NUMBER] = check_int,    [SETTING_TIME] = check_duration,
		[SETTING_WORD] = check_choice,   [SETTING_BOOL] = check_bool,
		[SETTING_TEXT] = check_text,     [SETTING_PATH] = check_prefix,
		[SETTING_LIST] = check_strings,  [SETTING_MAP] = check_map,
		[SETTING_OBJECT] = check_object, [SETTING_OBJECTS] = check_objects,
		[SETTING_NAMED] = check_named,
	};

	checks[l->setting->kind](l);
}

/* Handles a key that is no setting: reports it by its row of keys.c or as unknown;
 * checks services. */
static void check_key(struct report *report, const char *path, enum setting_place place,
		      const char *name, const struct json *value)
{
	const struct key *key = key_find(place, name);
	const char *near = key ? NULL : key_nearest(place, name);

	if (!key)
		report_unsupported(report, "%s: unknown key, ignored%s%s%s", path,
				   near ? " (did you mean " : "", near ? near : "",
				   near ? "?)" : "");
	else if (key->use == KEY_IGNORED && json_kind(value) != JSON_NULL)
		report_unsupported(report, "%s: not supported, ignored (%s)", path, key->help);
	else if (key->use == KEY_OLD)
		report_warning(report, "%s: the old name of %s", path, key->help);
	if (key && (key->use == KEY_SERVICES || key->use == KEY_OLD))
		check_services(report, path, value);
	else if (key)
		check_special(&(struct look){report, path, NULL, value}, key->use);
}

/* Whether a file without services is one itself: it has some key of those that vercel.json has. */
static bool is_implied(const struct json *file)
{
	bool some = false;

	if (json_get(file, "services") || json_get(file, "experimentalServices"))
		return false;
	for (size_t i = 0; i < json_count(file); i++) {
		const char *name = json_key_at(file, i);

		some |= strcmp(name, "$schema") != 0 && key_find(SETTING_OF_FILE, name);
	}
	return some;
}

static void check_members(struct report *report, const char *path, enum setting_place place,
			  const struct json *object)
{
	for (size_t i = 0; i < json_count(object); i++) {
		const char *name = json_key_at(object, i);
		char inner[PATH_SIZE];
		struct look l = {report, inner, key_setting(place, name), json_at(object, i)};

		snprintf(inner, sizeof(inner), "%s%s%.64s", path, *path ? "." : "", name);
		if (place == SETTING_OF_FILE && is_implied(object) && !key_find(place, name))
			l.setting = key_setting(SETTING_OF_SERVICE, name);
		if (l.setting)
			check_value(&l);
		else
			check_key(report, inner, place, name, l.value);
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

/* The service of a file that names none. */
static void imply(struct spec *spec)
{
	spec->services[0] =
		(struct spec_service){.name = spec->name, .value = spec->document, .implied = true};
	spec->count = 1;
	(void)text_copy(spec->name, sizeof(spec->name), "site");
}

void spec_name(struct spec *spec, const char *directory)
{
	char label[SPEC_NAME_SIZE];
	size_t n = 0;

	if (json_string(json_get(spec->document, "name")))
		return;
	for (; *directory && n + 1 < sizeof(label); directory++) {
		char c = *directory >= 'A' && *directory <= 'Z' ? (char)(*directory | 32)
								: *directory;
		bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (letter || (n > 0 && label[n - 1] != '-'))
			label[n++] = letter ? c : '-';
	}
	while (n > 0 && label[n - 1] == '-')
		n--;
	label[n] = '\0';
	(void)text_copy(spec->name, sizeof(spec->name), text_is_label(label) ? label : "site");
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
		check_members(report, "", SETTING_OF_FILE, spec->document);
		if (report->said[REPORT_ERROR] == 0) {
			collect(spec, report, "services");
			collect(spec, report, "experimentalServices");
		}
		if (report->said[REPORT_ERROR] == 0 && is_implied(spec->document))
			imply(spec);
		if (report->said[REPORT_ERROR] == 0 && spec->count == 0)
			report_error(report, "services: missing or empty");
		if (report->said[REPORT_ERROR] == 0)
			spec_check_file(spec, report);
	}
	if (report->said[REPORT_ERROR]) {
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
	free(spec->rules);
	free(spec);
}

const char *spec_string(const struct spec_service *service, const char *key)
{
	return json_string(json_get(service->value, key));
}

const char *spec_flag(const struct spec_service *service, const char *key)
{
	const struct json *value = json_get(service->value, key);

	if (json_kind(value) != JSON_BOOL)
		return NULL;
	return json_is_true(value) ? "1" : "0";
}

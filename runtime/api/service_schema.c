// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/service_schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/schema_parts.h"
#include "runtime/base/duration.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/settings/settings.h"

/* The place of a setting, and its reader if it is more than a number or a word. */
struct field {
	size_t offset, size;
	const struct schema_part *part;
	bool required;
};

/* clang-format off */
#define AT(member) {.offset = offsetof(struct service_spec, member), \
		    .size = sizeof(((struct service_spec *)NULL)->member)}

static const struct field fields[SETTING_COUNT] = {
	[SETTING_IMAGE] = {.offset = offsetof(struct service_spec, image), .size = IMAGE_NAME_SIZE, .required = true},
	[SETTING_RUNTIME] = AT(runtime),
	[SETTING_MEMORY] = AT(memory_mb),
	[SETTING_MAX_DURATION] = AT(max_duration_ms),
	[SETTING_MAX_CONCURRENCY] = AT(concurrency_max),
	[SETTING_MIN_INSTANCES] = AT(instances_min),
	[SETTING_MAX_INSTANCES] = AT(instances_max),
	[SETTING_ROUTE_PREFIX] = {.part = &schema_prefix},
	[SETTING_HOSTS] = {.part = &schema_hosts},
	[SETTING_ENV] = {.part = &schema_env},
	[SETTING_BINDINGS] = {.part = &schema_bindings},
	[SETTING_CRONS] = {.part = &schema_crons},
	[SETTING_SCHEDULES] = {.part = &schema_schedules},
	[SETTING_TRIGGERS] = {.part = &schema_triggers},
	[SETTING_COMMAND] = {.part = &schema_command},
	[SETTING_USER] = AT(user),
	[SETTING_CAPABILITIES] = {.part = &schema_capabilities},
	[SETTING_FREEZE_AFTER] = AT(freeze_after_ms),
	[SETTING_TIMERS] = AT(timers),
	[SETTING_HIBERNATE] = AT(hibernate_ms),
	[SETTING_EGRESS] = {.part = &schema_egress},
	[SETTING_NETWORK] = AT(arrivals),
	[SETTING_INIT_TIMEOUT] = AT(init_timeout_ms),
	[SETTING_STOP_GRACE] = AT(stop_grace_ms),
	[SETTING_CPU] = AT(cpu_milli),
	[SETTING_PIDS] = AT(pids_max),
	[SETTING_SCRATCH] = AT(scratch_mb),
	[SETTING_PORT] = AT(port),
	[SETTING_IO_URING] = AT(io_uring),
	[SETTING_SECCOMP] = AT(seccomp),
	[SETTING_UPSTREAM] = AT(upstream),
	[SETTING_PRIVATE] = AT(is_private),
	[SETTING_MAX_BODY] = AT(body_kb_max),
	[SETTING_QUEUES] = {.part = &schema_queues},
};
/* clang-format on */

/* Members of our answers beside the settings, accepted so that an answer can be sent back. */
static const char *const answered[] = {
	"name", "revision", "digest", "created_at", "state", "error", "etag", "traffic", "warnings",
};

struct reading {
	struct service_spec *spec;
	const struct service_spec *before;
	struct problem_list *errors, *warnings;
	char path[96]; /* of the key at hand */
};

static const struct field *field_of(const struct setting *s)
{
	return &fields[setting_id_of(s)];
}

static uint32_t *number_of(const struct service_spec *spec, const struct setting *s)
{
	return (uint32_t *)(void *)((char *)(uintptr_t)spec + field_of(s)->offset);
}

static char *text_of(const struct service_spec *spec, const struct setting *s)
{
	return (char *)(uintptr_t)spec + field_of(s)->offset;
}

/* The next setting of a place that the API reads, behind this one; NULL at the end. */
static const struct setting *next_setting(enum setting_place place, const struct setting *s)
{
	for (int id = s ? setting_id_of(s) + 1 : SETTING_NONE + 1; id < SETTING_COUNT; id++) {
		s = setting_of((enum setting_id)id);
		if (s->place == place && s->reader != SETTING_FOR_CLI)
			return s;
	}
	return NULL;
}

/* Adds the fault that a value is of a wrong kind, with the kind and the words that are allowed. */
static void wrong_kind(struct reading *r, const struct setting *key, const struct json *value)
{
	char shown[80];
	const char *what =
		key->kind == SETTING_TIME ? "a time such as 10 or \"500ms\"" : "a whole number";

	schema_show(shown, sizeof(shown), value);
	problem_add(r->errors, r->path, "%s is not %s%s%s%s", shown, what,
		    key->zero ? " or \"" : "", key->zero ? key->zero : "", key->zero ? "\"" : "");
}

static void check_range(struct reading *r, const struct setting *key, const struct json *value,
			int64_t n)
{
	const char *unit = key->kind == SETTING_TIME ? "ms" : "";
	char shown[80];

	schema_show(shown, sizeof(shown), value);
	/* In the unit the user wrote, where the bound is a whole number of it. */
	if (key->kind == SETTING_TIME && json_kind(value) == JSON_INT && key->unit_ms > 1 &&
	    key->min % key->unit_ms == 0) {
		if (n < key->min)
			problem_add(r->errors, r->path, "%s is too small (%" PRId64 "..)", shown,
				    key->min / key->unit_ms);
		else if (n > key->max)
			problem_add(r->errors, r->path, "%s is too large (..%" PRId64 ")", shown,
				    key->max / key->unit_ms);
	} else if (n < key->min) {
		problem_add(r->errors, r->path, "%s is too small (%" PRId64 "%s..)", shown,
			    key->min, unit);
	} else if (n > key->max) {
		problem_add(r->errors, r->path, "%s is too large (..%" PRId64 "%s)", shown,
			    key->max, unit);
	}
	*number_of(r->spec, key) = (uint32_t)n;
}

static void read_number(struct reading *r, const struct setting *key, const struct json *value)
{
	const char *text = json_string(value);
	uint64_t ms;
	int64_t n;

	if (key->zero && text && strcmp(text, key->zero) == 0)
		return; /* the spec is zeroed */
	if (key->kind == SETTING_TIME && text && duration_parse_ms(text, &ms) == 0)
		n = (int64_t)ms;
	else if (json_int(value, &n) < 0) {
		wrong_kind(r, key, value);
		return;
	} else if (key->kind == SETTING_TIME && __builtin_mul_overflow(n, key->unit_ms, &n)) {
		n = INT64_MAX;
	}
	check_range(r, key, value, n);
}

static void read_word(struct reading *r, const struct setting *key, const struct json *value)
{
	int index = setting_word(key, json_string(value));
	char allowed[128] = "", shown[80];
	size_t used = 0;

	if (index >= 0) {
		*number_of(r->spec, key) = (uint32_t)index;
		return;
	}
	for (uint32_t i = 0; i < SETTING_WORDS_MAX && key->words[i]; i++)
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s\"%s\"",
					 i ? ", " : "", key->words[i]);
	schema_show(shown, sizeof(shown), value);
	problem_add(r->errors, r->path, "%s is not offered by this version (%s)", shown, allowed);
}

static void read_bool(struct reading *r, const struct setting *key, const struct json *value)
{
	char shown[80];

	schema_show(shown, sizeof(shown), value);
	if (json_kind(value) != JSON_BOOL)
		problem_add(r->errors, r->path, "%s is not true or false", shown);
	else
		*number_of(r->spec, key) = json_is_true(value);
}

static void read_text(struct reading *r, const struct setting *key, const struct json *value)
{
	const char *text = json_string(value);
	char shown[80];

	schema_show(shown, sizeof(shown), value);
	if (!text || (field_of(key)->required && !*text))
		problem_add(r->errors, r->path, "%s is not a name", shown);
	else if (text_copy(text_of(r->spec, key), field_of(key)->size, text) < 0)
		problem_add(r->errors, r->path, "%s is too long (..%zu bytes)", shown,
			    field_of(key)->size - 1);
}

static void read_settings(struct reading *r, enum setting_place place, const struct json *object,
			  const char *prefix);

static void read_object(struct reading *r, const struct setting *key, const struct json *value)
{
	char prefix[96];

	(void)text_format(prefix, sizeof(prefix), "%s.", key->name);
	if (json_kind(value) == JSON_OBJECT)
		read_settings(r, SETTING_OF_EBB, value, prefix);
	else
		problem_add(r->errors, r->path, "must be an object");
}

static void read_value(struct reading *r, const struct setting *key, const struct json *value)
{
	static void (*const readers[])(struct reading *, const struct setting *,
				       const struct json *) = {
		[SETTING_NUMBER] = read_number, [SETTING_TIME] = read_number,
		[SETTING_WORD] = read_word,     [SETTING_BOOL] = read_bool,
		[SETTING_TEXT] = read_text,     [SETTING_OBJECT] = read_object,
	};

	if (field_of(key)->part)
		field_of(key)->part->read(r->spec, r->before, value, r->path, r->errors);
	else
		readers[key->kind](r, key, value);
}

static void set_fallback(struct reading *r, const struct setting *key)
{
	if (field_of(key)->required)
		problem_add(r->errors, r->path, "is missing");
	else if (key->kind == SETTING_NUMBER || key->kind == SETTING_TIME)
		*number_of(r->spec, key) = (uint32_t)key->fallback;
	else if (key->kind == SETTING_OBJECT)
		read_settings(r, SETTING_OF_EBB, NULL, "");
}

static void warn_unknown(struct reading *r, enum setting_place place, const char *name,
			 const char *prefix)
{
	const struct setting *s = setting_find(place, name);
	char path[96];

	if (s && s->reader != SETTING_FOR_CLI)
		return;
	for (size_t i = 0; place == SETTING_OF_SERVICE && i < ARRAY_LEN(answered); i++)
		if (strcmp(answered[i], name) == 0)
			return;
	(void)text_format(path, sizeof(path), "%s%.60s", prefix, name);
	problem_add(r->warnings, path, "is not a known key; it is ignored");
}

/* null stands for "as if the key were absent". */
static void read_settings(struct reading *r, enum setting_place place, const struct json *object,
			  const char *prefix)
{
	const struct setting *key = NULL;

	while ((key = next_setting(place, key)) != NULL) {
		const struct json *value = json_get(object, key->name);

		(void)text_format(r->path, sizeof(r->path), "%s%s", prefix, key->name);
		if (json_kind(value) == JSON_NULL)
			set_fallback(r, key);
		else
			read_value(r, key, value);
	}
	for (size_t i = 0; i < json_count(object); i++)
		warn_unknown(r, place, json_key_at(object, i), prefix);
}

void service_spec_read(const struct json *document, const struct service_spec *before,
		       struct service_spec *out, struct problem_list *errors,
		       struct problem_list *warnings)
{
	struct reading r = {.spec = out, .before = before, .errors = errors, .warnings = warnings};

	memset(out, 0, sizeof(*out));
	if (json_kind(document) != JSON_OBJECT) {
		problem_add(errors, "service", "must be a JSON object");
		return;
	}
	read_settings(&r, SETTING_OF_SERVICE, document, "");
	if (errors->count == 0 && out->instances_min > out->instances_max)
		problem_add(errors, "minInstances", "%u is more than maxInstances (..%u)",
			    out->instances_min, out->instances_max);
}

static void write_number(struct json_out *o, const struct setting *key, uint32_t n)
{
	char text[24];

	if (n == 0 && key->zero) {
		json_out_string(o, key->name, key->zero);
	} else if (key->kind == SETTING_NUMBER || n % key->unit_ms == 0) {
		json_out_u64(o, key->name, key->kind == SETTING_NUMBER ? n : n / key->unit_ms);
	} else {
		snprintf(text, sizeof(text), "%ums", n);
		json_out_string(o, key->name, text);
	}
}

static void write_settings(struct json_out *o, enum setting_place place,
			   const struct service_spec *spec, enum spec_view view);

static void write_value(struct json_out *o, const struct setting *key,
			const struct service_spec *spec, enum spec_view view)
{
	if (field_of(key)->part) {
		field_of(key)->part->write(o, key->name, spec, view);
	} else if (key->kind == SETTING_WORD) {
		json_out_string(o, key->name, key->words[*number_of(spec, key)]);
	} else if (key->kind == SETTING_BOOL) {
		json_out_bool(o, key->name, *number_of(spec, key));
	} else if (key->kind == SETTING_OBJECT) {
		json_out_object(o, key->name);
		write_settings(o, SETTING_OF_EBB, spec, view);
		json_out_end_object(o);
	} else if (key->kind != SETTING_TEXT) {
		write_number(o, key, *number_of(spec, key));
	} else if (*text_of(spec, key)) {
		json_out_string(o, key->name, text_of(spec, key));
	}
}

static void write_settings(struct json_out *o, enum setting_place place,
			   const struct service_spec *spec, enum spec_view view)
{
	const struct setting *key = NULL;

	while ((key = next_setting(place, key)) != NULL)
		write_value(o, key, spec, view);
}

void service_spec_write(struct json_out *o, const struct service_spec *spec, enum spec_view view)
{
	write_settings(o, SETTING_OF_SERVICE, spec, view);
}

bool service_spec_same(const struct service_spec *a, const struct service_spec *b)
{
	const size_t from = offsetof(struct service_spec, bindings),
		     to = from + sizeof(a->bindings);

	for (uint32_t i = 0; i < BINDINGS_MAX; i++)
		if (strcmp(a->bindings[i].service, b->bindings[i].service) != 0 ||
		    strcmp(a->bindings[i].variable, b->bindings[i].variable) != 0)
			return false;
	return memcmp(a, b, from) == 0 &&
	       memcmp((const char *)a + to, (const char *)b + to, sizeof(*a) - to) == 0;
}

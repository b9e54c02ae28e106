// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/service_schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/schema_parts.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

enum key_kind {
	KEY_NUMBER,
	KEY_TIME, /* a number of `unit_ms`, or "250ms", "2s", "5m", "1h" */
	KEY_WORD,
	KEY_BOOL,
	KEY_TEXT,
	KEY_PART, /* read and written by functions of schema_parts.c */
	KEY_OBJECT,
	KEY_IGNORED, /* what an answer of ours holds, so that it can be sent back */
};

struct key {
	const char *name;
	enum key_kind kind;
	size_t offset, size;
	int64_t min, max, fallback; /* of a time: in ms */
	const char *zero;           /* the word for 0, or NULL */
	unsigned int unit_ms;
	const char *const *words; /* NULL-terminated */
	const struct schema_part *part;
	const struct key *keys; /* KEY_OBJECT; ends with a NULL name */
	bool required;
	const char *inert; /* why it has no effect in this version, or NULL */
};

#define AT(member) .offset = offsetof(struct service_spec, member)
#define TEXT(member) \
	.kind = KEY_TEXT, AT(member), .size = sizeof(((struct service_spec *)NULL)->member)
#define NUMBER(member, least, most, usual) \
	.kind = KEY_NUMBER, AT(member), .min = (least), .max = (most), .fallback = (usual)
#define TIME(member, unit, least, most, usual)                                          \
	.kind = KEY_TIME, AT(member), .unit_ms = (unit), .min = (least), .max = (most), \
	.fallback = (usual)

static const char *const timers_words[] = {"auto", "fire", "late", NULL};
static const char *const upstream_words[] = {"auto", "http1", "h2c", NULL};
static const char *const seccomp_words[] = {"default", "strict", NULL};
static const char *const egress_words[] = {"none", NULL};

static const struct key ebb_keys[] = {
	{"freezeAfter", TIME(freeze_after_ms, 1, 1, 3600000, 0), .zero = "auto"},
	{"timers", KEY_WORD, AT(timers), .words = timers_words},
	{"hibernate", TIME(hibernate_ms, 1, 100, 3600000, 0), .zero = "off"},
	{"egress", KEY_WORD, AT(egress), .words = egress_words},
	{"initTimeout", TIME(init_timeout_ms, 1000, 100, 600000, 10000)},
	{"stopGrace", TIME(stop_grace_ms, 1000, 0, 600000, 10000)},
	{"cpu", NUMBER(cpu_milli, 10, 1024000, 0), .zero = "auto"},
	{"pids", NUMBER(pids_max, 4, 65536, 512)},
	{"scratch", NUMBER(scratch_mb, 1, 65536, 64)},
	{"port", NUMBER(port, 1, 65535, 0), .zero = "auto"},
	{"ioUring", KEY_BOOL, AT(io_uring)},
	{"seccomp", KEY_WORD, AT(seccomp), .words = seccomp_words},
	{"upstream", KEY_WORD, AT(upstream), .words = upstream_words},
	{NULL},
};

static const struct key service_keys[] = {
	{"image", TEXT(image), .required = true},
	{"runtime", TEXT(runtime)},
	{"memory", NUMBER(memory_mb, 64, 1048576, 512)},
	{"maxDuration", TIME(max_duration_ms, 1000, 1000, 86400000, 300000)},
	{"maxConcurrency", NUMBER(concurrency_max, 1, 10000, 0), .zero = "auto"},
	{"minInstances", NUMBER(instances_min, 0, 1000, 0)},
	{"maxInstances", NUMBER(instances_max, 1, 1000, 10)},
	{"routePrefix", KEY_PART, .part = &schema_prefix},
	{"hosts", KEY_PART, .part = &schema_hosts},
	{"env", KEY_PART, .part = &schema_env},
	{"command", KEY_PART, .part = &schema_command},
	{"user", TEXT(user)},
	{"capabilities", KEY_PART, .part = &schema_capabilities},
	{"ebb", KEY_OBJECT, .keys = ebb_keys},
	{"name", KEY_IGNORED},
	{"revision", KEY_IGNORED},
	{"digest", KEY_IGNORED},
	{"created_at", KEY_IGNORED},
	{"state", KEY_IGNORED},
	{"error", KEY_IGNORED},
	{"etag", KEY_IGNORED},
	{"traffic", KEY_IGNORED},
	{"warnings", KEY_IGNORED},
	{NULL},
};

struct reading {
	struct service_spec *spec;
	const struct service_spec *before;
	struct problem_list *errors, *warnings;
	char path[96]; /* of the key at hand */
};

static uint32_t *number_of(const struct service_spec *spec, const struct key *key)
{
	return (uint32_t *)(void *)((char *)(uintptr_t)spec + key->offset);
}

static char *text_of(const struct service_spec *spec, const struct key *key)
{
	return (char *)(uintptr_t)spec + key->offset;
}

int duration_parse_ms(const char *text, uint64_t *out_ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	size_t digits = strspn(text, "0123456789");
	char number[16];
	uint64_t value;

	if (digits == 0 || digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(text + digits, units[i].name) != 0)
			continue;
		if (text_parse_u64(number, 0, INT64_MAX / units[i].ms, &value) < 0)
			return -EINVAL;
		*out_ms = value * units[i].ms;
		return 0;
	}
	return -EINVAL;
}

/* What may stand there: "a whole number", and the words for zero. */
static void wrong_kind(struct reading *r, const struct key *key, const struct json *value)
{
	char shown[80];
	const char *what =
		key->kind == KEY_TIME ? "a time such as 10 or \"500ms\"" : "a whole number";

	schema_show(shown, sizeof(shown), value);
	problem_add(r->errors, r->path, "%s is not %s%s%s%s", shown, what,
		    key->zero ? " or \"" : "", key->zero ? key->zero : "", key->zero ? "\"" : "");
}

static void check_range(struct reading *r, const struct key *key, const struct json *value,
			int64_t n)
{
	const char *unit = key->kind == KEY_TIME ? "ms" : "";
	char shown[80];

	schema_show(shown, sizeof(shown), value);
	/* In the unit the user wrote, where the bound is a whole number of it. */
	if (key->kind == KEY_TIME && json_kind(value) == JSON_INT && key->unit_ms > 1 &&
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

static void read_number(struct reading *r, const struct key *key, const struct json *value)
{
	const char *text = json_string(value);
	uint64_t ms;
	int64_t n;

	if (key->zero && text && strcmp(text, key->zero) == 0)
		return; /* the spec is zeroed */
	if (key->kind == KEY_TIME && text && duration_parse_ms(text, &ms) == 0)
		n = (int64_t)ms;
	else if (json_int(value, &n) < 0) {
		wrong_kind(r, key, value);
		return;
	} else if (key->kind == KEY_TIME && __builtin_mul_overflow(n, key->unit_ms, &n)) {
		n = INT64_MAX;
	}
	check_range(r, key, value, n);
}

static void read_word(struct reading *r, const struct key *key, const struct json *value)
{
	const char *text = json_string(value);
	char allowed[128] = "", shown[80];
	size_t used = 0;

	for (uint32_t i = 0; key->words[i]; i++) {
		if (text && strcmp(text, key->words[i]) == 0) {
			*number_of(r->spec, key) = i;
			return;
		}
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s\"%s\"",
					 i ? ", " : "", key->words[i]);
	}
	schema_show(shown, sizeof(shown), value);
	problem_add(r->errors, r->path, "%s is not offered by this version (%s)", shown, allowed);
}

static void read_bool(struct reading *r, const struct key *key, const struct json *value)
{
	char shown[80];

	schema_show(shown, sizeof(shown), value);
	if (json_kind(value) != JSON_BOOL)
		problem_add(r->errors, r->path, "%s is not true or false", shown);
	else
		*number_of(r->spec, key) = json_is_true(value);
}

static void read_text(struct reading *r, const struct key *key, const struct json *value)
{
	const char *text = json_string(value);
	char shown[80];

	schema_show(shown, sizeof(shown), value);
	if (!text || (key->required && !*text))
		problem_add(r->errors, r->path, "%s is not a name", shown);
	else if (text_copy(text_of(r->spec, key), key->size, text) < 0)
		problem_add(r->errors, r->path, "%s is too long (..%zu bytes)", shown,
			    key->size - 1);
}

static void read_keys(struct reading *r, const struct key *keys, const struct json *object,
		      const char *prefix);

static void read_value(struct reading *r, const struct key *key, const struct json *value)
{
	char prefix[96];

	if (key->inert)
		problem_add(r->warnings, r->path, "%s", key->inert);
	switch (key->kind) {
	case KEY_NUMBER:
	case KEY_TIME:
		read_number(r, key, value);
		break;
	case KEY_WORD:
		read_word(r, key, value);
		break;
	case KEY_BOOL:
		read_bool(r, key, value);
		break;
	case KEY_TEXT:
		read_text(r, key, value);
		break;
	case KEY_PART:
		key->part->read(r->spec, r->before, value, r->path, r->errors);
		break;
	case KEY_OBJECT:
		(void)text_format(prefix, sizeof(prefix), "%s.", key->name);
		if (json_kind(value) == JSON_OBJECT)
			read_keys(r, key->keys, value, prefix);
		else
			problem_add(r->errors, r->path, "must be an object");
		break;
	case KEY_IGNORED:
		break;
	}
}

static void set_fallback(struct reading *r, const struct key *key)
{
	if (key->required)
		problem_add(r->errors, r->path, "is missing");
	else if (key->kind == KEY_NUMBER || key->kind == KEY_TIME)
		*number_of(r->spec, key) = (uint32_t)key->fallback;
	else if (key->kind == KEY_OBJECT)
		read_keys(r, key->keys, NULL, "");
}

static void warn_unknown(struct reading *r, const struct key *keys, const char *name,
			 const char *prefix)
{
	char path[96];

	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return;
	(void)text_format(path, sizeof(path), "%s%.60s", prefix, name);
	problem_add(r->warnings, path, "is not a known key; it is ignored");
}

/* null stands for "as if the key were absent". */
static void read_keys(struct reading *r, const struct key *keys, const struct json *object,
		      const char *prefix)
{
	for (const struct key *key = keys; key->name; key++) {
		const struct json *value = json_get(object, key->name);

		(void)text_format(r->path, sizeof(r->path), "%s%s", prefix, key->name);
		if (json_kind(value) == JSON_NULL)
			set_fallback(r, key);
		else
			read_value(r, key, value);
	}
	for (size_t i = 0; i < json_count(object); i++)
		warn_unknown(r, keys, json_key_at(object, i), prefix);
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
	read_keys(&r, service_keys, document, "");
	if (errors->count == 0 && out->instances_min > out->instances_max)
		problem_add(errors, "minInstances", "%u is more than maxInstances (..%u)",
			    out->instances_min, out->instances_max);
}

static void write_number(struct json_out *o, const struct key *key, uint32_t n)
{
	char text[24];

	if (n == 0 && key->zero) {
		json_out_string(o, key->name, key->zero);
	} else if (key->kind == KEY_NUMBER || n % key->unit_ms == 0) {
		json_out_u64(o, key->name, key->kind == KEY_NUMBER ? n : n / key->unit_ms);
	} else {
		snprintf(text, sizeof(text), "%ums", n);
		json_out_string(o, key->name, text);
	}
}

static void write_keys(struct json_out *o, const struct key *keys, const struct service_spec *spec,
		       enum spec_view view)
{
	for (const struct key *key = keys; key->name; key++) {
		switch (key->kind) {
		case KEY_NUMBER:
		case KEY_TIME:
			write_number(o, key, *number_of(spec, key));
			break;
		case KEY_WORD:
			json_out_string(o, key->name, key->words[*number_of(spec, key)]);
			break;
		case KEY_BOOL:
			json_out_bool(o, key->name, *number_of(spec, key));
			break;
		case KEY_TEXT:
			if (*text_of(spec, key))
				json_out_string(o, key->name, text_of(spec, key));
			break;
		case KEY_PART:
			key->part->write(o, key->name, spec, view);
			break;
		case KEY_OBJECT:
			json_out_object(o, key->name);
			write_keys(o, key->keys, spec, view);
			json_out_end_object(o);
			break;
		case KEY_IGNORED:
			break;
		}
	}
}

void service_spec_write(struct json_out *o, const struct service_spec *spec, enum spec_view view)
{
	write_keys(o, service_keys, spec, view);
}

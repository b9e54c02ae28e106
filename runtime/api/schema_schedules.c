// SPDX-License-Identifier: Apache-2.0
/* crons: [{"path": "/api/daily", "schedule": "0 3 * * *"}], and schedules: the same by name, with
 * more to say. Whether this host knows the time zone is asked later (schedules.c). */
#include "runtime/api/schema_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cron/next.h"

#define JITTER_MINUTES_MAX 15
#define RETRIES_MAX        10
#define RETRIES_USUAL      3

_Static_assert(SCHEDULE_TEXT_SIZE == CRON_TEXT_SIZE, "an expression fits");
_Static_assert(SCHEDULE_ZONE_SIZE == ZONE_NAME_SIZE && SCHEDULE_ZONE_BYTES == ZONE_BYTES_MAX,
	       "a zone fits");

static const char *const methods[WIRE_RUN_METHOD_COUNT + 1] = {"GET", "POST"};
static const char *const overlaps[WIRE_OVERLAP_COUNT + 1] = {"allow", "skip", "queue"};
static const char *const missed_words[WIRE_MISSED_COUNT + 1] = {"once", "skip"};

/* The schedule that is being read, and its place in the document. */
struct reading {
	struct spec_schedule *to;
	const char *path;
	struct problem_list *errors;
};

static void refuse(const struct reading *r, const char *key, const struct json *value,
		   const char *allowed)
{
	char at[96], shown[80];

	(void)snprintf(at, sizeof(at), "%.80s.%s", r->path, key);
	schema_show(shown, sizeof(shown), value);
	problem_add(r->errors, at, "%s is not %s", shown, allowed);
}

static void read_expression(const struct reading *r, const struct json *value)
{
	const char *text = json_string(value);
	char at[96], why[CRON_WHY_SIZE], shown[80];
	struct cron cron;

	(void)snprintf(at, sizeof(at), "%.80s.schedule", r->path);
	schema_show(shown, sizeof(shown), value);
	if (!text)
		refuse(r, "schedule", value, "a cron expression such as \"0 3 * * *\"");
	else if (cron_parse(text, &cron, why) < 0)
		problem_add(r->errors, at, "%s %s", shown, why);
	else
		(void)text_copy(r->to->expression, sizeof(r->to->expression), text);
}

/* It stands in a request line as it is. */
static void read_path(const struct reading *r, const struct json *value)
{
	const char *text = json_string(value);

	if (!text || *text != '/' || !text_is_printable(text) || strpbrk(text, " #") ||
	    text_copy(r->to->path, sizeof(r->to->path), text) < 0)
		refuse(r, "path", value, "a path such as \"/api/daily\" (..255 bytes, no space)");
}

static bool is_topic(const char *text)
{
	return *text && strlen(text) < QUEUE_NAME_SIZE &&
	       !text[strspn(text,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")];
}

/* A run calls a path, or sends a message to a topic. */
static void read_target(const struct reading *r, const struct json *item)
{
	const struct json *topic = json_get(item, "topic");

	if (r->to->is_cron || json_kind(topic) == JSON_NULL) {
		read_path(r, json_get(item, "path"));
		return;
	}
	if (!json_string(topic) || !is_topic(json_string(topic)))
		refuse(r, "topic", topic, "a topic ([A-Za-z0-9_-], ..255)");
	else
		(void)text_copy(r->to->topic, sizeof(r->to->topic), json_string(topic));
	if (json_get(item, "path"))
		refuse(r, "path", json_get(item, "path"), "possible with a topic: one of both");
	if (json_get(item, "requestMethod"))
		refuse(r, "requestMethod", json_get(item, "requestMethod"),
		       "possible with a topic, to which messages go");
}

static void read_zone(const struct reading *r, const struct json *value)
{
	const char *text = json_string(value);

	if (json_kind(value) == JSON_NULL || (text && strcmp(text, "UTC") == 0))
		return;
	if (!text || !zone_name_valid(text) ||
	    text_copy(r->to->zone, sizeof(r->to->zone), text) < 0)
		refuse(r, "timezone", value, "a time zone such as \"Europe/Berlin\"");
}

static void read_word(const struct reading *r, const char *key, const struct json *value,
		      const char *const *words, uint32_t *out)
{
	const char *text = json_string(value);
	char allowed[64] = "one of";
	size_t used = strlen(allowed);

	if (json_kind(value) == JSON_NULL)
		return;
	for (uint32_t n = 0; text && words[n]; n++)
		if (strcmp(words[n], text) == 0) {
			*out = n;
			return;
		}
	for (uint32_t n = 0; words[n]; n++)
		used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s %s",
					 n ? "," : "", words[n]);
	refuse(r, key, value, allowed);
}

static void read_number(const struct reading *r, const char *key, const struct json *value,
			int64_t max, uint32_t *out)
{
	char allowed[48];
	int64_t n;

	if (json_kind(value) == JSON_NULL)
		return;
	(void)snprintf(allowed, sizeof(allowed), "a number (0..%" PRId64 ")", max);
	if (json_int(value, &n) < 0 || n < 0 || n > max)
		refuse(r, key, value, allowed);
	else
		*out = (uint32_t)n;
}

static bool is_known(const char *key, bool is_cron)
{
	static const char *const known[] = {"path",    "schedule", "timezone",
					    "jitter",  "topic",    "requestMethod",
					    "overlap", "missed",   "retries"};

	for (size_t i = 0; i < (is_cron ? 2 : ARRAY_LEN(known)); i++)
		if (strcmp(known[i], key) == 0)
			return true;
	return false;
}

static void look_at_keys(const struct reading *r, const struct json *item)
{
	bool is_cron = r->to->is_cron;

	for (size_t i = 0; i < json_count(item); i++) {
		char at[96];

		if (is_known(json_key_at(item, i), is_cron))
			continue;
		(void)snprintf(at, sizeof(at), "%.60s.%.30s", r->path, json_key_at(item, i));
		problem_add(r->errors, at, "is not offered (%s)",
			    is_cron ? "path, schedule; there is more in schedules"
				    : "schedule, path, topic, timezone, jitter, requestMethod, "
				      "overlap, "
				      "missed, retries");
	}
}

static void read_one(const struct reading *r, const struct json *item)
{
	uint32_t minutes = 0;

	if (json_kind(item) != JSON_OBJECT) {
		problem_add(r->errors, r->path, "must be an object with path and schedule");
		return;
	}
	look_at_keys(r, item);
	r->to->retries = RETRIES_USUAL;
	r->to->method = r->to->is_cron ? WIRE_RUN_GET : WIRE_RUN_POST;
	read_expression(r, json_get(item, "schedule"));
	read_target(r, item);
	if (r->to->is_cron)
		return;
	read_zone(r, json_get(item, "timezone"));
	read_number(r, "jitter", json_get(item, "jitter"), JITTER_MINUTES_MAX, &minutes);
	r->to->jitter_s = minutes * 60;
	read_word(r, "requestMethod", json_get(item, "requestMethod"), methods, &r->to->method);
	read_word(r, "overlap", json_get(item, "overlap"), overlaps, &r->to->overlap);
	read_word(r, "missed", json_get(item, "missed"), missed_words, &r->to->missed);
	read_number(r, "retries", json_get(item, "retries"), RETRIES_MAX, &r->to->retries);
}

static bool has_room(const struct service_spec *spec, const char *path, const struct json *value,
		     struct problem_list *errors)
{
	if (spec->schedule_count + json_count(value) <= SCHEDULES_MAX)
		return true;
	problem_add(errors, path, "%zu are too many, with crons and schedules together (..%d)",
		    json_count(value), SCHEDULES_MAX);
	return false;
}

static bool has_name(const struct service_spec *spec, const char *name)
{
	for (uint32_t i = 0; i < spec->schedule_count; i++)
		if (strcmp(spec->schedules[i].name, name) == 0)
			return true;
	return false;
}

/* A cron is named as its path; a second one of a path has its number behind it. */
static void name_cron(struct service_spec *spec, struct spec_schedule *s)
{
	uint32_t n = 1;

	(void)text_copy(s->name, sizeof(s->name), s->path);
	while (has_name(spec, s->name))
		(void)text_format(s->name, sizeof(s->name), "%.240s#%u", s->path, ++n);
}

static void read_crons(struct service_spec *spec, const struct service_spec *before,
		       const struct json *value, const char *path, struct problem_list *errors)
{
	(void)before;
	if (json_kind(value) != JSON_ARRAY) {
		problem_add(errors, path, "must be a list of objects with path and schedule");
		return;
	}
	if (!has_room(spec, path, value, errors))
		return;
	for (size_t i = 0; i < json_count(value); i++) {
		struct spec_schedule *s = &spec->schedules[spec->schedule_count];
		char at[96];
		struct reading r = {s, at, errors};

		(void)snprintf(at, sizeof(at), "%s[%zu]", path, i);
		s->is_cron = 1;
		read_one(&r, json_at(value, i));
		name_cron(spec, s);
		spec->schedule_count++;
	}
}

static void read_schedules(struct service_spec *spec, const struct service_spec *before,
			   const struct json *value, const char *path, struct problem_list *errors)
{
	(void)before;
	if (json_kind(value) != JSON_OBJECT) {
		problem_add(errors, path, "must be an object of schedules by name");
		return;
	}
	if (!has_room(spec, path, value, errors))
		return;
	for (size_t i = 0; i < json_count(value); i++) {
		struct spec_schedule *s = &spec->schedules[spec->schedule_count];
		const char *name = json_key_at(value, i);
		char at[96];
		struct reading r = {s, at, errors};

		(void)snprintf(at, sizeof(at), "%s.%.60s", path, name);
		if (!text_is_variable(name, strlen(name)) || strlen(name) >= SERVICE_NAME_SIZE) {
			problem_add(errors, path,
				    "\"%.60s\" is no name of a schedule (letters, "
				    "digits, _ . - and no digit first, ..63)",
				    name);
			continue;
		}
		(void)text_copy(s->name, sizeof(s->name), name);
		read_one(&r, json_at(value, i));
		spec->schedule_count++;
	}
}

static void write_crons(struct json_out *o, const char *key, const struct service_spec *spec,
			enum spec_view view)
{
	(void)view;
	json_out_array(o, key);
	for (uint32_t i = 0; i < spec->schedule_count; i++) {
		const struct spec_schedule *s = &spec->schedules[i];

		if (!s->is_cron)
			continue;
		json_out_object(o, NULL);
		json_out_string(o, "path", s->path);
		json_out_string(o, "schedule", s->expression);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

static void write_schedules(struct json_out *o, const char *key, const struct service_spec *spec,
			    enum spec_view view)
{
	(void)view;
	json_out_object(o, key);
	for (uint32_t i = 0; i < spec->schedule_count; i++) {
		const struct spec_schedule *s = &spec->schedules[i];

		if (s->is_cron)
			continue;
		json_out_object(o, s->name);
		json_out_string(o, "schedule", s->expression);
		json_out_string(o, "timezone", *s->zone ? s->zone : "UTC");
		if (*s->topic) {
			json_out_string(o, "topic", s->topic);
		} else {
			json_out_string(o, "path", s->path);
			json_out_string(o, "requestMethod", methods[s->method]);
		}
		json_out_u64(o, "jitter", s->jitter_s / 60);
		json_out_string(o, "overlap", overlaps[s->overlap]);
		json_out_string(o, "missed", missed_words[s->missed]);
		json_out_u64(o, "retries", s->retries);
		json_out_end_object(o);
	}
	json_out_end_object(o);
}

const struct schema_part schema_crons = {read_crons, write_crons};
const struct schema_part schema_schedules = {read_schedules, write_schedules};

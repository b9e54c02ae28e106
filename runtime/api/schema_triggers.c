// SPDX-License-Identifier: Apache-2.0
/* experimentalTriggers: [{"type": "queue/v2beta", "topic": "orders", "path": "/api/orders"}], and
 * ebb.queues, the namespace of the topics. */
#include "runtime/api/schema_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/settings/consumer.h"

#define DELIVERIES_MOST 1000
#define RETRY_MOST_S    86400
#define DELAY_MOST_S    604800
#define AT_ONCE_MOST    256

/* The trigger that is being read, and its place in the document. */
struct reading {
	struct spec_trigger *to;
	const char *path;
	struct problem_list *errors;
};

static void refuse(const struct reading *r, const char *key, const struct json *value,
		   const char *allowed)
{
	char at[96], shown[80];

	(void)snprintf(at, sizeof(at), "%.60s.%.30s", r->path, key);
	schema_show(shown, sizeof(shown), value);
	problem_add(r->errors, at, "%s is not %s", shown, allowed);
}

static bool is_name(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-",
			    text[i]))
			return false;
	return size > 0 && size < QUEUE_NAME_SIZE;
}

static void read_type(const struct reading *r, const struct json *value)
{
	const char *text = json_string(value);

	if (!text || strncmp(text, "queue/", 6) != 0)
		refuse(r, "type", value, "\"queue/v2beta\", the one type of a trigger");
}

/* One "*" may stand at the end. */
static void read_topic(const struct reading *r, const struct json *value)
{
	const char *text = json_string(value);
	size_t n = text ? strlen(text) : 0;
	size_t plain = n > 1 && text[n - 1] == '*' ? n - 1 : n;

	if (!text || !is_name(text, plain) || n >= QUEUE_NAME_SIZE)
		refuse(r, "topic", value,
		       "a topic ([A-Za-z0-9_-], ..255), or the beginning of some: \"user-*\"");
	else
		(void)text_copy(r->to->topic, sizeof(r->to->topic), text);
}

static void read_path(const struct reading *r, const struct json *value)
{
	const char *text = json_string(value);

	if (!text || *text != '/' || !text_is_printable(text) || strpbrk(text, " #?") ||
	    text_copy(r->to->path, sizeof(r->to->path), text) < 0)
		refuse(r, "path", value,
		       "a path such as \"/api/orders\" (..255 bytes, no space, no query)");
}

static void read_consumer(const struct reading *r, const struct json *value)
{
	const char *text = json_string(value);

	if (json_kind(value) == JSON_NULL) {
		if (*r->to->path)
			consumer_name(r->to->path + 1, r->to->consumer, sizeof(r->to->consumer));
	} else if (!text || !is_name(text, strlen(text))) {
		refuse(r, "consumer", value, "the name of a consumer ([A-Za-z0-9_-], ..255)");
	} else {
		(void)text_copy(r->to->consumer, sizeof(r->to->consumer), text);
	}
}

static void read_number(const struct reading *r, const char *key, const struct json *value,
			int64_t min, int64_t max, uint32_t *out)
{
	char allowed[64];
	int64_t n;

	if (json_kind(value) == JSON_NULL)
		return;
	(void)snprintf(allowed, sizeof(allowed), "a number (%" PRId64 "..%" PRId64 ")", min, max);
	if (json_int(value, &n) < 0 || n < min || n > max)
		refuse(r, key, value, allowed);
	else
		*out = (uint32_t)n;
}

static void look_at_keys(const struct reading *r, const struct json *item)
{
	static const char *const known[] = {"type",           "topic",
					    "path",           "consumer",
					    "maxDeliveries",  "retryAfterSeconds",
					    "maxConcurrency", "initialDelaySeconds"};

	for (size_t i = 0; i < json_count(item); i++) {
		bool found = false;
		char at[96];

		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			found |= strcmp(json_key_at(item, i), known[k]) == 0;
		if (found)
			continue;
		(void)snprintf(at, sizeof(at), "%.60s.%.30s", r->path, json_key_at(item, i));
		problem_add(r->errors, at,
			    "is not offered (type, topic, path, consumer, maxDeliveries, "
			    "retryAfterSeconds, initialDelaySeconds, maxConcurrency)");
	}
}

static void read_one(const struct reading *r, const struct json *item)
{
	struct spec_trigger *t = r->to;

	if (json_kind(item) != JSON_OBJECT) {
		problem_add(r->errors, r->path, "must be an object with type, topic and path");
		return;
	}
	t->deliveries_max = 10;
	t->retry_after_s = 60;
	t->concurrency_max = 10;
	look_at_keys(r, item);
	read_type(r, json_get(item, "type"));
	read_topic(r, json_get(item, "topic"));
	read_path(r, json_get(item, "path"));
	read_consumer(r, json_get(item, "consumer"));
	read_number(r, "maxDeliveries", json_get(item, "maxDeliveries"), 1, DELIVERIES_MOST,
		    &t->deliveries_max);
	read_number(r, "retryAfterSeconds", json_get(item, "retryAfterSeconds"), 0, RETRY_MOST_S,
		    &t->retry_after_s);
	read_number(r, "initialDelaySeconds", json_get(item, "initialDelaySeconds"), 0,
		    DELAY_MOST_S, &t->initial_delay_s);
	read_number(r, "maxConcurrency", json_get(item, "maxConcurrency"), 1, AT_ONCE_MOST,
		    &t->concurrency_max);
}

static bool is_twice(const struct service_spec *spec, const struct spec_trigger *t)
{
	for (uint32_t i = 0; i < spec->trigger_count; i++)
		if (strcmp(spec->triggers[i].topic, t->topic) == 0 &&
		    strcmp(spec->triggers[i].consumer, t->consumer) == 0)
			return true;
	return false;
}

static void read_triggers(struct service_spec *spec, const struct service_spec *before,
			  const struct json *value, const char *path, struct problem_list *errors)
{
	(void)before;
	if (json_kind(value) != JSON_ARRAY) {
		problem_add(errors, path, "must be a list of objects with type, topic and path");
		return;
	}
	if (json_count(value) > TRIGGERS_MAX) {
		problem_add(errors, path, "%zu triggers are too many (..%d)", json_count(value),
			    TRIGGERS_MAX);
		return;
	}
	for (size_t i = 0; i < json_count(value); i++) {
		struct spec_trigger *t = &spec->triggers[spec->trigger_count];
		char at[96];
		struct reading r = {t, at, errors};

		(void)snprintf(at, sizeof(at), "%.60s[%zu]", path, i);
		read_one(&r, json_at(value, i));
		if (is_twice(spec, t))
			problem_add(
				errors, at,
				"is there twice: a consumer gets a topic once; give the second a "
				"consumer of its own");
		spec->trigger_count++;
	}
}

static void write_triggers(struct json_out *o, const char *key, const struct service_spec *spec,
			   enum spec_view view)
{
	(void)view;
	json_out_array(o, key);
	for (uint32_t i = 0; i < spec->trigger_count; i++) {
		const struct spec_trigger *t = &spec->triggers[i];

		json_out_object(o, NULL);
		json_out_string(o, "type", "queue/v2beta");
		json_out_string(o, "topic", t->topic);
		json_out_string(o, "path", t->path);
		json_out_string(o, "consumer", t->consumer);
		json_out_u64(o, "maxDeliveries", t->deliveries_max);
		json_out_u64(o, "retryAfterSeconds", t->retry_after_s);
		json_out_u64(o, "initialDelaySeconds", t->initial_delay_s);
		json_out_u64(o, "maxConcurrency", t->concurrency_max);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

static void read_queues(struct service_spec *spec, const struct service_spec *before,
			const struct json *value, const char *path, struct problem_list *errors)
{
	const char *text = json_string(value);
	char shown[80];

	(void)before;
	schema_show(shown, sizeof(shown), value);
	if (!text || (*text && !text_is_label(text)))
		problem_add(
			errors, path,
			"%s is no name of a namespace ([a-z0-9-], ..63): services that name the "
			"same one have the same topics",
			shown);
	else
		(void)text_copy(spec->queues, sizeof(spec->queues), text);
}

static void write_queues(struct json_out *o, const char *key, const struct service_spec *spec,
			 enum spec_view view)
{
	(void)view;
	if (*spec->queues)
		json_out_string(o, key, spec->queues);
}

const struct schema_part schema_triggers = {read_triggers, write_triggers};
const struct schema_part schema_queues = {read_queues, write_queues};

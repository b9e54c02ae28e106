// SPDX-License-Identifier: Apache-2.0
/* experimentalTriggers of functions, as vercel.json has them: {"api/bill.js":
 * {"experimentalTriggers": [{"type": "queue/v2beta", "topic": "orders"}]}}. A trigger of a service
 * has a path, and this one gets that of its file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/spec_inside.h"
#include "runtime/settings/consumer.h"

#define KEY       "experimentalTriggers"
#define PATH_SIZE 256 /* of a path, as the API takes it */
#define NAME_SIZE 256 /* of a consumer */

#define FLOW_AGAIN_S    5
#define FLOW_DELIVERIES 64
#define FLOW_AT_ONCE    100

/* Directories whose files have paths, and whether these begin with the name of the directory. */
static const struct {
	const char *name;
	bool stays;
} routed[] = {{"api/", true}, {"pages/", false}, {"app/", false}};

/* The segments of a file's path that are seen: no group of Next.js, and no "index" or "route" at
 * the end. */
static int add_segment(const char *from, size_t size, bool last, char *out, size_t room)
{
	size_t used = strlen(out);

	if (last)
		for (size_t n = size; n-- > 1;)
			if (from[n] == '.') {
				size = n;
				break;
			}
	if (last && ((size == 5 && memcmp(from, "index", 5) == 0) ||
		     (size == 5 && memcmp(from, "route", 5) == 0)))
		return 0;
	if (size > 1 && from[0] == '(' && from[size - 1] == ')')
		return 0;
	return text_format(out + used, room - used, "/%.*s", (int)size, from);
}

/* The path that serves a file. -EINVAL: it cannot be told. */
static int path_of(const char *file, char *out, size_t size)
{
	const char *at = file;
	int r = -EINVAL;

	at += strncmp(at, "./", 2) == 0 ? 2 : 0;
	at += strncmp(at, "src/", 4) == 0 ? 4 : 0;
	for (size_t i = 0; r < 0 && i < sizeof(routed) / sizeof(routed[0]); i++)
		if (strncmp(at, routed[i].name, strlen(routed[i].name)) == 0) {
			at += routed[i].stays ? 0 : strlen(routed[i].name);
			r = 0;
		}
	if (strpbrk(at, "*?[]{}! "))
		return -EINVAL;
	*out = '\0';
	while (r == 0 && *at) {
		size_t n = strcspn(at, "/");

		r = n > 0 ? add_segment(at, n, !at[n], out, size) : 0;
		at += n + (at[n] ? 1 : 0);
	}
	return r == 0 && *out ? 0 : -EINVAL;
}

void spec_check_triggers(const char *file, const struct json *triggers, const char *path,
			 struct report *report)
{
	char unused[PATH_SIZE];

	for (size_t i = 0; i < json_count(triggers); i++)
		if (!json_get(json_at(triggers, i), "path") &&
		    path_of(file, unused, sizeof(unused)) < 0)
			report_error(report,
				     "%s[%zu]: the path of %.60s cannot be told (of api/NAME, "
				     "pages/NAME and app/NAME/route it can): give the trigger a "
				     "\"path\" where the service takes its messages",
				     path, i, file);
}

static void write_one(const struct spec_service *service, const char *file,
		      const struct json *trigger, struct json_out *out)
{
	char path[PATH_SIZE], consumer[NAME_SIZE], of[NAME_SIZE + 64];

	json_out_object(out, NULL);
	for (size_t i = 0; i < json_count(trigger); i++)
		json_out_value(out, json_key_at(trigger, i), json_at(trigger, i));
	if (!json_get(trigger, "path") && path_of(file, path, sizeof(path)) == 0)
		json_out_string(out, "path", path);
	(void)snprintf(of, sizeof(of), "%s%s%s", service->implied ? "" : service->name,
		       service->implied ? "" : "~", file);
	consumer_name(of, consumer, sizeof(consumer));
	if (!json_get(trigger, "consumer"))
		json_out_string(out, "consumer", consumer);
	json_out_end_object(out);
}

/* Routes that the Workflow SDK makes in an application, and the topics of its World
 * (images/runtimes/node/world), of which each service has its own. The SDK itself gives a message
 * up behind 48 deliveries. */
static const struct {
	const char *topic, *path;
} flows[] = {{"__wkf_workflow_", "/.well-known/workflow/v1/flow"},
	     {"__wkf_step_", "/.well-known/workflow/v1/step"}};

/* Whether the file has a trigger of that path. */
static bool has_path(const struct json *triggers, const char *path)
{
	for (size_t i = 0; i < json_count(triggers); i++) {
		const char *own = json_string(json_get(json_at(triggers, i), "path"));

		if (own && strcmp(own, path) == 0)
			return true;
	}
	return false;
}

static void write_workflows(const struct spec_service *service, struct json_out *out)
{
	for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
		char topic[NAME_SIZE];

		if (has_path(json_get(service->value, KEY), flows[i].path))
			continue;
		(void)snprintf(topic, sizeof(topic), "%s%s", flows[i].topic, service->name);
		json_out_object(out, NULL);
		json_out_string(out, "type", "queue/v2beta");
		json_out_string(out, "topic", topic);
		json_out_string(out, "path", flows[i].path);
		json_out_u64(out, "retryAfterSeconds", FLOW_AGAIN_S);
		json_out_u64(out, "maxDeliveries", FLOW_DELIVERIES);
		json_out_u64(out, "maxConcurrency", FLOW_AT_ONCE);
		json_out_end_object(out);
	}
}

void spec_write_triggers(const struct spec_service *service, struct json_out *out)
{
	const struct json *own = json_get(service->value, KEY);
	const struct json *functions = json_get(service->value, "functions");
	bool some = json_kind(own) == JSON_ARRAY || service->workflows;

	for (size_t i = 0; i < json_count(functions); i++)
		some |= json_count(json_get(json_at(functions, i), KEY)) > 0;
	if (!some)
		return;
	json_out_array(out, KEY);
	for (size_t i = 0; i < json_count(own); i++)
		json_out_value(out, NULL, json_at(own, i));
	for (size_t i = 0; i < json_count(functions); i++) {
		const struct json *triggers = json_get(json_at(functions, i), KEY);

		for (size_t n = 0; n < json_count(triggers); n++)
			write_one(service, json_key_at(functions, i), json_at(triggers, n), out);
	}
	if (service->workflows)
		write_workflows(service, out);
	json_out_end_array(out);
}

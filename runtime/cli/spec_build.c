// SPDX-License-Identifier: Apache-2.0
/* Keys that concern builds and deployments: commands, framework, build, skewProtection. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/duration.h"
#include "runtime/base/mem.h"
#include "runtime/cli/framework.h"
#include "runtime/cli/keys.h"
#include "runtime/cli/spec_inside.h"

#define AGE_SECONDS_MAX (30 * 86400) /* as the API has it */

static void refuse(struct report *report, const char *path, const struct json *value,
		   const char *what)
{
	char text[48];

	report_error(report, "%s: %s %s", path, report_value(value, text, sizeof(text)), what);
}

static void check_framework(struct report *report, const char *path, const struct json *value)
{
	const char *name = json_string(value);

	if (!name)
		refuse(report, path, value, "is not a string");
	else if (!framework_find(name))
		report_unsupported(
			report,
			"%s: \"%.40s\" is not known, ignored (the runtime is guessed from "
			"the files; runtime, entrypoint and outputDirectory say it)",
			path, name);
}

/* {"env": {"NAME": "text"}} */
static void check_build(struct report *report, const char *path, const struct json *value)
{
	const struct json *env = json_get(value, "env");

	if (json_kind(value) != JSON_OBJECT) {
		refuse(report, path, value, "is not an object");
		return;
	}
	for (size_t i = 0; i < json_count(value); i++)
		if (json_at(value, i) != env)
			report_unsupported(report,
					   "%s.%.40s: not supported, ignored (builds have env)",
					   path, json_key_at(value, i));
	if (env && json_kind(env) != JSON_OBJECT)
		refuse(report, "build.env", env, "is not an object of strings");
	for (size_t i = 0; i < json_count(env); i++) {
		char inner[96];

		snprintf(inner, sizeof(inner), "build.env.%.64s", json_key_at(env, i));
		if (!json_string(json_at(env, i)))
			refuse(report, inner, json_at(env, i), "is not a string");
	}
}

/* Reads skewProtection. 0 or -EINVAL. */
int spec_age(const struct json *value, int64_t *out_seconds)
{
	const char *text = json_string(value);
	int64_t seconds;
	uint64_t ms;

	if (text && duration_parse_ms(text, &ms) == 0)
		seconds = (int64_t)(ms / 1000);
	else if (json_int(value, &seconds) < 0)
		return -EINVAL;
	if (seconds < 0 || seconds > AGE_SECONDS_MAX)
		return -EINVAL;
	*out_seconds = seconds;
	return 0;
}

void spec_check_build(struct report *report, const char *path, int use, const struct json *value)
{
	int64_t seconds;

	if (json_kind(value) == JSON_NULL)
		return;
	if (use == KEY_COMMAND && !json_string(value))
		refuse(report, path, value, "is not a line for the shell (a string)");
	else if (use == KEY_FRAMEWORK)
		check_framework(report, path, value);
	else if (use == KEY_BUILD)
		check_build(report, path, value);
	else if (use == KEY_AGE && spec_age(value, &seconds) < 0)
		refuse(report, path, value,
		       "is not a number of seconds (0..2592000) or a duration (\"12h\", \"7d\")");
}

/* A file that names services has none of its own to build. */
void spec_check_commands(const struct spec *spec, struct report *report)
{
	static const char *const of_services[] = {"buildCommand", "installCommand",
						  "outputDirectory"};

	if (spec->count == 0 || spec->services[0].implied)
		return;
	for (size_t i = 0; i < ARRAY_LEN(of_services); i++) {
		const struct json *value = json_get(spec->document, of_services[i]);

		if (value && json_kind(value) != JSON_NULL)
			report_unsupported(report,
					   "%s: not supported, ignored (say it of a service)",
					   of_services[i]);
	}
	for (size_t i = 0; i < spec->count; i++) {
		const struct spec_service *one = &spec->services[i];
		const char *runtime = json_string(json_get(one->value, "runtime"));

		if (runtime && strcmp(runtime, "container") == 0 &&
		    json_string(json_get(one->value, "buildCommand")))
			report_unsupported(
				report,
				"services.%s.buildCommand: not supported, ignored (an image "
				"and a Dockerfile have steps of their own)",
				one->name);
	}
}

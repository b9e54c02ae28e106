// SPDX-License-Identifier: Apache-2.0
/* deploy: a file of services, or one service out of options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/deploy.h"
#include "runtime/cli/text_out.h"

/* Options that become a key of ebb.json, so that both ways are checked by the same table. */
static const struct flag_key {
	const char *option, *key;
	bool number; /* a whole number becomes one; other words stay strings, to be judged there */
} flag_keys[] = {
	{"image", "entrypoint", false},        {"memory", "memory", true},
	{"max-duration", "maxDuration", true}, {"concurrency", "maxConcurrency", true},
	{"min", "minInstances", true},         {"max", "maxInstances", true},
	{"prefix", "routePrefix", false},
};

static void write_flag(const struct call *call, const struct flag_key *flag, struct json_out *out)
{
	const char *value = args_value(&call->args, flag->option);
	uint64_t number;

	if (!value)
		return;
	if (flag->number && text_parse_u64(value, 0, INT64_MAX, &number) == 0)
		json_out_u64(out, flag->key, number);
	else
		json_out_string(out, flag->key, value);
}

/* "K=V", or "K" for the caller's own value of it. */
static int write_env(const struct call *call, struct json_out *out)
{
	const char *pair;

	json_out_object(out, "env");
	for (size_t i = 0; (pair = args_nth(&call->args, "env", i)); i++) {
		const char *equals = strchr(pair, '=');
		size_t n = equals ? (size_t)(equals - pair) : strlen(pair);
		char name[256];

		if (text_format(name, sizeof(name), "%.*s", (int)n, pair) < 0 || n == 0 ||
		    (!equals && !getenv(name))) {
			say_error("it is neither NAME=VALUE nor a variable that is set", NULL,
				  "cannot use --env %s", pair);
			return CLI_USAGE;
		}
		json_out_string(out, name, equals ? equals + 1 : getenv(name));
	}
	json_out_end_object(out);
	return CLI_DONE;
}

static void write_hosts(const struct call *call, struct json_out *out)
{
	const char *host;

	json_out_array(out, "hosts");
	for (size_t i = 0; (host = args_nth(&call->args, "host", i)); i++)
		json_out_string(out, NULL, host);
	json_out_end_array(out);
}

static void write_own(const struct call *call, struct json_out *out)
{
	json_out_object(out, "ebb");
	json_out_string(out, "egress", args_value(&call->args, "egress"));
	json_out_end_object(out);
}

static int write_file(const struct call *call, const char *name, struct json_out *out)
{
	int r = CLI_DONE;

	json_out_object(out, NULL);
	json_out_object(out, "services");
	json_out_object(out, name);
	json_out_string(out, "runtime", "container");
	for (size_t i = 0; i < ARRAY_LEN(flag_keys); i++)
		write_flag(call, &flag_keys[i], out);
	if (args_given(&call->args, "env"))
		r = write_env(call, out);
	if (args_given(&call->args, "host"))
		write_hosts(call, out);
	if (args_given(&call->args, "egress"))
		write_own(call, out);
	json_out_end_object(out);
	json_out_end_object(out);
	json_out_end_object(out);
	return r;
}

static int from_options(const struct call *call, const char *name, struct deployment *out)
{
	struct json_out file;
	int r;

	if (!args_given(&call->args, "image")) {
		say_error("no image is named", "ebb deploy NAME --image IMG, or ebb deploy -f FILE",
			  "cannot deploy %s", name);
		return CLI_USAGE;
	}
	json_out_init(&file);
	r = write_file(call, name, &file);
	if (r == CLI_DONE && file.failed)
		r = CLI_FAILED;
	if (r == CLI_DONE)
		r = deployment_parse(name, file.text, file.length, out);
	json_out_fini(&file);
	return r;
}

int verb_deploy(struct call *call)
{
	const char *name = args_word(&call->args, 0), *file = args_value(&call->args, "file");
	struct deployment d = {NULL};
	struct json_out answers;
	struct deploy_how how = {
		.wait = args_given(&call->args, "wait") && !args_given(&call->args, "dry-run"),
		.dry_run = args_given(&call->args, "dry-run"),
		.answers = &answers,
	};
	int r;

	if (name && file) {
		say_error("a NAME and a file at once", "give one of them", "cannot deploy");
		return CLI_USAGE;
	}
	r = name ? from_options(call, name, &d) : deployment_read(file ? file : "ebb.json", &d);
	if (r != CLI_DONE)
		return r;
	json_out_init(&answers);
	json_out_array(&answers, NULL);
	r = deployment_apply(call, &d, &how);
	json_out_end_array(&answers);
	if (call->json && r == CLI_DONE)
		api_print_text(&answers);
	json_out_fini(&answers);
	deployment_fini(&d);
	return r;
}

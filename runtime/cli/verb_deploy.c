// SPDX-License-Identifier: Apache-2.0
/* deploy: a file of services, or one service out of options. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/build.h"
#include "runtime/cli/deploy.h"
#include "runtime/cli/text_out.h"

/* Whether it is a source of `ebb image import`, and no name of the store. */
static bool is_source(const char *image)
{
	static const char *const sources[] = {"oci:", "oci-archive:", "docker-archive:", "dir:"};

	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		if (strncmp(image, sources[i], strlen(sources[i])) == 0)
			return true;
	return false;
}

/* Options become keys of ebb.json, so that both ways are checked by the same table. A whole number
 * becomes a JSON number; another value stays a string, which spec.c checks. */
static void write_flags(const struct call *call, const char *name, enum setting_place place,
			struct json_out *out)
{
	for (size_t i = 0; i < call->args.given_count; i++) {
		enum setting_id id = call->args.given[i].option->setting;
		const struct setting *s = id ? setting_of(id) : NULL;
		const char *value = call->args.given[i].value;
		uint64_t number;

		if (!s || s->place != place || s->kind == SETTING_LIST || s->kind == SETTING_MAP)
			continue;
		if (id == SETTING_ENTRYPOINT && is_source(value))
			json_out_string(out, s->name, name); /* it gets the service's name */
		else if ((s->kind == SETTING_NUMBER || s->kind == SETTING_TIME) &&
			 text_parse_u64(value, 0, INT64_MAX, &number) == 0)
			json_out_u64(out, s->name, number);
		else
			json_out_string(out, s->name, value);
	}
}

/* --secret is "K=NAME". */
static int write_secrets(const struct call *call, struct json_out *out)
{
	const char *pair;

	for (size_t i = 0; (pair = args_nth(&call->args, "secret", i)); i++) {
		const char *equals = strchr(pair, '=');
		char name[256];

		if (!equals || equals == pair || !equals[1] ||
		    text_format(name, sizeof(name), "%.*s", (int)(equals - pair), pair) < 0) {
			say_error("it is not VARIABLE=NAME", NULL, "cannot use --secret %s", pair);
			return CLI_USAGE;
		}
		json_out_object(out, name);
		json_out_string(out, "secret", equals + 1);
		json_out_end_object(out);
	}
	return CLI_DONE;
}

/* --env is "K=V", or "K" for the value that the caller's own environment has. */
static int write_env(const struct call *call, struct json_out *out)
{
	const char *pair;
	int r;

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
	r = write_secrets(call, out);
	json_out_end_object(out);
	return r;
}

static void write_hosts(const struct call *call, struct json_out *out)
{
	const char *host;

	json_out_array(out, "hosts");
	for (size_t i = 0; (host = args_nth(&call->args, "host", i)); i++)
		json_out_string(out, NULL, host);
	json_out_end_array(out);
}

static int write_file(const struct call *call, const char *name, struct json_out *out)
{
	int r = CLI_DONE;

	json_out_object(out, NULL);
	json_out_object(out, "services");
	json_out_object(out, name);
	json_out_string(out, "runtime", "container");
	write_flags(call, name, SETTING_OF_SERVICE, out);
	if (args_given(&call->args, "env") || args_given(&call->args, "secret"))
		r = write_env(call, out);
	if (args_given(&call->args, "host"))
		write_hosts(call, out);
	json_out_object(out, "ebb");
	write_flags(call, name, SETTING_OF_EBB, out);
	json_out_end_object(out);
	json_out_end_object(out);
	json_out_end_object(out);
	json_out_end_object(out);
	return r;
}

static int from_options(const struct call *call, const char *name, struct deployment *out)
{
	const char *image = args_value(&call->args, "image");
	struct json_out file;
	int r = CLI_DONE;

	if (!image) {
		say_error("no image is named", "ebb deploy NAME --image IMG, or ebb deploy -f FILE",
			  "cannot deploy %s", name);
		return CLI_USAGE;
	}
	if (is_source(image) && !args_given(&call->args, "dry-run"))
		r = image_upload(call, image, name, false);
	if (r != CLI_DONE)
		return r;
	json_out_init(&file);
	r = write_file(call, name, &file);
	if (r == CLI_DONE && file.failed)
		r = CLI_FAILED;
	if (r == CLI_DONE)
		r = deployment_parse(name, file.text, file.length, out);
	json_out_fini(&file);
	return r;
}

static int read_jobs(const struct call *call, size_t *out)
{
	const char *text = args_value(&call->args, "jobs");
	uint64_t n = 0;

	if (text && text_parse_u64(text, 1, 64, &n) < 0) {
		say_error("it is not a number of 1..64", NULL, "cannot use --jobs %s", text);
		return CLI_USAGE;
	}
	*out = (size_t)n;
	return CLI_DONE;
}

int verb_deploy(struct call *call)
{
	const char *name = args_word(&call->args, 0), *file = args_value(&call->args, "file");
	struct deployment d = {.strict = args_given(&call->args, "strict")};
	struct deploy_how how = {
		.wait = args_given(&call->args, "wait") && !args_given(&call->args, "dry-run"),
		.dry_run = args_given(&call->args, "dry-run"),
		.prebuilt = args_given(&call->args, "prebuilt"),
		.preview = args_given(&call->args, "preview"),
		.id = args_value(&call->args, "id"),
	};
	int r = read_jobs(call, &how.jobs);

	if (r != CLI_DONE)
		return r;
	if (name && file) {
		say_error("a NAME and a file at once", "give one of them", "cannot deploy");
		return CLI_USAGE;
	}
	if (name && (how.preview || how.id)) {
		say_error("only a file is a deployment", "ebb deploy -f FILE", "cannot deploy %s",
			  name);
		return CLI_USAGE;
	}
	r = name ? from_options(call, name, &d) : deployment_read(file ? file : "ebb.json", &d);
	if (r != CLI_DONE)
		return r;
	if (how.id &&
	    setenv("EBB_DEPLOYMENT_ID", how.id, 1) < 0) { /* for builds, as NEXT_DEPLOYMENT_ID */
		say_error(strerror(errno), NULL, "cannot deploy");
		r = CLI_FAILED;
	}
	if (r == CLI_DONE)
		r = deployment_apply_shown(call, &d, &how);
	deployment_fini(&d);
	return r;
}

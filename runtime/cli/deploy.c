// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/deploy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/build.h"
#include "runtime/cli/file.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define SERVICES "/v1/services/"

int deployment_parse(const char *what, const char *text, size_t size, struct deployment *out)
{
	SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
	struct spec *spec = NULL;
	int r = report ? spec_parse(text, size, report, &spec) : -ENOMEM;

	if (report)
		report_print(report, what);
	if (r < 0) {
		say_error(NULL, "ebb help ebb.json lists keys and values", "%s is not deployed",
			  what);
		return CLI_USAGE;
	}
	out->file = what;
	out->spec = spec;
	return CLI_DONE;
}

int deployment_read(const char *file, struct deployment *out)
{
	SCOPED_MEM char *text = NULL;
	size_t size;
	int r = file_read(file, &text, &size);

	if (r < 0) {
		say_error(strerror(-r), "name the file with -f FILE", "cannot read %s", file);
		return CLI_USAGE;
	}
	return deployment_parse(file, text, size, out);
}

void deployment_fini(struct deployment *d)
{
	spec_free(d->spec);
	d->spec = NULL;
}

/* The directory of the sources: `root`, relative to the directory of the file that names it. */
static int source_directory(const struct deployment *d, const char *root, char *buf, size_t size)
{
	const char *slash = strrchr(d->file, '/');

	if (root[0] == '/' || !slash)
		return text_copy(buf, size, root);
	return text_format(buf, size, "%.*s/%s", (int)(slash - d->file), d->file, root);
}

/* Finds the image of a service: the one the service refers to, or one built now under the name of
 * the service. */
static int service_image(const struct call *call, const struct deployment *d,
			 const struct spec_service *service, const struct deploy_how *how,
			 const char **image)
{
	const char *runtime = spec_string(service, "runtime");
	const char *root = spec_string(service, "root");
	char directory[4096];
	struct build build = {
		.directory = directory,
		.name = service->name,
		.runtime = runtime,
		.entrypoint = spec_string(service, "entrypoint"),
	};

	if (runtime && strcmp(runtime, "container") == 0) {
		*image = spec_string(service, "entrypoint");
		return CLI_DONE;
	}
	*image = service->name;
	if (how->dry_run)
		return CLI_DONE;
	if (source_directory(d, root ? root : ".", directory, sizeof(directory)) < 0) {
		say_error("its root is too long", NULL, "cannot build %s", service->name);
		return CLI_USAGE;
	}
	say_note("ebb: building %s from %s", service->name, directory);
	return build_image(call, &build);
}

static int service_put(const struct call *call, const struct spec_service *service,
		       const char *image, bool dry_run, struct api_answer *out)
{
	char target[1200], action[128];
	struct json_out body;
	int r = api_target(target, sizeof(target), SERVICES, service->name,
			   dry_run ? "?dryRun=1" : "");

	snprintf(action, sizeof(action), "deploy %.100s", service->name);
	json_out_init(&body);
	spec_body(service, image, &body);
	if (r == CLI_DONE && body.failed)
		r = CLI_FAILED;
	if (r == CLI_DONE)
		r = api_send(call, "PUT", target, body.text, action, out);
	json_out_fini(&body);
	return r;
}

static void service_said(const struct spec_service *service, const struct api_answer *answer,
			 bool dry_run)
{
	const struct json *warnings = json_get(answer->document, "warnings");
	const char *change = json_string(json_get(answer->document, "change"));
	char revision[32];

	for (size_t i = 0; i < json_count(warnings); i++)
		if (json_string(json_at(warnings, i)))
			say_note("ebb: %s: %s", service->name, json_string(json_at(warnings, i)));
	table_value(revision, sizeof(revision), json_get(answer->document, "revision"), SHOW_TEXT,
		    0);
	say_note("%s: revision %s, %s%s", service->name, revision, change ? change : "accepted",
		 dry_run ? " (dry run: nothing was changed)" : "");
}

static int deploy_one(const struct call *call, const struct deployment *d,
		      const struct spec_service *service, const struct deploy_how *how)
{
	struct api_answer answer;
	const char *image;
	int r = service_image(call, d, service, how, &image);

	if (r == CLI_DONE)
		r = service_put(call, service, image, how->dry_run, &answer);
	if (r != CLI_DONE)
		return r;
	service_said(service, &answer, how->dry_run);
	if (how->answers && answer.document && !how->wait)
		json_out_value(how->answers, NULL, answer.document);
	api_answer_fini(&answer);
	return CLI_DONE;
}

int deployment_apply(const struct call *call, const struct deployment *d,
		     const struct deploy_how *how)
{
	int r = CLI_DONE;

	for (size_t i = 0; r == CLI_DONE && i < d->spec->count; i++)
		r = deploy_one(call, d, &d->spec->services[i], how);
	for (size_t i = 0; r == CLI_DONE && how->wait && i < d->spec->count; i++)
		r = service_wait(call, d->spec->services[i].name, how->answers);
	return r;
}

int deployment_apply_shown(const struct call *call, const struct deployment *d,
			   const struct deploy_how *how)
{
	struct json_out answers;
	struct deploy_how shown = *how;
	int r;

	json_out_init(&answers);
	json_out_array(&answers, NULL);
	shown.answers = &answers;
	r = deployment_apply(call, d, &shown);
	json_out_end_array(&answers);
	if (call->json && r == CLI_DONE)
		api_print_text(&answers);
	json_out_fini(&answers);
	return r;
}

static int remove_one(const struct call *call, const char *name)
{
	char target[1200], action[128];
	struct conn_request request = {.method = "DELETE", .target = target, .body_fd = -1};
	struct api_answer answer;
	int r = api_target(target, sizeof(target), SERVICES, name, "");

	snprintf(action, sizeof(action), "remove %.100s", name);
	if (r == CLI_DONE)
		r = api_try(call, &request, action, &answer);
	if (r != CLI_DONE)
		return r;
	if (answer.status < 300)
		say_note("%s: removed", name);
	else if (answer.status != 404) /* gone already is what was wanted */
		r = api_refused(action, answer.status, answer.document, answer.text);
	api_answer_fini(&answer);
	return r;
}

int deployment_remove(const struct call *call, const struct deployment *d)
{
	int worst = CLI_DONE;

	for (size_t i = 0; worst != CLI_NO_SERVER && i < d->spec->count; i++) {
		int r = remove_one(call, d->spec->services[i].name);

		worst = r > worst ? r : worst;
	}
	return worst;
}

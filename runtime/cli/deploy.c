// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/deploy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/build.h"
#include "runtime/cli/builds.h"
#include "runtime/cli/dockerfile.h"
#include "runtime/cli/file.h"
#include "runtime/cli/guess.h"
#include "runtime/cli/site.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define SERVICES     "/v1/services/"
#define SITES        "/v1/sites/"
#define DEPLOYMENTS  "/v1/deployments/"
#define ONE_STEP_MAX 64 /* services that the API takes in one step */

int deployment_parse(const char *what, const char *text, size_t size, struct deployment *out)
{
	SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
	struct spec *spec = NULL;
	int r = report ? spec_parse(text, size, report, &spec) : -ENOMEM;

	if (report)
		report_print(report, what);
	if (r == 0 && out->strict && report->said[REPORT_UNSUPPORTED]) {
		spec_free(spec);
		say_error("--strict refuses what is not supported",
			  "take these parts out, or deploy without --strict", "%s is not deployed",
			  what);
		return CLI_USAGE;
	}
	if (r < 0) {
		say_error(NULL, "ebb help ebb.json lists keys and values", "%s is not deployed",
			  what);
		return CLI_USAGE;
	}
	out->file = what;
	out->spec = spec;
	return CLI_DONE;
}

/* Names the site of a file after the directory that the file is in. */
static void name_site(struct spec *spec, const char *file)
{
	SCOPED_MEM char *whole = realpath(file, NULL);
	char *slash = whole ? strrchr(whole, '/') : NULL;

	if (slash)
		*slash = '\0';
	slash = slash ? strrchr(whole, '/') : NULL;
	spec_name(spec, slash ? slash + 1 : "site");
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
	r = deployment_parse(file, text, size, out);
	if (r == CLI_DONE) {
		out->is_file = true;
		name_site(out->spec, file);
	}
	return r;
}

void deployment_fini(struct deployment *d)
{
	spec_free(d->spec);
	d->spec = NULL;
}

static int refuse_directory(const struct spec_service *service, int error)
{
	bool missing = error == -ENOENT && spec_string(service, "outputDirectory");

	if (error == -EXDEV)
		say_error("its root leads out of the directory of the file that names it",
			  "root is a directory inside; ebb build DIR -t NAME takes any",
			  "cannot build %s", service->name);
	else
		say_error(strerror(-error),
			  missing ? "run the build first, or say its buildCommand: "
				    "outputDirectory is what it leaves"
				  : "root is a directory inside; ebb build DIR -t NAME takes any",
			  "cannot build %s", service->name);
	return CLI_USAGE;
}

static bool is_container(const struct spec_service *service)
{
	const char *runtime = spec_string(service, "runtime");

	return runtime && strcmp(runtime, "container") == 0 &&
	       !dockerfile_is(spec_string(service, "entrypoint"));
}

static int service_build(const struct call *call, const struct deployment *d,
			 const struct spec_service *service, bool prebuilt)
{
	const char *runtime = spec_string(service, "runtime"), *root = spec_string(service, "root");
	struct commands commands;
	bool own = !prebuilt && commands_of(service, &commands);
	char directory[4096];
	struct build build = {
		.directory = directory,
		.name = service->name,
		.runtime = service->files ? "static" : runtime,
		.entrypoint = spec_string(service, "entrypoint"),
		.clean_urls = spec_flag(service, "cleanUrls"),
		.trailing_slash = spec_flag(service, "trailingSlash"),
		.commands = own ? &commands : NULL,
		.take = true,
		.strict = d->strict,
	};
	int r = own ? deployment_sources(d, root ? root : ".", directory, sizeof(directory))
		    : deployment_directory(d, service, directory, sizeof(directory));

	if (r < 0)
		return refuse_directory(service, r);
	say_note("ebb: building %s from %s", service->name, directory);
	return build_image(call, &build);
}

/* The builds of a file. */
struct made {
	const struct call *call;
	const struct deployment *d;
	bool prebuilt;
};

static const char *build_name(void *context, size_t number)
{
	const struct made *made = context;

	return made->d->spec->services[number].name;
}

static int build_one(void *context, size_t number)
{
	const struct made *made = context;

	return service_build(made->call, made->d, &made->d->spec->services[number], made->prebuilt);
}

/* Each service gets its image: the one that it refers to, or one that is built now under its own
 * name. */
static int make_images(const struct call *call, const struct deployment *d,
		       const struct deploy_how *how)
{
	bool skipped[SPEC_SERVICES_MAX] = {false};
	struct made made = {call, d, how->prebuilt};
	const struct builds builds = {.count = d->spec->count,
				      .skipped = skipped,
				      .at_once = how->jobs,
				      .name = build_name,
				      .build = build_one,
				      .context = &made};

	for (size_t i = 0; i < d->spec->count; i++) {
		struct spec_service *s = &d->spec->services[i];

		skipped[i] = is_container(s) || how->dry_run || (how->kept && how->kept[i]);
		s->image = is_container(s) ? spec_string(s, "entrypoint") : s->name;
	}
	return builds_run(&builds);
}

static const struct spec_service *find(const struct deployment *d, const char *name)
{
	for (size_t i = 0; name && i < d->spec->count; i++)
		if (strcmp(d->spec->services[i].name, name) == 0)
			return &d->spec->services[i];
	return NULL;
}

/* The n-th service that this one calls, if the file has it. */
static const struct spec_service *callee(const struct deployment *d,
					 const struct spec_service *service, size_t n)
{
	const struct json *bindings = json_get(service->value, "bindings");

	return find(d, json_string(json_get(json_at(bindings, n), "service")));
}

static size_t callee_count(const struct spec_service *service)
{
	return json_count(json_get(service->value, "bindings"));
}

/* "?with=a,b": the services of this file that it calls. They may come behind it, where two call
 * each other. */
static void write_query(const struct deployment *d, const struct spec_service *service,
			bool dry_run, char *buf, size_t size)
{
	const char *before = dry_run ? "?dryRun=1&with=" : "?with=";
	size_t used = 0;

	(void)text_copy(buf, size, dry_run ? "?dryRun=1" : "");
	for (size_t i = 0; i < callee_count(service); i++) {
		const struct spec_service *s = callee(d, service, i);

		if (!s || used + strlen(before) + strlen(s->name) >= size)
			continue;
		used += (size_t)snprintf(buf + used, size - used, "%s%s", before, s->name);
		before = ",";
	}
}

static int service_put(const struct call *call, const struct deployment *d,
		       const struct spec_service *service, const char *image, bool dry_run,
		       struct api_answer *out)
{
	char target[2000], query[800], action[128];
	struct json_out body;
	int r;

	write_query(d, service, dry_run, query, sizeof(query));
	r = api_target(target, sizeof(target), SERVICES, service->name, query);

	snprintf(action, sizeof(action), "deploy %.100s", service->name);
	json_out_init(&body);
	spec_body(service, image, NULL, &body);
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

/* ---- a file as one deployment ---- */

static void write_deployment(const struct deployment *d, const struct deploy_how *how,
			     struct json_out *out)
{
	const struct json *age = json_get(d->spec->document, "skewProtection");
	int64_t seconds;

	json_out_object(out, NULL);
	if (how->id)
		json_out_string(out, "id", how->id);
	if (age && spec_age(age, &seconds) == 0)
		json_out_u64(out, "age", (uint64_t)seconds);
	json_out_bool(out, "promote", !how->preview);
	json_out_object(out, "services");
	for (size_t i = 0; i < d->spec->count; i++)
		spec_body(&d->spec->services[i], d->spec->services[i].image,
			  d->spec->services[i].name, out);
	json_out_end_object(out);
	site_write(d->spec, "rules", out);
	json_out_end_object(out);
}

static void deployment_said(const struct deployment *d, const struct api_answer *answer,
			    const struct deploy_how *how)
{
	const struct json *services = json_get(answer->document, "services");
	const struct json *warnings = json_get(answer->document, "warnings");
	const char *id = json_string(json_get(answer->document, "id"));
	const char *change = json_string(json_get(answer->document, "change"));

	for (size_t i = 0; i < json_count(warnings); i++)
		if (json_string(json_at(warnings, i)))
			say_note("ebb: %s", json_string(json_at(warnings, i)));
	for (size_t i = 0; i < json_count(services); i++) {
		const struct spec_service *s =
			find(d, json_string(json_get(json_at(services, i), "name")));
		const struct api_answer one = {.document = (struct json *)json_at(services, i)};

		if (s)
			service_said(s, &one, how->dry_run);
		if (how->answers && !how->wait)
			json_out_value(how->answers, NULL, one.document);
	}
	say_note("%s: deployment %s, %s%s; %s-%s.localhost leads to it", d->spec->name, id, change,
		 how->preview ? ", not promoted" : "", d->spec->name, id);
}

/* Says why, and the last lines of services that did not start. */
static int deployment_refused(const struct call *call, const char *action,
			      const struct api_answer *answer)
{
	const struct json *errors = json_get(answer->document, "errors");
	int r = api_refused(action, answer->status, answer->document, answer->text);

	for (size_t i = 0; answer->status == 409 && i < json_count(errors); i++) {
		const char *path = json_string(json_get(json_at(errors, i), "path"));

		if (path && strncmp(path, "services.", 9) == 0)
			service_last_lines(call, path + 9);
	}
	return r;
}

static int deployment_post(const struct call *call, const struct deployment *d,
			   const struct deploy_how *how)
{
	char target[1200], action[128];
	struct conn_request request = {.method = "POST",
				       .target = target,
				       .accept = "application/json",
				       .content_type = "application/json",
				       .body_fd = -1};
	struct api_answer answer;
	struct json_out body;
	int r = api_target(target, sizeof(target), DEPLOYMENTS, d->spec->name,
			   how->dry_run ? "?dryRun=1" : "");

	snprintf(action, sizeof(action), "deploy %.100s", d->spec->name);
	json_out_init(&body);
	write_deployment(d, how, &body);
	request.body = body.text;
	request.body_size = body.length;
	if (r == CLI_DONE && body.failed)
		r = CLI_FAILED;
	if (r == CLI_DONE)
		r = api_try(call, &request, action, &answer);
	json_out_fini(&body);
	if (r != CLI_DONE)
		return r;
	if (answer.status < 300)
		deployment_said(d, &answer, how);
	else
		r = deployment_refused(call, action, &answer);
	api_answer_fini(&answer);
	return r;
}

/* ---- services one after the other ---- */

static int deploy_one(const struct call *call, const struct deployment *d,
		      const struct spec_service *service, const struct deploy_how *how)
{
	struct api_answer answer;
	int r = service_put(call, d, service, service->image, how->dry_run, &answer);

	if (r != CLI_DONE)
		return r;
	service_said(service, &answer, how->dry_run);
	if (how->answers && answer.document && !how->wait)
		json_out_value(how->answers, NULL, answer.document);
	api_answer_fini(&answer);
	return CLI_DONE;
}

/* Puts a service behind those that it calls, so that it finds their new revisions. done: by number.
 */
static int deploy_behind(const struct call *call, const struct deployment *d, size_t number,
			 const struct deploy_how *how, bool *done)
{
	const struct spec_service *service = &d->spec->services[number];
	int r = CLI_DONE;

	if (done[number])
		return CLI_DONE;
	done[number] = true; /* before those it calls, which may call it */
	for (size_t i = 0; r == CLI_DONE && i < callee_count(service); i++) {
		const struct spec_service *s = callee(d, service, i);

		if (s)
			r = deploy_behind(call, d, (size_t)(s - d->spec->services), how, done);
	}
	return r == CLI_DONE ? deploy_one(call, d, service, how) : r;
}

/* Removes a site at this prefix; one that is not there is no error. */
static int site_remove(const struct call *call, const char *prefix, const char *name)
{
	char target[1200], action[128];
	struct conn_request request = {.method = "DELETE", .target = target, .body_fd = -1};
	struct api_answer answer;
	int r = api_target(target, sizeof(target), prefix, name, "");

	snprintf(action, sizeof(action), "remove the rules of %.100s", name);
	if (r == CLI_DONE)
		r = api_try(call, &request, action, &answer);
	if (r != CLI_DONE)
		return r;
	if (answer.status >= 300 && answer.status != 404)
		r = api_refused(action, answer.status, answer.document, answer.text);
	else if (answer.status < 300)
		say_note("%s: removed", name);
	api_answer_fini(&answer);
	return r;
}

static int site_put(const struct call *call, const struct deployment *d, bool dry_run)
{
	const char *name = d->spec->name;
	char target[1200], action[128];
	struct api_answer answer;
	struct json_out body;
	int r = api_target(target, sizeof(target), SITES, name, dry_run ? "?dryRun=1" : "");

	snprintf(action, sizeof(action), "apply the rules of %.100s", name);
	json_out_init(&body);
	site_write(d->spec, NULL, &body);
	if (r == CLI_DONE && body.failed)
		r = CLI_FAILED;
	if (r == CLI_DONE)
		r = api_send(call, "PUT", target, body.text, action, &answer);
	json_out_fini(&body);
	if (r != CLI_DONE)
		return r;
	say_note("%s: rules of %zu services%s", name, d->spec->count,
		 dry_run ? " (dry run: nothing was changed)" : "");
	api_answer_fini(&answer);
	return CLI_DONE;
}

/* Finds which services without a runtime serve files: rewrites come behind those. */
static void find_files(const struct deployment *d, bool prebuilt)
{
	for (size_t i = 0; i < d->spec->count; i++) {
		struct spec_service *s = &d->spec->services[i];
		SCOPED_FD fd = -1, page_fd = -1;
		struct commands commands;
		char directory[4096];
		struct guess guess;

		if (!prebuilt && commands_of(s, &commands)) {
			s->files = commands.output && !spec_string(s, "runtime");
			continue;
		}
		if (spec_string(s, "runtime") ||
		    deployment_directory(d, s, directory, sizeof(directory)) < 0)
			continue;
		fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && spec_string(s, "outputDirectory"))
			page_fd = file_open_beneath(fd, "index.html");
		if (page_fd >= 0)
			s->files = true;
		else if (fd >= 0 && guess_directory(fd, NULL, &guess) == 0)
			s->files = strcmp(guess.runtime, "static") == 0;
	}
}

/* Finds which services have workflows: messages are pushed to routes of these. */
static void find_workflows(const struct deployment *d)
{
	for (size_t i = 0; i < d->spec->count; i++) {
		struct spec_service *s = &d->spec->services[i];
		const char *runtime = spec_string(s, "runtime");
		char directory[4096];

		if ((!runtime || strcmp(runtime, "node") == 0) &&
		    deployment_directory(d, s, directory, sizeof(directory)) == 0)
			s->workflows = guess_workflows_of(directory, d->file);
	}
}

/* The rules come behind their services. A file that has none any more takes them away. */
static int deploy_site(const struct call *call, const struct deployment *d, bool dry_run)
{
	if (!d->is_file)
		return CLI_DONE;
	if (site_has_rules(d->spec))
		return site_put(call, d, dry_run);
	return dry_run ? CLI_DONE : site_remove(call, SITES, d->spec->name);
}

/* A service that came as options, or a file with more services than go in one step. */
static int deploy_each(const struct call *call, const struct deployment *d,
		       const struct deploy_how *how)
{
	bool done[SPEC_SERVICES_MAX] = {false};
	int r = CLI_DONE;

	for (size_t i = 0; r == CLI_DONE && i < d->spec->count; i++)
		r = deploy_behind(call, d, i, how, done);
	return r == CLI_DONE ? deploy_site(call, d, how->dry_run) : r;
}

int deployment_apply(const struct call *call, const struct deployment *d,
		     const struct deploy_how *how)
{
	int r;

	if (d->is_file)
		find_files(d, how->prebuilt);
	find_workflows(d);
	r = make_images(call, d, how);
	if (r == CLI_DONE && d->is_file && d->spec->count <= ONE_STEP_MAX)
		r = deployment_post(call, d, how);
	else if (r == CLI_DONE)
		r = deploy_each(call, d, how);
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
	int worst = d->is_file ? site_remove(call, DEPLOYMENTS, d->spec->name) : CLI_DONE;

	for (size_t i = 0; worst != CLI_NO_SERVER && i < d->spec->count; i++) {
		int r = remove_one(call, d->spec->services[i].name);

		worst = r > worst ? r : worst;
	}
	return worst;
}

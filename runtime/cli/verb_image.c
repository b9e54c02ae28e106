// SPDX-License-Identifier: Apache-2.0
/* image import, export, ls, rm, gc. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/fault.h"
#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/build.h"
#include "runtime/cli/download.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"
#include "runtime/cli/upload.h"

#define IMAGES "/v1/images"

static const struct column columns[] = {
	{.title = "NAMES", .key = "names"},
	{.title = "DIGEST", .key = "digest", .show = SHOW_DIGEST},
	{.title = "SIZE", .key = "bytes", .show = SHOW_BYTES, .right = true},
	{.title = "AGE", .key = "imported_at", .show = SHOW_AGE, .right = true},
	{.title = "USED BY", .key = "used_by"},
};

static int upload_source(const struct call *call, const char *source, const char *name,
			 struct api_answer *out)
{
	struct upload upload;
	struct fault fault = {0};
	char own_name[256];
	int r = upload_open(source, &upload, &fault);

	if (r < 0) {
		say_error(fault.what, fault.mend, "cannot import %s", source);
		return CLI_FAILED;
	}
	if (!name && strcmp(upload.path, "-") == 0) {
		say_error("an archive from a pipe has no name", "choose one with -t",
			  "cannot import %s", source);
		upload_close(&upload);
		return CLI_USAGE;
	}
	if (!name) {
		upload_default_name(&upload, own_name, sizeof(own_name));
		say_note("ebb: naming it %s (-t chooses another name)", own_name);
		name = own_name;
	}
	r = upload_send(call, &upload, name, out);
	upload_close(&upload);
	return r;
}

int image_upload(const struct call *call, const char *source, const char *name, bool show)
{
	struct api_answer answer;
	int r = upload_source(call, source, name, &answer);

	if (r != CLI_DONE)
		return r;
	if (show && call->json)
		api_print(answer.document);
	else if (show)
		table_line(answer.document, "names", "digest");
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_image_import(struct call *call)
{
	return image_upload(call, args_word(&call->args, 0), args_value(&call->args, "tag"), true);
}

/* Copies the answer into the file. Returns an exit code, after having printed the error. */
static int save_archive(const struct call *call, struct conn *conn, const char *action,
			struct download *d)
{
	struct http_slice piece;
	int r = 0, e = 0;

	while (e == 0 && (r = conn_next(conn, &piece)) > 0)
		e = download_put(d, piece.at, piece.size);
	if (r == 0 && e == 0)
		e = download_keep(d);
	if (e == 0)
		return r < 0 ? api_broken(call, action, r) : CLI_DONE;
	say_error(strerror(-e), "make room, or choose another file with -o", "cannot write %s",
		  d->path ? d->path : "standard output");
	return CLI_FAILED;
}

static void show_archive(const struct call *call, const struct download *d)
{
	struct json_out o;
	char safe[300];

	if (!call->json) {
		say_note("ebb: wrote %s", text_escape(safe, sizeof(safe), d->path));
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "file", d->path);
	json_out_u64(&o, "bytes", d->bytes);
	json_out_end_object(&o);
	api_print_text(&o);
	json_out_fini(&o);
}

/* The answer is asked for first: an image that is not there leaves a file as it is. path NULL:
 * standard output. */
static int save(const struct call *call, const char *name, const char *path, bool shown)
{
	char target[1100], action[160];
	struct download d;
	struct conn *conn;
	int r = api_target(target, sizeof(target), "/v1/archives/", name, "");

	snprintf(action, sizeof(action), "export %.100s", name);
	if (r == CLI_DONE)
		r = api_download(call, target, action, &conn);
	if (r != CLI_DONE)
		return r;
	r = download_open(&d, path);
	if (r < 0) {
		say_error(strerror(-r), "choose another file with -o", "cannot write %s", path);
		r = CLI_FAILED;
	} else {
		r = save_archive(call, conn, action, &d);
		if (r == CLI_DONE && d.path && shown)
			show_archive(call, &d);
		download_close(&d);
	}
	conn_free(conn);
	return r;
}

int image_save(const struct call *call, const char *name, const char *path)
{
	return save(call, name, path, false);
}

int verb_image_export(struct call *call)
{
	const char *path = args_value(&call->args, "output");

	if (!path && call->terminal) {
		say_error("an archive is nothing to look at", "name a file with -o, or a pipe",
			  "cannot write to a terminal");
		return CLI_USAGE;
	}
	return save(call, args_word(&call->args, 0), path && strcmp(path, "-") != 0 ? path : NULL,
		    true);
}

/* An image may have several names. */
static void print_names(const struct json *list)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *names = json_get(json_at(list, i), "names");

		for (size_t j = 0; j < json_count(names); j++) {
			char safe[300];

			if (json_string(json_at(names, j)))
				printf("%s\n", text_escape(safe, sizeof(safe),
							   json_string(json_at(names, j))));
		}
	}
}

int verb_image_ls(struct call *call)
{
	struct api_answer answer;
	const struct json *list;
	int r = api_call(call, "GET", IMAGES, "list the images", &answer);

	if (r != CLI_DONE)
		return r;
	list = api_list(answer.document, "images");
	if (call->json)
		api_print(list);
	else if (args_given(&call->args, "quiet"))
		print_names(list);
	else
		table_show(columns, ARRAY_LEN(columns), list, call->color,
			   "no images; ebb build or ebb image import brings one");
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_image_rm(struct call *call)
{
	return api_each(call, "DELETE", IMAGES "/", "", "remove image", "removed");
}

int verb_image_gc(struct call *call)
{
	struct api_answer answer;
	char layers[32], bytes[32];
	int r = api_call(call, "POST", IMAGES "/gc", "free unused layers", &answer);

	if (r != CLI_DONE)
		return r;
	table_value(layers, sizeof(layers), json_get(answer.document, "layers"), SHOW_TEXT, 0);
	table_value(bytes, sizeof(bytes), json_get(answer.document, "bytes"), SHOW_BYTES, 0);
	if (call->json)
		api_print(answer.document);
	else
		printf("removed %zu images, %s layers (%s)\n",
		       json_count(json_get(answer.document, "removed")), layers, bytes);
	api_answer_fini(&answer);
	return CLI_DONE;
}

// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * The files of a directory over HTTP (RFC 9110): `serve DIRECTORY`, an instance like any other.
 *
 *   path.c    what a path names, redirects     file.c    opening, entity tags
 *   accept.c  codings, lists of tags           mime.c    types, hashed names
 *   range.c   Range                            date.c    dates
 *   send.c    answers of a file's bytes
 *
 * Environment: STATIC_CLEAN_URLS=1 and STATIC_TRAILING_SLASH=1|0, which `ebb build` writes for
 * cleanUrls and trailingSlash; STATIC_IMMUTABLE, prefixes of paths whose names are hashed, with a
 * space between.
 */
/* clang-format on */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../native/ebb.h"
#include "accept.h"
#include "date.h"
#include "file.h"
#include "mime.h"
#include "path.h"
#include "range.h"
#include "send.h"

#define LOCATION_BYTES 900 /* header fields of an answer have 1 KiB */
#define ALLOWED        "GET, HEAD, OPTIONS"

struct site {
	int root_fd;
	struct path_rules rules;
	const char *immutable;
};

static int answer_text(struct ebb_request *rq, int status, const char *text)
{
	return ebb_respond(rq, status, "text/plain; charset=utf-8", text, strlen(text));
}

static int answer_missing(const struct site *site, struct ebb_request *rq)
{
	struct file page;

	if (file_open(site->root_fd, "404.html", "", &page) == 0)
		return send_whole(rq, 404, mime_type("404.html"), &page);
	return answer_text(rq, 404, "there is no such file\n");
}

static int answer_moved(struct ebb_request *rq, const char *location)
{
	int r = ebb_header_add(rq, "Location", location);

	return r < 0 ? r : answer_text(rq, 308, "the path has another spelling\n");
}

/* ---- conditions (RFC 9110 section 13) ---- */

static bool has_date(const struct ebb_request *rq, const char *field, int64_t *out)
{
	const char *value = ebb_header(rq, field);

	return value && date_read(value, out);
}

/* 0: go on; else the status that the conditions ask for, in the order of section 13.2.2. */
static int check_conditions(const struct ebb_request *rq, const struct file *file)
{
	const char *match = ebb_header(rq, "if-match"), *none = ebb_header(rq, "if-none-match");
	int64_t date_s;

	if (match ? !accept_tag(match, file->tag, false)
		  : has_date(rq, "if-unmodified-since", &date_s) && file->changed_s > date_s)
		return 412;
	if (none ? accept_tag(none, file->tag, true)
		 : has_date(rq, "if-modified-since", &date_s) && file->changed_s <= date_s)
		return 304;
	return 0;
}

/* Whether If-Range lets a range be served: it names this very content (section 13.1.5). */
static bool range_holds(const struct ebb_request *rq, const struct file *file)
{
	const char *value = ebb_header(rq, "if-range");
	char date[DATE_BYTES];

	if (!value)
		return true;
	date_write(file->changed_s, date);
	return strcmp(value, file->tag) == 0 || strcmp(value, date) == 0;
}

/* ---- answers ---- */

static bool is_immutable(const struct site *site, const char *name)
{
	const char *at = site->immutable;

	if (mime_hashed(name))
		return true;
	for (at += strspn(at, " /"); *at; at += strspn(at, " /")) {
		size_t size = strcspn(at, " ");

		if (strncmp(name, at, size) == 0)
			return true;
		at += size;
	}
	return false;
}

static int add_fields(const struct site *site, struct ebb_request *rq, const char *name,
		      const struct file *file)
{
	char date[DATE_BYTES];
	int r;

	date_write(file->changed_s, date);
	r = ebb_header_add(rq, "ETag", file->tag);
	if (r == 0)
		r = ebb_header_add(rq, "Last-Modified", date);
	if (r == 0)
		r = ebb_header_add(rq, "Cache-Control",
				   is_immutable(site, name) ? "public, max-age=31536000, immutable"
							    : "public, max-age=0, must-revalidate");
	if (r == 0 && file->codings)
		r = ebb_header_add(rq, "Vary", "Accept-Encoding");
	return r;
}

static int answer_outside(struct ebb_request *rq, uint64_t size)
{
	char value[64];
	int r;

	snprintf(value, sizeof(value), "bytes */%" PRIu64, size);
	r = ebb_header_add(rq, "Content-Range", value);
	return r < 0 ? r : answer_text(rq, 416, "the file has no such bytes\n");
}

/* The ranges to be served, as range_read() counts them. */
static int asked_ranges(const struct ebb_request *rq, const struct file *file, struct range *ranges)
{
	const char *asked = strcmp(ebb_method(rq), "GET") == 0 ? ebb_header(rq, "range") : NULL;

	return asked && range_holds(rq, file) ? range_read(asked, file->size, ranges) : 0;
}

/* Puts the compressed file that the client likes best in the place of the file. */
static enum coding choose_coding(const struct site *site, const struct ebb_request *rq,
				 const char *name, struct file *file)
{
	enum coding c = accept_coding(ebb_header(rq, "accept-encoding"), file->codings);
	struct file coded;

	if (c == CODING_NONE || file_open(site->root_fd, name, coding_suffix(c), &coded) < 0)
		return CODING_NONE;
	close(file->fd);
	coded.codings = file->codings;
	*file = coded;
	return c;
}

/* Sends the file or `count` ranges of it. Takes over file->fd. */
static int answer_bytes(const struct site *site, struct ebb_request *rq, const char *name,
			const struct file *file, enum coding coding, const struct range *ranges,
			int count)
{
	int r = add_fields(site, rq, name, file);

	if (r == 0)
		r = ebb_header_add(rq, "Accept-Ranges", "bytes");
	if (r == 0 && coding != CODING_NONE)
		r = ebb_header_add(rq, "Content-Encoding", coding_name(coding));
	if (r == 0)
		return count ? send_ranges(rq, mime_type(name), file, ranges, count)
			     : send_whole(rq, 200, mime_type(name), file);
	close(file->fd);
	return r;
}

static int answer_same(const struct site *site, struct ebb_request *rq, const char *name,
		       const struct file *file)
{
	int r = add_fields(site, rq, name, file);

	return r < 0 ? r : ebb_respond(rq, 304, NULL, NULL, 0);
}

/* Takes over file.fd. */
static int answer_file(const struct site *site, struct ebb_request *rq, const char *name,
		       struct file file)
{
	enum coding coding = choose_coding(site, rq, name, &file);
	int status = check_conditions(rq, &file), count;
	struct range ranges[RANGES_MAX];

	count = status ? 0 : asked_ranges(rq, &file, ranges);
	if (status == 0 && count >= 0)
		return answer_bytes(site, rq, name, &file, coding, ranges, count);
	close(file.fd);
	if (status == 304)
		return answer_same(site, rq, name, &file);
	return status == 412 ? answer_text(rq, 412, "the file is another one\n")
			     : answer_outside(rq, file.size);
}

static bool is_shortage(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/* Finds the file that rewrites name for a path that has none. Only a gateway says this field. */
static int find_fallback(const struct site *site, const struct ebb_request *rq, struct file *file,
			 char *found)
{
	const char *given = ebb_header(rq, "x-ebb-fallback");
	char text[PATH_BYTES];
	struct path path;
	int r;

	if (!given || strlen(given) >= sizeof(text))
		return -ENOENT;
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(given, "?"), given);
	r = path_read(text, &path);
	if (r < 0)
		return -ENOENT;
	return file_find(site->root_fd, path.name, path.slash, site->rules.clean_urls, file, found);
}

static int answer_get(const struct site *site, struct ebb_request *rq)
{
	char location[LOCATION_BYTES], found[PATH_BYTES];
	struct path path;
	struct file file;
	int r = path_read(ebb_path(rq), &path);

	if (r == -EINVAL)
		return answer_text(rq, 400, "the path is not valid\n");
	if (r == 0 && path_moved(&site->rules, &path, ebb_query(rq), location, sizeof(location)))
		return answer_moved(rq, location);
	if (r == 0)
		r = file_find(site->root_fd, path.name, path.slash, site->rules.clean_urls, &file,
			      found);
	if (r == -ENOENT)
		r = find_fallback(site, rq, &file, found);
	if (r == -ENOENT)
		return answer_missing(site, rq);
	if (is_shortage(r))
		return ebb_nack(rq);
	return r < 0 ? r : answer_file(site, rq, found, file);
}

static int handle(struct ebb_request *rq, void *ctx)
{
	const char *method = ebb_method(rq);
	int r;

	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		return answer_get(ctx, rq);
	r = ebb_header_add(rq, "Allow", ALLOWED);
	if (r < 0)
		return r;
	if (strcmp(method, "OPTIONS") == 0)
		return ebb_respond(rq, 204, NULL, NULL, 0);
	return answer_text(rq, 405, "files are read with GET and HEAD\n");
}

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

int main(int argc, char **argv)
{
	const char *root = argc > 1 ? argv[1] : ".", *slash = setting("STATIC_TRAILING_SLASH");
	struct site site = {
		.root_fd = root_open(root),
		.rules.clean_urls = strcmp(setting("STATIC_CLEAN_URLS"), "1") == 0,
		.rules.trailing = !*slash              ? SLASH_AS_ASKED
				  : strcmp(slash, "1") ? SLASH_NEVER
						       : SLASH_ALWAYS,
		.immutable = setting("STATIC_IMMUTABLE"),
	};

	if (site.root_fd < 0) {
		fprintf(stderr, "ebb: cannot serve %s: %s\n", root, strerror(-site.root_fd));
		return 1;
	}
	return ebb_serve(handle, &site) < 0;
}

// SPDX-License-Identifier: Apache-2.0
/* The parts of the server of static files: paths, ranges, dates, codings, tags, types, files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "images/runtimes/static/accept.h"
#include "images/runtimes/static/date.h"
#include "images/runtimes/static/file.h"
#include "images/runtimes/static/mime.h"
#include "images/runtimes/static/path.h"
#include "images/runtimes/static/range.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

static void a_path_names_a_file_below_or_nothing(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *name;
		bool slash;
	} cases[] = {
		{"/", 0, "", true},
		{"/a", 0, "a", false},
		{"/a/", 0, "a", true},
		{"//a///b", 0, "a/b", false},
		{"/a%20b/%C3%A9%25", 0, "a b/\xc3\xa9%", false},
		{"/a\\b", 0, "a\\b", false},
		{"/.well-known/acme", 0, ".well-known/acme", false},
		{"/a..b/...c", -ENOENT, NULL, false},
		{"/a..b/c..", 0, "a..b/c..", false},
		{"/docs/vercel.json", 0, "docs/vercel.json", false},
		{"", -EINVAL, NULL, false},
		{"a", -EINVAL, NULL, false},
		{"*", -EINVAL, NULL, false},
		{"http://a/b", -EINVAL, NULL, false},
		{"/%", -EINVAL, NULL, false},
		{"/%2", -EINVAL, NULL, false},
		{"/%2g", -EINVAL, NULL, false},
		{"/%00", -EINVAL, NULL, false},
		{"/a%00b", -EINVAL, NULL, false},
		{"/../%zz", -EINVAL, NULL, false},
		{"/..", -ENOENT, NULL, false},
		{"/../etc/passwd", -ENOENT, NULL, false},
		{"/a/../b", -ENOENT, NULL, false},
		{"/a/./b", -ENOENT, NULL, false},
		{"/%2e%2E/etc", -ENOENT, NULL, false},
		{"/a/%2e%2e%2fetc", -ENOENT, NULL, false},
		{"/a%2fb", -ENOENT, NULL, false},
		{"/%2Fetc%2fpasswd", -ENOENT, NULL, false},
		{"/.git/config", -ENOENT, NULL, false},
		{"/a/.env", -ENOENT, NULL, false},
		{"/a/.well-known/b", -ENOENT, NULL, false},
		{"/.well-known2", -ENOENT, NULL, false},
		{"/.well-known/.env", -ENOENT, NULL, false},
		{"/vercel.json", -ENOENT, NULL, false},
		{"/%65bb.json", -ENOENT, NULL, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct path path;
		int r = path_read(cases[i].text, &path);

		if (r != cases[i].result)
			fail_msg("%s: %d", cases[i].text, r);
		if (r < 0)
			continue;
		assert_string_equal(path.name, cases[i].name);
		assert_int_equal(path.size, strlen(cases[i].name));
		assert_int_equal(path.slash, cases[i].slash);
	}
}

static void a_long_path_names_nothing(void **state)
{
	char text[3 * PATH_BYTES] = "/";
	struct path path;

	memset(text + 1, 'x', 255);
	assert_int_equal(path_read(text, &path), 0);
	memset(text + 1, 'x', 256);
	assert_int_equal(path_read(text, &path), -ENOENT);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 ? 'x' : '/';
	assert_int_equal(path_read(text, &path), -ENOENT);
	for (size_t i = PATH_BYTES - 16; i < PATH_BYTES + 16; i++) {
		char kept = text[i];

		text[i] = '\0';
		(void)path_read(text, &path);
		assert_true(path.size < PATH_BYTES && path.name[path.size] == '\0');
		text[i] = kept;
	}
}

/* As the rules of other people's hosts have them. */
static void rules_lead_a_path_to_its_one_spelling(void **state)
{
	static const struct {
		bool clean;
		enum slash trailing;
		const char *text, *query, *location; /* NULL: stays */
	} cases[] = {
		{false, SLASH_AS_ASKED, "/about.html", "", NULL},
		{false, SLASH_AS_ASKED, "/about/", "", NULL},
		{true, SLASH_AS_ASKED, "/about.html", "", "/about"},
		{true, SLASH_AS_ASKED, "/about.html", "a=b&c", "/about?a=b&c"},
		{true, SLASH_AS_ASKED, "/about", "", NULL},
		{true, SLASH_AS_ASKED, "/about/", "", NULL},
		{true, SLASH_AS_ASKED, "/index.html", "", "/"},
		{true, SLASH_AS_ASKED, "/index", "", "/"},
		{true, SLASH_AS_ASKED, "/docs/index.html", "", "/docs"},
		{true, SLASH_AS_ASKED, "/docs/index/", "", "/docs"},
		{true, SLASH_AS_ASKED, "/.html", "", NULL},
		{true, SLASH_ALWAYS, "/about.html", "", "/about/"},
		{true, SLASH_ALWAYS, "/docs/index.html", "", "/docs/"},
		{true, SLASH_NEVER, "/docs/index.html", "", "/docs"},
		{false, SLASH_ALWAYS, "/about", "q", "/about/?q"},
		{false, SLASH_ALWAYS, "/about/", "", NULL},
		{false, SLASH_ALWAYS, "/a.b/about", "", "/a.b/about/"},
		{false, SLASH_ALWAYS, "/logo.png", "", NULL},
		{false, SLASH_ALWAYS, "/logo.png/", "", "/logo.png"},
		{false, SLASH_ALWAYS, "/.well-known/token", "", NULL},
		{false, SLASH_NEVER, "/.well-known/token/", "", NULL},
		{false, SLASH_NEVER, "/about/", "", "/about"},
		{false, SLASH_NEVER, "/", "", NULL},
		{false, SLASH_ALWAYS, "/", "", NULL},
		{false, SLASH_NEVER, "//evil.example/", "", "/evil.example"},
		{false, SLASH_NEVER, "/\\evil.example/", "", "/%5Cevil.example"},
		{false, SLASH_NEVER, "/%0d%0aa:b/", "", "/%0D%0Aa:b"},
		{false, SLASH_NEVER, "/a%3Fb%23%25c/", "", "/a%3Fb%23%25c"},
		{false, SLASH_NEVER, "/\xc3\xa9/", "", "/%C3%A9"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct path_rules rules = {cases[i].clean, cases[i].trailing};
		struct path path;
		char out[64];

		if (path_read(cases[i].text, &path) < 0) {
			assert_null(cases[i].location);
			continue;
		}
		if (path_moved(&rules, &path, cases[i].query, out, sizeof(out)) !=
		    (cases[i].location != NULL))
			fail_msg("%s", cases[i].text);
		if (cases[i].location)
			assert_string_equal(out, cases[i].location);
	}
}

static void a_location_that_does_not_fit_is_not_cut(void **state)
{
	const struct path_rules rules = {false, SLASH_NEVER};
	struct path path;
	char out[32];

	assert_int_equal(path_read("/\x01\x01\x01\x01\x01\x01\x01\x01\x01/", &path), 0);
	for (size_t size = 5; size < 29; size++)
		assert_false(path_moved(&rules, &path, "", out, size));
	assert_true(path_moved(&rules, &path, "", out, 32));
	assert_false(path_moved(&rules, &path, "abcd", out, 32));
}

static void ranges_are_those_of_rfc_9110(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
		int count;
		struct range ranges[3];
	} cases[] = {
		{"bytes=0-0", 10, 1, {{0, 0}}},
		{"bytes=0-", 10, 1, {{0, 9}}},
		{"BYTES=2-5", 10, 1, {{2, 5}}},
		{"bytes=2-500", 10, 1, {{2, 9}}},
		{"bytes=-3", 10, 1, {{7, 9}}},
		{"bytes=-30", 10, 1, {{0, 9}}},
		{"bytes= 0-1 ,\t3-4 ,, -2", 10, 3, {{0, 1}, {3, 4}, {8, 9}}},
		{"bytes=5-6,0-1", 10, 2, {{5, 6}, {0, 1}}},
		{"bytes=0-1,20-", 10, 1, {{0, 1}}},
		{"bytes=9-99999999999999999999999999", 10, 1, {{9, 9}}},
		{"bytes=-99999999999999999999999999", 10, 1, {{0, 9}}},
		{"bytes=10-", 10, -ERANGE, {{0}}},
		{"bytes=99999999999999999999999999-", 10, -ERANGE, {{0}}},
		{"bytes=18446744073709551615-18446744073709551615", 10, -ERANGE, {{0}}},
		{"bytes=-0", 10, -ERANGE, {{0}}},
		{"bytes=20-,-0", 10, -ERANGE, {{0}}},
		{"bytes=0-9,0-0", 10, 0, {{0}}},
		{"bytes=0-,0-,0-,0-", 10, 0, {{0}}},
		{"bytes=5-2", 10, 0, {{0}}},
		{"bytes=", 10, 0, {{0}}},
		{"bytes=,", 10, 0, {{0}}},
		{"bytes=-", 10, 0, {{0}}},
		{"bytes=a-b", 10, 0, {{0}}},
		{"bytes=1", 10, 0, {{0}}},
		{"bytes=1-2x", 10, 0, {{0}}},
		{"bytes=1-2 3-4", 10, 0, {{0}}},
		{"bytes=--1", 10, 0, {{0}}},
		{"bytes=+1-2", 10, 0, {{0}}},
		{"bytes =0-1", 10, 0, {{0}}},
		{"lines=0-1", 10, 0, {{0}}},
		{"", 10, 0, {{0}}},
		{"bytes=0-", 0, 0, {{0}}},
		{"bytes=-1", 0, 0, {{0}}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct range out[RANGES_MAX];
		int count = range_read(cases[i].text, cases[i].size, out);

		if (count != cases[i].count)
			fail_msg("%s: %d", cases[i].text, count);
		for (int n = 0; n < count; n++)
			assert_memory_equal(&out[n], &cases[i].ranges[n], sizeof(out[n]));
	}
}

static void more_ranges_than_fit_are_the_whole_file(void **state)
{
	char text[400] = "bytes=";
	struct range out[RANGES_MAX];

	for (int i = 0; i < RANGES_MAX; i++)
		strcat(text, i ? ",0-0" : "0-0");
	assert_int_equal(range_read(text, 100, out), RANGES_MAX);
	strcat(text, ",0-0");
	assert_int_equal(range_read(text, 100, out), 0);
}

static void dates_are_written_and_read_in_all_forms(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: no date */
	} cases[] = {
		{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
		{"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
		{"Sun Nov  6 08:49:37 1994", 784111777},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Thu, 29 Feb 2024 23:59:60 GMT", 1709251200},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
		{"Sun, 06 Nov 1994 08:49:37", -1},
		{"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
		{"Sun, 06 Now 1994 08:49:37 GMT", -1},
		{"Sun, 06 anF 1994 08:49:37 GMT", -1},
		{"Sun, 32 Nov 1994 08:49:37 GMT", -1},
		{"Sun, 06 Nov 1994 24:49:37 GMT", -1},
		{"784111777", -1},
		{"", -1},
	};
	char out[DATE_BYTES];
	int64_t seconds;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(date_read(cases[i].text, &seconds), cases[i].seconds >= 0);
		if (cases[i].seconds >= 0)
			assert_int_equal(seconds, cases[i].seconds);
	}
	for (int64_t day = 0; day < 400 * 366; day += 13) {
		date_write(day * 86400 + day % 86400, out);
		assert_true(date_read(out, &seconds));
		assert_int_equal(seconds, day * 86400 + day % 86400);
	}
	date_write(784111777, out);
	assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT");
	date_write(INT64_MIN, out);
	assert_string_equal(out, "Thu, 01 Jan 1970 00:00:00 GMT");
	date_write(INT64_MAX, out);
	assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
}

#define BR   (1u << CODING_BR)
#define ZSTD (1u << CODING_ZSTD)
#define GZIP (1u << CODING_GZIP)

static void the_coding_is_the_one_that_the_client_likes_best(void **state)
{
	static const struct {
		const char *field;
		unsigned int set;
		enum coding chosen;
	} cases[] = {
		{NULL, BR | GZIP, CODING_NONE},
		{"", BR | GZIP, CODING_NONE},
		{"gzip, br", BR | GZIP, CODING_BR},
		{"gzip, deflate, br, zstd", BR | ZSTD | GZIP, CODING_BR},
		{"gzip, zstd", BR | ZSTD | GZIP, CODING_ZSTD},
		{"gzip, br", GZIP, CODING_GZIP},
		{"gzip, br", 0, CODING_NONE},
		{"br;q=0.5, gzip;q=0.501", BR | GZIP, CODING_GZIP},
		{"br;q=0, gzip", BR | GZIP, CODING_GZIP},
		{"br ; q=0.0 , GZIP ; Q=1.000", BR | GZIP, CODING_GZIP},
		{"x-gzip", GZIP, CODING_GZIP},
		{"*", GZIP | ZSTD, CODING_ZSTD},
		{"*;q=0", GZIP, CODING_NONE},
		{"*;q=0, gzip", BR | GZIP, CODING_GZIP},
		{"gzip;q=0, *", BR | GZIP, CODING_BR},
		{"identity, gzip;q=0.5", GZIP, CODING_NONE},
		{"identity;q=0.5, gzip;q=0.5", GZIP, CODING_GZIP},
		{"identity;q=0", GZIP, CODING_NONE},
		{"gzip;q=2", GZIP, CODING_NONE},
		{"gzip;q=0.5000", GZIP, CODING_NONE},
		{"gzip;q=", GZIP, CODING_NONE},
		{"gzip;level=9", GZIP, CODING_NONE},
		{"gzipped, bro", BR | GZIP, CODING_NONE},
		{",,;,gzip,", GZIP, CODING_GZIP},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (accept_coding(cases[i].field, cases[i].set) != cases[i].chosen)
			fail_msg("%s", cases[i].field);
}

static void tags_are_compared_as_rfc_9110_says(void **state)
{
	static const struct {
		const char *list;
		bool strong, weak;
	} cases[] = {
		{"\"a\"", true, true},        {"W/\"a\"", false, true},
		{"\"b\", \"a\"", true, true}, {"W/\"a\",\"b\"", false, true},
		{" , \"a\"", true, true},     {"*", true, true},
		{" * ", true, true},          {"\"b\"", false, false},
		{"a", false, false},          {"\"a", false, false},
		{"\"\"a\"", false, false},    {"w/\"a\"", false, false},
		{"*, \"b\"", false, false},   {"", false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (accept_tag(cases[i].list, "\"a\"", false) != cases[i].strong ||
		    accept_tag(cases[i].list, "\"a\"", true) != cases[i].weak)
			fail_msg("%s", cases[i].list);
}

static void names_tell_the_type(void **state)
{
	static const char *const cases[][2] = {
		{"index.html", "text/html; charset=utf-8"},
		{"a/b.c/style.CSS", "text/css; charset=utf-8"},
		{"x.js", "text/javascript; charset=utf-8"},
		{"x.mjs", "text/javascript; charset=utf-8"},
		{"x.json", "application/json; charset=utf-8"},
		{"x.wasm", "application/wasm"},
		{"x.svg", "image/svg+xml"},
		{"x.webmanifest", "application/manifest+json; charset=utf-8"},
		{"x.woff2", "font/woff2"},
		{"x.3gp", "video/3gpp"},
		{"x.zst", "application/zstd"},
		{"x.tar.gz", "application/gzip"},
		{"x.unknown", "application/octet-stream"},
		{"a.html/b", "application/octet-stream"},
		{"x.", "application/octet-stream"},
		{"", "application/octet-stream"},
	};
	/* One of every letter, so that a row in the wrong place of the table is found. */
	static const char *const known[] = {
		"7z",   "aac",   "apng", "atom", "avif", "bmp",     "bz2",  "cjs",         "csv",
		"doc",  "docx",  "eot",  "epub", "flac", "geojson", "gif",  "glb",         "gltf",
		"gz",   "heic",  "htm",  "ico",  "ics",  "jpeg",    "jpg",  "jsonld",      "jxl",
		"m3u8", "m4a",   "m4v",  "map",  "md",   "mid",     "mov",  "mp3",         "mp4",
		"mpd",  "mpeg",  "oga",  "ogg",  "ogv",  "opus",    "otf",  "pdf",         "png",
		"ppt",  "pptx",  "rss",  "rtf",  "tar",  "tif",     "tiff", "toml",        "ts",
		"tsv",  "ttf",   "txt",  "vtt",  "wav",  "weba",    "webm", "webmanifest", "webp",
		"woff", "xhtml", "xls",  "xlsx", "xml",  "yaml",    "yml",  "zip"};
	char name[32];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(mime_type(cases[i][0]), cases[i][1]);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		snprintf(name, sizeof(name), "x.%s", known[i]);
		assert_string_not_equal(mime_type(name), "application/octet-stream");
	}
}

static void hashed_names_are_told_from_words(void **state)
{
	static const char *const hashed[] = {
		"main.3f9a1b2c.js",
		"assets/index-BkL3dj2_.js",
		"app-QHR3C6TN.css",
		"main.3f9a1b2c.js.map",
		"runtime~main.d41d8cd98f00b204e980.js",
		"img/logo-5d41402abc4b.png",
		"_next/static/chunks/x.js",
		"_app/immutable/start.js",
		"0123456789abcdef01.js",
		"main.deadbeef.js",
		"a_1b2c3d4e.woff2",
	};
	static const char *const words[] = {
		"index.html",
		"jquery-3.7.1.min.js",
		"report-20240131.pdf",
		"my-file-name.js",
		"photo.12345678.jpg",
		"validator-standard.js",
		"polyfills-es2015-a.js",
		"a1b2c3d4/x.js",
		"facade.js",
		"Q3Results.pdf",
		"next/static/x.js",
		"v1.2.3",
		"",
		"main.3F9A1B2C",
	};

	for (size_t i = 0; i < ARRAY_LEN(hashed); i++)
		if (!mime_hashed(hashed[i]))
			fail_msg("%s is hashed", hashed[i]);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (mime_hashed(words[i]))
			fail_msg("%s is a word", words[i]);
}

/* ---- files ---- */

static void put(int dir_fd, const char *name, const char *text)
{
	SCOPED_FD fd = openat(dir_fd, name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* The name of the file that is found, or the error in numbers. */
static const char *found_in(int root_fd, const char *name, bool slash, bool clean)
{
	static char found[PATH_BYTES];
	struct file file;
	int r = file_find(root_fd, name, slash, clean, &file, found);

	if (r < 0)
		snprintf(found, sizeof(found), "%d", r);
	else
		close(file.fd);
	return found;
}

static void nothing_outside_of_the_root_is_found(void **state)
{
	char dir[] = "/tmp/ebb-test-static-XXXXXX", absent[16];
	SCOPED_FD dir_fd = -1, root_fd = -1;

	snprintf(absent, sizeof(absent), "%d", -ENOENT);
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(dir_fd, "www", 0755), 0);
	assert_int_equal(mkdirat(dir_fd, "www/docs", 0755), 0);
	put(dir_fd, "secret", "s");
	put(dir_fd, "www/about.html", "about");
	put(dir_fd, "www/docs/index.html", "docs");
	put(dir_fd, "www/docs.html", "page");
	assert_int_equal(symlinkat("../secret", dir_fd, "www/up"), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir_fd, "www/away"), 0);
	assert_int_equal(symlinkat("/proc/self/root/etc/passwd", dir_fd, "www/magic"), 0);
	assert_int_equal(symlinkat("docs/../about.html", dir_fd, "www/within"), 0);
	assert_int_equal(symlinkat("loop", dir_fd, "www/loop"), 0);
	assert_int_equal(mkfifoat(dir_fd, "www/fifo", 0644), 0);
	root_fd = openat(dir_fd, "www", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_string_equal(found_in(root_fd, "within", false, false), "within");
	assert_string_equal(found_in(root_fd, "about", false, true), "about.html");
	assert_string_equal(found_in(root_fd, "about", true, true), "about.html");
	assert_string_equal(found_in(root_fd, "docs", false, true), "docs.html");
	assert_string_equal(found_in(root_fd, "docs", true, true), "docs/index.html");
	assert_string_equal(found_in(root_fd, "docs", false, false), "docs/index.html");
	for (const char *const *name =
		     (const char *const[]){"", "up", "away", "magic", "loop", "fifo", "about",
					   "about.html/x", "../secret", "/etc/passwd", NULL};
	     *name; name++)
		assert_string_equal(found_in(root_fd, *name, false, false), absent);
	assert_string_equal(found_in(root_fd, "about.html", true, false), absent);
	assert_int_equal(fd_rmtree_at(AT_FDCWD, dir), 0);
}

static void tags_follow_the_content_and_not_the_time(void **state)
{
	static const char *const texts[] = {"",
					    "a",
					    "b",
					    "0123456789abcdef",
					    "0123456789abcdeg",
					    "0123456789abcdef0123456789abcdef!",
					    NULL};
	static const struct timespec same[2] = {{1000000000, 0}, {1000000000, 0}};
	char dir[] = "/tmp/ebb-test-static-XXXXXX", tags[ARRAY_LEN(texts)][TAG_BYTES];
	SCOPED_FD dir_fd = -1;
	struct file file;

	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; texts[i]; i++) {
		put(dir_fd, "x", texts[i]);
		assert_int_equal(utimensat(dir_fd, "x", same, 0), 0);
		for (int again = 0; again < 2; again++) {
			assert_int_equal(file_open(dir_fd, "x", "", &file), 0);
			close(file.fd);
			assert_int_equal(file.size, strlen(texts[i]));
			assert_int_equal(file.changed_s, 1000000000);
			if (again)
				assert_string_equal(file.tag, tags[i]);
			else
				memcpy(tags[i], file.tag, TAG_BYTES);
		}
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(tags[i], tags[j]);
	}
	put(dir_fd, "x.gz", "g");
	put(dir_fd, "y", "y");
	put(dir_fd, "y.br", "g");
	put(dir_fd, "y.zst", "g");
	assert_int_equal(file_open(dir_fd, "y", "", &file), 0);
	close(file.fd);
	assert_int_equal(file.codings, BR | ZSTD);
	assert_int_equal(fd_rmtree_at(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_names_a_file_below_or_nothing),
		cmocka_unit_test(a_long_path_names_nothing),
		cmocka_unit_test(rules_lead_a_path_to_its_one_spelling),
		cmocka_unit_test(a_location_that_does_not_fit_is_not_cut),
		cmocka_unit_test(ranges_are_those_of_rfc_9110),
		cmocka_unit_test(more_ranges_than_fit_are_the_whole_file),
		cmocka_unit_test(dates_are_written_and_read_in_all_forms),
		cmocka_unit_test(the_coding_is_the_one_that_the_client_likes_best),
		cmocka_unit_test(tags_are_compared_as_rfc_9110_says),
		cmocka_unit_test(names_tell_the_type),
		cmocka_unit_test(hashed_names_are_told_from_words),
		cmocka_unit_test(nothing_outside_of_the_root_is_found),
		cmocka_unit_test(tags_follow_the_content_and_not_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

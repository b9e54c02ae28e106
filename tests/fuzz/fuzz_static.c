// SPDX-License-Identifier: Apache-2.0
/*
 * The words of a client to the server of static files: a path, and the fields Range,
 * Accept-Encoding, If-None-Match and If-Modified-Since. A path that is taken names something below
 * the root, and a redirect leads to a path of this host that leads nowhere else.
 */
#include <string.h>

#include "images/runtimes/static/accept.h"
#include "images/runtimes/static/date.h"
#include "images/runtimes/static/path.h"
#include "images/runtimes/static/range.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 16384

static void check_name(const struct path *path)
{
	claim(path->size < PATH_BYTES && strlen(path->name) == path->size);
	claim(path->name[0] != '/' && !strstr(path->name, "//"));
	claim(path->name[0] != '.' || strncmp(path->name, ".well-known", 11) == 0);
	claim(!strstr(path->name, "/."));
	claim(path->size == 0 || path->name[path->size - 1] != '/');
}

static void check_redirect(const struct path *path, const struct path_rules *rules)
{
	static char out[4 * PATH_BYTES], again[4 * PATH_BYTES];
	static struct path second;

	if (!path_moved(rules, path, "", out, sizeof(out)))
		return;
	claim(out[0] == '/' && out[1] != '/' && out[1] != '\\');
	for (const char *c = out; *c; c++)
		claim(*c > ' ' && *c < 127 && *c != '?' && *c != '#' && *c != '\\');
	/* A redirect of a redirect may follow (a.html.html), but it ends. */
	for (size_t left = path->size + 2; path_read(out, &second) == 0; left--) {
		claim(left > 0);
		check_name(&second);
		if (!path_moved(rules, &second, "", again, sizeof(again)))
			return;
		memcpy(out, again, sizeof(out));
	}
}

static void check_path(const char *text)
{
	static const struct path_rules rules[] = {{true, SLASH_AS_ASKED}, {true, SLASH_ALWAYS},
						  {true, SLASH_NEVER},    {false, SLASH_AS_ASKED},
						  {false, SLASH_ALWAYS},  {false, SLASH_NEVER}};
	static struct path path;

	if (path_read(text, &path) < 0)
		return;
	check_name(&path);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		check_redirect(&path, &rules[i]);
}

static void check_ranges(const char *text, uint64_t size)
{
	struct range ranges[RANGES_MAX];
	uint64_t total = 0;
	int count = range_read(text, size, ranges);

	claim(count <= RANGES_MAX);
	for (int i = 0; i < count; i++) {
		claim(ranges[i].first <= ranges[i].last && ranges[i].last < size);
		total += range_bytes(&ranges[i]);
	}
	claim(total <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char date[DATE_BYTES];
	int64_t seconds;
	char *text = size < TEXT_MAX ? malloc(size + 1) : NULL; /* its end is watched */

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_path(text);
	check_ranges(text, 0);
	check_ranges(text, 1000);
	check_ranges(text, INT64_MAX);
	for (unsigned int set = 0; set < 1u << CODING_COUNT; set++) {
		enum coding c = accept_coding(text, set);

		claim(c == CODING_NONE || (set & 1u << c));
	}
	claim(accept_tag(text, "\"a\"", true) || !accept_tag(text, "\"a\"", false));
	if (date_read(text, &seconds))
		date_write(seconds, date);
	free(text);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* Claims: a route matches its own paths and no others, docs/openapi.json names exactly the routes
 * there are, and names in a URL are decoded strictly. */
#include "tests/unit/api_support.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "runtime/api/request.h"
#include "runtime/api/routes.h"
#include "runtime/base/filter.h"
#include "runtime/base/mem.h"

FILTER_EMBED(document, "docs/openapi.json");

static struct http_slice slice(const char *text)
{
	return (struct http_slice){text, strlen(text)};
}

static void patterns_match_segments_and_rests(void **state)
{
	static const struct {
		const char *pattern, *path, *arg; /* arg NULL: no match */
	} cases[] = {
		{"/v1", "/v1", ""},
		{"/v1", "/v1/", NULL},
		{"/v1/services/:", "/v1/services/api", "api"},
		{"/v1/services/:", "/v1/services/", NULL},
		{"/v1/services/:", "/v1/services/api/x", NULL},
		{"/v1/services/:/logs", "/v1/services/api/logs", "api"},
		{"/v1/services/:/logs", "/v1/services/api/log", NULL},
		{"/v1/images/*", "/v1/images/a/b:1", "a/b:1"},
		{"/v1/images/*", "/v1/images/", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_slice arg = {NULL, 0};
		bool found = route_matches(cases[i].pattern, slice(cases[i].path), &arg);

		if (found != (cases[i].arg != NULL) || (found && !http_slice_is(arg, cases[i].arg)))
			fail_msg("%s against %s", cases[i].pattern, cases[i].path);
	}
}

/* "/v1/services/{name}/logs" -> "/v1/services/:/logs" */
static void as_pattern(const char *path, char *out)
{
	for (; *path; path++) {
		if (*path == '{') {
			*out++ = strncmp(path, "{image}", 7) == 0 ? '*' : ':';
			path = strchr(path, '}');
		} else {
			*out++ = *path;
		}
	}
	*out = '\0';
}

static bool is_served(const char *method, const char *pattern)
{
	for (size_t i = 0; route_at(i); i++)
		if (strcasecmp(route_at(i)->method, method) == 0 &&
		    strcmp(route_at(i)->pattern, pattern) == 0)
			return true;
	return false;
}

static void openapi_names_exactly_what_is_served(void **state)
{
	struct json *v = NULL;
	const struct json *paths;
	size_t named = 0, served = 0;
	char err[200];

	(void)state;
	assert_int_equal(json_parse(document_start, (size_t)(document_end - document_start), 32, &v,
				    err, sizeof(err)),
			 0);
	paths = json_get(v, "paths");
	for (size_t i = 0; i < json_count(paths); i++) {
		const struct json *methods = json_at(paths, i);
		char pattern[128];

		as_pattern(json_key_at(paths, i), pattern);
		for (size_t k = 0; k < json_count(methods); k++, named++)
			if (!is_served(json_key_at(methods, k), pattern))
				fail_msg("nobody serves %s %s", json_key_at(methods, k), pattern);
	}
	while (route_at(served))
		served++;
	assert_int_equal(named, served);
	json_free(v);
}

static void names_are_decoded_strictly(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(request_decode(slice("a%2Fb"), false, out, sizeof(out)), 0);
	assert_string_equal(out, "a/b");
	assert_int_equal(request_decode(slice("a+b"), true, out, sizeof(out)), 0);
	assert_string_equal(out, "a b");
	assert_int_equal(request_decode(slice("a%"), false, out, sizeof(out)), -EINVAL);
	assert_int_equal(request_decode(slice("a%2"), false, out, sizeof(out)), -EINVAL);
	assert_int_equal(request_decode(slice("%zz"), false, out, sizeof(out)), -EINVAL);
	assert_int_equal(request_decode(slice("a%00"), false, out, sizeof(out)), -EINVAL);
	assert_int_equal(request_decode(slice("12345678"), false, out, sizeof(out)), -EINVAL);
	assert_int_equal(request_decode(slice("1234567"), false, out, sizeof(out)), 0);
}

static void parameters_are_found_by_their_whole_name(void **state)
{
	struct request rq = {.head = {.query = slice("dry=1&follow&x=%20y&tail=")}};
	char value[8];

	(void)state;
	assert_int_equal(request_query(&rq, "x", value, sizeof(value)), 1);
	assert_string_equal(value, " y");
	assert_int_equal(request_query(&rq, "dryRun", value, sizeof(value)), 0);
	assert_int_equal(request_query(&rq, "tail", value, sizeof(value)), 1);
	assert_string_equal(value, "");
	assert_true(request_flag(&rq, "follow"));
	assert_true(request_flag(&rq, "dry"));
	assert_false(request_flag(&rq, "x"));
	assert_int_equal(request_query(&rq, "x", value, 2), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_segments_and_rests),
		cmocka_unit_test(openapi_names_exactly_what_is_served),
		cmocka_unit_test(names_are_decoded_strictly),
		cmocka_unit_test(parameters_are_found_by_their_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

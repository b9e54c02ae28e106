// SPDX-License-Identifier: Apache-2.0
/* Rules of sites: expressions, sources, tables, requests. tests/conformance/test_rules.py compares
 * them with their oracle; here is what no oracle knows. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/rules/apply.h"
#include "runtime/rules/build.h"
#include "runtime/rules/source.h"

static int compile_and_match(const char *expression, const char *text, uint64_t *steps)
{
	struct regex *re = calloc(1, sizeof(*re));
	struct regex_room *room = regex_room_new();
	const char *why = "";
	int r = regex_compile(expression, strlen(expression), re, &why);
	SCOPED_MEM void *table = NULL;

	if (r < 0)
		fail_msg("%s %s", expression, why);
	table = malloc(regex_size(&re->head));
	regex_write(re, table);
	assert_true(regex_valid(table, regex_size(&re->head)));
	r = regex_match(room, table, text, strlen(text), NULL, steps);
	regex_room_free(room);
	free(re);
	return r;
}

static void an_expression_costs_steps_in_proportion_to_its_text(void **state)
{
	static const char *const evil[] = {"^(?:a+)+$", "^(?:a|aa)+$", "^(?:a*)*b$",
					   "^(?:(?!b)a)*$", "^(?:.*a){8}$"};
	char text[4097];

	for (size_t i = 0; i < ARRAY_LEN(evil); i++) {
		uint64_t spent[2];

		for (int n = 0; n < 2; n++) {
			size_t size = n ? 4096 : 512;
			uint64_t steps = UINT32_MAX;

			memset(text, 'a', size);
			text[size] = '\0';
			assert_true(compile_and_match(evil[i], text, &steps) >= 0);
			spent[n] = UINT32_MAX - steps;
		}
		assert_in_range(spent[1], spent[0], spent[0] * 9);
	}
}

static void a_request_that_costs_too_much_is_told(void **state)
{
	uint64_t steps = 100;

	assert_int_equal(compile_and_match("^(?:a|b)*$",
					   "abababababababababababababababab"
					   "abababababababababababababababab",
					   &steps),
			 -E2BIG);
	assert_int_equal(steps, 0);
}

struct heard {
	unsigned int errors, warnings;
	char last[400];
};

static void hear(void *self, bool warning, const char *path, const struct json *value,
		 const char *what)
{
	struct heard *heard = self;

	warning ? heard->warnings++ : heard->errors++;
	snprintf(heard->last, sizeof(heard->last), "%s: %s", path, what);
}

static struct rules_table *build(const char *text, struct heard *heard)
{
	const struct rules_listener listener = {.self = heard, .say = hear};
	struct rules_table *table = NULL;
	struct json *site;
	char why[200];

	memset(heard, 0, sizeof(*heard));
	assert_int_equal(json_parse(text, strlen(text), 16, &site, why, sizeof(why)), 0);
	(void)rules_build(site, &listener, &table);
	json_free(site);
	return table;
}

static struct rules_slice no_header(void *self, struct rules_slice name, size_t n)
{
	return (struct rules_slice){NULL, 0};
}

static const char *where(const struct rules_table *table, const char *path,
			 struct rules_result *result)
{
	static struct rules_room *room;
	struct rules_request request = {.host = {"a", 1},
					.path = {path, strlen(path)},
					.query = {"", 0},
					.header = no_header};
	static char text[300];

	room = room ? room : rules_room_new();
	rules_apply(table, room, &request, result);
	snprintf(text, sizeof(text), "%.*s", (int)result->to.size,
		 result->to.at ? result->to.at : "");
	return text;
}

static void a_service_has_rules_of_its_own_behind_those_of_the_file(void **state)
{
	struct heard heard;
	SCOPED_MEM struct rules_table *t = build(
		"{\"services\":{\"web\":{\"files\":true},\"api\":{\"rewrites\":[{\"source\":\"/api/"
		":p*\","
		"\"destination\":\"/:p*\"}],\"redirects\":[{\"source\":\"/api/"
		"old\",\"destination\":"
		"\"/api/new\"}]}},\"rewrites\":[{\"source\":\"/api/"
		":p*\",\"destination\":{\"service\":"
		"\"api\"}},{\"source\":\"/page\",\"destination\":{\"service\":\"web\",\"path\":"
		"\"/page.html\"}}]}",
		&heard);
	struct rules_result r;

	assert_non_null(t);
	assert_string_equal(where(t, "/api/a/b", &r), "/a/b");
	assert_int_equal(r.outcome, RULES_SERVICE);
	assert_string_equal(t->services[r.service], "api");
	assert_true(r.seen);
	assert_string_equal(where(t, "/api/old", &r), "/api/new");
	assert_int_equal(r.outcome, RULES_REDIRECT);
	assert_string_equal(where(t, "/page", &r), "/page.html");
	assert_false(r.seen);
	assert_string_equal(where(t, "/other", &r), "");
	assert_int_equal(r.outcome, RULES_PASS);
}

static void a_place_for_an_address_holds_no_byte_that_ends_it(void **state)
{
	struct heard heard;
	SCOPED_MEM struct rules_table *t =
		build("{\"redirects\":[{\"source\":\"/a\",\"has\":[{\"type\":\"host\",\"value\":"
		      "\"(?<h>.*)\"}],\"destination\":\"/x/:h\"}]}",
		      &heard);
	struct rules_request request = {.host = {"a b\r\nc\"<", 8},
					.path = {"/a", 2},
					.query = {"", 0},
					.header = no_header};
	struct rules_room *room = rules_room_new();
	struct rules_result r;

	assert_non_null(t);
	rules_apply(t, room, &request, &r);
	/* . is no end of a line, so the condition does not hold. */
	assert_int_equal(r.outcome, RULES_PASS);
	request.host = (struct rules_slice){"a b\"<\xc3", 6};
	rules_apply(t, room, &request, &r);
	assert_int_equal(r.to.size, strlen("/x/a%20b%22%3C%C3"));
	assert_memory_equal(r.to.at, "/x/a%20b%22%3C%C3", r.to.size);
	rules_room_free(room);
}

static void damaged_tables_are_refused_or_harmless(void **state)
{
	struct heard heard;
	SCOPED_MEM struct rules_table *t = build(
		"{\"services\":{\"a\":{}},\"redirects\":[{\"source\":\"/x/:y(a|b)\",\"has\":[{"
		"\"type\":\"query\",\"key\":\"k\",\"value\":{\"inc\":[\"a\",\"b\"]}}],"
		"\"destination\":\"/z/:y\"}],\"rewrites\":[{\"source\":\"/((?!b).*)\","
		"\"destination\":{\"service\":\"a\"}}]}",
		&heard);
	SCOPED_MEM uint8_t *copy = NULL;
	struct rules_result r;
	size_t size, refused = 0;

	assert_non_null(t);
	size = t->size;
	copy = malloc(size);
	for (size_t at = 0; at < size; at++)
		for (int bit = 0; bit < 8; bit += 3) {
			memcpy(copy, t, size);
			copy[at] ^= (uint8_t)(1 << bit);
			if (!rules_valid(copy, size))
				refused++;
			else
				(void)where((const void *)copy, "/x/a", &r);
		}
	assert_true(refused > 100);
	for (size_t cut = 0; cut < size; cut += 7) {
		memcpy(copy, t, size);
		assert_false(rules_valid(copy, cut));
	}
}

static void wrong_rules_are_said_with_their_place(void **state)
{
	static const struct {
		const char *site, *said;
	} cases[] = {
		{"{\"rewrites\":5}", "rewrites: is not a list of rules"},
		{"{\"redirects\":[{\"source\":\"/a\",\"destination\":\"/b\",\"statusCode\":200}]}",
		 "redirects[0].statusCode: is not one of: 301 302 303 307 308"},
		{"{\"services\":[1]}", "services: is not an object of services"},
		{"{\"cleanUrls\":1}", "cleanUrls: is not true or false"},
		{"{\"services\":{\"a\":{\"headers\":[{\"source\":\"/\"}]}}}",
		 "services.a.headers[0].headers: is not a list of 1..32 {\"key\", \"value\"}"},
		{"{\"services\":{\"a\":{\"rewrites\":[{\"source\":\"/"
		 "\",\"destination\":{\"service\":"
		 "\"a\"}}]}}}",
		 "services.a.rewrites[0].destination: is a service: only rewrites of the file lead "
		 "into "
		 "one"},
		{"{\"headers\":[{\"source\":\"/"
		 "\",\"headers\":[{\"key\":\"Content-Length\",\"value\":"
		 "\"1\"}]}]}",
		 "headers[0].headers[0]: has a key that is no name of a header, or one of HTTP "
		 "itself"},
		{"{\"otherwise\":\"b\"}", "otherwise: is no service of this file"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct heard heard;

		assert_null(build(cases[i].site, &heard));
		assert_int_equal(heard.errors, 1);
		assert_string_equal(heard.last, cases[i].said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_expression_costs_steps_in_proportion_to_its_text),
		cmocka_unit_test(a_request_that_costs_too_much_is_told),
		cmocka_unit_test(a_service_has_rules_of_its_own_behind_those_of_the_file),
		cmocka_unit_test(a_place_for_an_address_holds_no_byte_that_ends_it),
		cmocka_unit_test(damaged_tables_are_refused_or_harmless),
		cmocka_unit_test(wrong_rules_are_said_with_their_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/cli/args.h"

static const struct option own[] = {
	{.name = "follow", .letter = 'f', .kind = ARG_NONE},
	{.name = "quiet", .letter = 'q', .kind = ARG_NONE},
	{.name = "tag", .letter = 't', .kind = ARG_TEXT, .value = "NAME"},
	{.name = "env", .letter = 'e', .kind = ARG_TEXT, .value = "K=V", .repeat = true},
	{.name = "format", .kind = ARG_CHOICE, .value = "F", .choices = "table json focus"},
	{.name = NULL},
};
static const struct option common[] = {
	{.name = "json", .kind = ARG_NONE},
	{.name = NULL},
};

static int parse(const char *const *argv, struct args *out, char *err, size_t size)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return args_parse(argc, (char *const *)(uintptr_t)argv, own, common, out, err, size);
}

static void test_words_and_options_mix(void **state)
{
	const char *argv[] = {"api", "--json", "-t",  "x",  "--env", "A=B",
			      "web", "-eC=",   "-fq", "--", "-n",    NULL};
	struct args args;
	char err[160];

	assert_int_equal(parse(argv, &args, err, sizeof(err)), 0);
	assert_int_equal(args.word_count, 3);
	assert_string_equal(args_word(&args, 0), "api");
	assert_string_equal(args_word(&args, 1), "web");
	assert_string_equal(args_word(&args, 2), "-n");
	assert_null(args_word(&args, 3));
	assert_true(args_given(&args, "json") && args_given(&args, "follow"));
	assert_true(args_given(&args, "quiet"));
	assert_false(args_given(&args, "format"));
	assert_string_equal(args_value(&args, "tag"), "x");
	assert_string_equal(args_nth(&args, "env", 0), "A=B");
	assert_string_equal(args_nth(&args, "env", 1), "C=");
	assert_null(args_nth(&args, "env", 2));
}

static void test_equals_form_and_lone_dash(void **state)
{
	const char *argv[] = {"--tag=a=b", "-", "--format=focus", NULL};
	struct args args;
	char err[160];

	assert_int_equal(parse(argv, &args, err, sizeof(err)), 0);
	assert_string_equal(args_value(&args, "tag"), "a=b");
	assert_string_equal(args_word(&args, 0), "-");
	assert_string_equal(args_value(&args, "format"), "focus");
}

static void test_wrong_lines_are_refused_and_say_why(void **state)
{
	static const struct {
		const char *argv[4], *err;
	} cases[] = {
		{{"--nope"}, "--nope: no such option"},
		{{"-x"}, "-x: no such option"},
		{{"--tag"}, "--tag: needs a value: NAME"},
		{{"-t"}, "-t: needs a value: NAME"},
		{{"--json=1"}, "--json=1: this option takes no value"},
		{{"--tag", "a", "--tag=b"}, "--tag=b: given more than once"},
		{{"--format", "tab"}, "--format: 'tab' is not one of: table json focus"},
		{{"--format", ""}, "--format: '' is not one of: table json focus"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct args args = {.word_count = 77};
		char err[160] = "";

		assert_int_equal(parse(cases[i].argv, &args, err, sizeof(err)), -22);
		assert_string_equal(err, cases[i].err);
		assert_int_equal(args.word_count, 77); /* untouched */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_and_options_mix),
		cmocka_unit_test(test_equals_form_and_lone_dash),
		cmocka_unit_test(test_wrong_lines_are_refused_and_say_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

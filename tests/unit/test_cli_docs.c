// SPDX-License-Identifier: Apache-2.0
/* The documents that users and editors read, against the tables that the program is made of. Run in
 * the project's root, as `make` does. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/keys.h"

#define FILE_SIZE (256 * 1024)

static char *read_document(const char *path)
{
	char *text = malloc(FILE_SIZE);

	assert_non_null(text);
	if (fd_read_file_at(AT_FDCWD, path, text, FILE_SIZE) < 0)
		fail_msg("cannot read %s", path);
	return text;
}

/* Follows a "$ref" of the form "#/$defs/NAME". */
static const struct json *resolve(const struct json *schema, const struct json *value)
{
	const char *ref = json_string(json_get(value, "$ref"));

	if (!ref)
		return value;
	assert_int_equal(strncmp(ref, "#/$defs/", 8), 0);
	return json_get(json_get(schema, "$defs"), ref + 8);
}

/* The alternative that holds `key`, or the value itself. */
static const struct json *alternative(const struct json *value, const char *key)
{
	const struct json *any = json_get(value, "anyOf");

	for (size_t i = 0; i < json_count(any); i++)
		if (json_get(json_at(any, i), key))
			return json_at(any, i);
	return value;
}

static void compare_bounds(const struct key *key, const struct json *value)
{
	const struct json *number = alternative(value, "minimum");
	int64_t unit = key->unit_ms ? key->unit_ms : 1, least = 0, most = 0;

	if (key->kind != KEY_INT && key->kind != KEY_INT_WORD && key->kind != KEY_DURATION)
		return;
	assert_int_equal(json_int(json_get(number, "minimum"), &least), 0);
	assert_int_equal(least, (key->min + unit - 1) / unit);
	assert_int_equal(json_int(json_get(number, "maximum"), &most), key->max ? 0 : -22);
	assert_int_equal(most, key->max / unit);
}

static void compare_words(const struct key *key, const struct json *value)
{
	const struct json *words = json_get(value, "enum");
	const char *only = json_string(json_get(alternative(value, "const"), "const"));
	char joined[160] = "";

	for (size_t i = 0; i < json_count(words); i++) {
		strcat(joined, i ? " " : "");
		strcat(joined, json_string(json_at(words, i)));
	}
	assert_string_equal(key->words ? key->words : "", only ? only : joined);
}

static void compare(const struct json *schema, const struct json *object, const struct key *table)
{
	const struct json *properties = json_get(object, "properties");
	size_t count = 0;

	for (const struct key *key = table; key->name; key++, count++) {
		const struct json *value = resolve(schema, json_get(properties, key->name));

		if (!value)
			fail_msg("the schema does not know %s", key->name);
		compare_bounds(key, value);
		compare_words(key, value);
		if (key->kind == KEY_OBJECT)
			compare(schema, value, key->members);
	}
	for (size_t i = 0; i < json_count(properties); i++)
		if (!key_find(table, json_key_at(properties, i)))
			fail_msg("only the schema knows %s", json_key_at(properties, i));
	assert_int_equal(json_count(properties), count);
}

static void test_the_schema_knows_the_same_keys_bounds_and_words(void **state)
{
	SCOPED_MEM char *text = read_document("docs/ebb.schema.json");
	struct json *schema;
	char err[160];

	if (json_parse(text, strlen(text), 32, &schema, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	compare(schema, schema, keys_file);
	compare(schema, json_get(json_get(schema, "$defs"), "service"), keys_service);
	json_free(schema);
}

/* Options stand in the man page with scdoc's escapes: "*--dry-run*". */
static void want(const char *page, const char *text, const char *path)
{
	if (!strstr(page, text))
		fail_msg("%s does not hold: %s", path, text);
}

static void test_the_man_page_has_every_verb_and_option(void **state)
{
	static const char path[] = "docs/man/ebb.1.scd";
	SCOPED_MEM char *page = read_document(path);
	char text[128];

	for (const struct verb *verb = cli_verbs; verb->name; verb++) {
		snprintf(text, sizeof(text), "\n*%s*", verb->name);
		want(page, text, path);
		for (const struct option *o = verb->options; o && o->name; o++) {
			snprintf(text, sizeof(text), "*--%s*", o->name);
			want(page, text, path);
		}
	}
}

static void test_the_man_page_of_the_file_has_every_key(void **state)
{
	static const char path[] = "docs/man/ebb.json.5.scd";
	SCOPED_MEM char *page = read_document(path);
	char text[128];

	for (const struct key *key = keys_service; key->name; key++) {
		snprintf(text, sizeof(text), "*%s*", key->name);
		want(page, text, path);
		for (const struct key *m = key->members; m && m->name; m++) {
			snprintf(text, sizeof(text), "*ebb.%s*", m->name);
			want(page, text, path);
		}
	}
}

static void test_verbs_are_found_by_one_word_or_two(void **state)
{
	char *image_ls[] = {"image", "ls", "-q"}, *image[] = {"image"}, *ls[] = {"ls", "x"};
	int used = 0;

	assert_string_equal(cli_verb_find(3, image_ls, &used)->name, "image ls");
	assert_int_equal(used, 2);
	assert_null(cli_verb_find(1, image, &used));
	assert_string_equal(cli_verb_find(2, ls, &used)->name, "ls");
	assert_int_equal(used, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_schema_knows_the_same_keys_bounds_and_words),
		cmocka_unit_test(test_the_man_page_has_every_verb_and_option),
		cmocka_unit_test(test_the_man_page_of_the_file_has_every_key),
		cmocka_unit_test(test_verbs_are_found_by_one_word_or_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

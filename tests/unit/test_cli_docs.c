// SPDX-License-Identifier: Apache-2.0
/* Documents for users and editors say the same as the tables of the program. To be run in the
 * project's root, as `make` does. */
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
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"

#define FILE_SIZE (256 * 1024)

static char *read_document(const char *path)
{
	char *text = malloc(FILE_SIZE);

	assert_non_null(text);
	if (fd_read_file_at(AT_FDCWD, path, text, FILE_SIZE) < 0)
		fail_msg("cannot read %s", path);
	return text;
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

/* Every option that sets something takes its words and its help from the setting. */
static void test_options_of_settings_offer_what_the_setting_takes(void **state)
{
	size_t found = 0;

	for (const struct verb *verb = cli_verbs; verb->name; verb++) {
		for (const struct option *o = verb->options; o && o->name; o++) {
			char text[192], words[96];

			assert_true(*option_help(o, text, sizeof(text)));
			if (!o->setting)
				continue;
			found++;
			if (o->kind == ARG_CHOICE)
				assert_string_equal(option_choices(o, text, sizeof(text)),
						    setting_words(setting_of(o->setting), words,
								  sizeof(words)));
		}
	}
	assert_true(found >= 9);
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
		cmocka_unit_test(test_the_man_page_has_every_verb_and_option),
		cmocka_unit_test(test_options_of_settings_offer_what_the_setting_takes),
		cmocka_unit_test(test_verbs_are_found_by_one_word_or_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

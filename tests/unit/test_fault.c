// SPDX-License-Identifier: Apache-2.0
/* The one error value: the first cause stays, where it was grows, nothing overflows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/fault.h"

static void it_says_where_what_and_how_to_mend_it(void **state)
{
	struct fault f = {0};
	char text[FAULT_TEXT_SIZE];

	assert_int_equal(fault_say(&f, -EINVAL, "'%s' is no number", "x"), -EINVAL);
	fault_mend(&f, "write a number");
	fault_at(&f, "line %d", 3);
	fault_at(&f, "%s", "ebbd.conf");
	assert_int_equal(f.err, EINVAL);
	assert_string_equal(fault_text(&f, text),
			    "ebbd.conf: line 3: 'x' is no number; write a number");
}

static void the_first_cause_stays(void **state)
{
	struct fault f = {0};
	char text[FAULT_TEXT_SIZE];

	assert_int_equal(fault_errno(&f, -ENOENT, "cannot open %s", "/x"), -ENOENT);
	fault_mend(&f, "make it");
	assert_int_equal(fault_say(&f, -EIO, "the start failed"), -EIO);
	fault_mend(&f, "call somebody");
	assert_string_equal(fault_text(&f, text),
			    "cannot open /x: No such file or directory; make it");
}

static void nobody_need_listen(void **state)
{
	struct fault f = {0};

	assert_int_equal(fault_say(NULL, -EIO, "unheard"), -EIO);
	fault_mend(NULL, "unheard");
	fault_at(NULL, "nowhere");
	fault_at(&f, "where nothing went wrong");
	fault_mend(&f, "nothing");
	assert_int_equal(f.err, 0);
	assert_string_equal(f.where, "");
	assert_string_equal(f.mend, "");
}

static void long_words_are_cut(void **state)
{
	struct fault f = {0};
	char text[FAULT_TEXT_SIZE], words[2000];

	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	(void)fault_say(&f, -EIO, "%s", words);
	fault_mend(&f, "%s", words);
	fault_at(&f, "%s", words);
	fault_at(&f, "%s", "here");
	assert_int_equal(strlen(f.what), FAULT_WHAT_SIZE - 1);
	assert_int_equal(strlen(f.where), FAULT_WHERE_SIZE - 1);
	assert_memory_equal(f.where, "here: www", 9);
	assert_true(strlen(fault_text(&f, text)) < FAULT_TEXT_SIZE);
	assert_non_null(strstr(text, "w; w"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_where_what_and_how_to_mend_it),
		cmocka_unit_test(the_first_cause_stays),
		cmocka_unit_test(nobody_need_listen),
		cmocka_unit_test(long_words_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

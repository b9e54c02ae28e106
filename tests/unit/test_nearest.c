// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/base/nearest.h"

static void check(const char *word, const char *wanted)
{
	static const char *const names[] = {"deploy", "image import", "ps", "rm", "traffic", "top"};
	struct nearest n;

	nearest_init(&n, word);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		nearest_offer(&n, names[i]);
	assert_string_equal(n.found, wanted);
}

static void a_mistyped_word_finds_what_was_meant(void **state)
{
	(void)state;
	check("dploy", "deploy");
	check("depoly", "deploy");
	check("deployy", "deploy");
	check("trafic", "traffic");
	check("pss", "ps");
	check("tpo", "top");
}

static void what_is_far_from_all_finds_nothing(void **state)
{
	char endless[400];

	(void)state;
	check("", "");
	check("x", "");
	check("zebra", "");
	memset(endless, 'd', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	check(endless, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mistyped_word_finds_what_was_meant),
		cmocka_unit_test(what_is_far_from_all_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

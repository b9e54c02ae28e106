// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/gateway/exchange/errors.h"
#include "runtime/http/status.h"

static void test_each_row_is_whole(void **state)
{
	for (enum edge_error e = EDGE_NONE + 1; e < EDGE_COUNT; e++) {
		const struct edge_row *row = edge_row(e);

		assert_in_range(row->status, 400, 599);
		assert_string_not_equal(http_status_phrase(row->status), "Error");
		assert_true(strlen(row->code) > 0);
		assert_true(row->service >= SERVICE_error_bad_request &&
			    row->service <= SERVICE_error_other);
		/* Retry-After is on 503 and on no other status. */
		assert_int_equal(row->retry_after_s > 0, row->status == 503);
	}
}

static void test_one_code_has_one_counter_of_the_service(void **state)
{
	for (enum edge_error a = EDGE_NONE + 1; a < EDGE_COUNT; a++)
		for (enum edge_error b = a; b < EDGE_COUNT; b++)
			if (strcmp(edge_row(a)->code, edge_row(b)->code) == 0)
				assert_int_equal(edge_row(a)->service, edge_row(b)->service);
}

static void test_a_refused_head_keeps_its_status_and_ends_the_connection(void **state)
{
	static const int statuses[] = {400, 408, 414, 417, 431, 501, 505};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		const struct edge_row *row = edge_row(edge_of_head(statuses[i]));

		assert_int_equal(row->status, statuses[i]);
		assert_int_equal(row->end, EDGE_CLOSES);
	}
}

static void test_an_error_is_counted_by_its_status(void **state)
{
	struct counters count = {0};

	for (enum edge_error e = EDGE_NONE + 1; e < EDGE_COUNT; e++)
		edge_count(&count, e);
	assert_int_equal(count.error_502, 2);
	assert_int_equal(count.error_503, 5);
	assert_int_equal(count.error_504, 1);
	assert_int_equal(count.error_other, 3);
	assert_int_equal(count.error_4xx, EDGE_COUNT - 1 - 2 - 5 - 1 - 3);
}

/* interface.md section 6 is what clients are promised. */
static void test_each_code_is_in_the_interface(void **state)
{
	static char text[262144];
	FILE *file = fopen("docs/interface.md", "r");
	size_t size;

	assert_non_null(file);
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	for (enum edge_error e = EDGE_NONE + 1; e < EDGE_COUNT; e++) {
		char quoted[64];

		snprintf(quoted, sizeof(quoted), "`%s`", edge_row(e)->code);
		if (!strstr(text, quoted))
			fail_msg("%s is not in docs/interface.md", quoted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_row_is_whole),
		cmocka_unit_test(test_one_code_has_one_counter_of_the_service),
		cmocka_unit_test(test_a_refused_head_keeps_its_status_and_ends_the_connection),
		cmocka_unit_test(test_an_error_is_counted_by_its_status),
		cmocka_unit_test(test_each_code_is_in_the_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Claims: every row of the table of settings is complete, its default lies within its bounds, the
 * API keeps every value that the row allows, ebbd's bounds are those of the API, and a duration is
 * read in the same way everywhere. */
#include "tests/unit/api_support.h"

#include <stdio.h>

#include "runtime/api/service_schema.h"
#include "runtime/base/duration.h"
#include "runtime/base/mem.h"

static bool is_number(const struct setting *s)
{
	return s->kind == SETTING_NUMBER || s->kind == SETTING_TIME;
}

static void every_row_is_whole(void **state)
{
	(void)state;
	for (int id = SETTING_NONE + 1; id < SETTING_COUNT; id++) {
		const struct setting *s = setting_of((enum setting_id)id);

		assert_non_null(s->name);
		assert_true(s->help && *s->help);
		assert_ptr_equal(setting_find(s->place, s->name), s);
		assert_int_equal(setting_id_of(s), id);
		assert_true((s->kind == SETTING_TIME) == (s->unit_ms > 0));
		if (s->kind == SETTING_WORD)
			assert_non_null(s->words[0]);
	}
	assert_null(setting_find(SETTING_OF_EBB, "memory"));
	assert_null(setting_find(SETTING_OF_SERVICE, "freezeAfter"));
}

static void defaults_lie_within_bounds(void **state)
{
	(void)state;
	for (int id = SETTING_NONE + 1; id < SETTING_COUNT; id++) {
		const struct setting *s = setting_of((enum setting_id)id);

		if (!is_number(s))
			continue;
		assert_true(s->min <= s->max && s->max <= UINT32_MAX);
		if (!s->zero || s->fallback)
			assert_in_range(s->fallback, s->min, s->max);
		/* Root takes what the API takes, and beyond it at most the 0 of a word. */
		assert_int_equal(s->root_max, s->max);
		assert_true(s->root_min == s->min || (s->root_min == 0 && s->zero));
	}
}

/* A document with the image and one setting more. */
static void read_one(const struct setting *s, const char *value, struct service_spec *spec,
		     struct problem_list *errors)
{
	struct problem_list warnings = {0};
	char text[1024];
	bool ebb = s->place == SETTING_OF_EBB;
	struct json *document;

	/* (as many instances as there may be, so that the least may be all of them) */
	snprintf(text, sizeof(text), "{%s%s\"%s\":%s%s}",
		 s == setting_of(SETTING_IMAGE) ? "" : "\"image\":\"a\",",
		 s == setting_of(SETTING_MIN_INSTANCES) ? "\"maxInstances\":1000,"
		 : ebb                                  ? "\"ebb\":{"
							: "",
		 s->name, value, ebb ? "}" : "");
	document = parse(text);
	memset(errors, 0, sizeof(*errors));
	service_spec_read(document, NULL, spec, errors, &warnings);
	assert_int_equal(warnings.count, 0);
	json_free(document);
}

static void the_api_takes_both_ends_and_nothing_beyond(void **state)
{
	struct service_spec *spec = calloc(1, sizeof(*spec));

	(void)state;
	assert_non_null(spec);
	for (int id = SETTING_NONE + 1; id < SETTING_COUNT; id++) {
		const struct setting *s = setting_of((enum setting_id)id);
		const long long tried[] = {s->min, s->max, s->min - 1, s->max + 1};

		for (size_t i = 0; is_number(s) && i < ARRAY_LEN(tried); i++) {
			struct problem_list errors;
			char value[32];

			if (tried[i] < 0)
				continue;
			snprintf(value, sizeof(value),
				 s->kind == SETTING_TIME ? "\"%lldms\"" : "%lld", tried[i]);
			read_one(s, value, spec, &errors);
			if (errors.count != (i >= 2))
				fail_msg("%s: %s", s->name, value);
		}
	}
	free(spec);
}

static void the_api_takes_every_word(void **state)
{
	struct service_spec *spec = calloc(1, sizeof(*spec));

	(void)state;
	assert_non_null(spec);
	for (int id = SETTING_NONE + 1; id < SETTING_COUNT; id++) {
		const struct setting *s = setting_of((enum setting_id)id);
		bool list = s->kind == SETTING_LIST;
		struct problem_list errors;
		char value[64];

		for (size_t i = 0; i < SETTING_WORDS_MAX && s->words[i]; i++) {
			snprintf(value, sizeof(value), list ? "[\"%s\"]" : "\"%s\"", s->words[i]);
			read_one(s, value, spec, &errors);
			assert_int_equal(errors.count, 0);
		}
		if (!s->zero)
			continue;
		snprintf(value, sizeof(value), "\"%s\"", s->zero);
		read_one(s, value, spec, &errors);
		assert_int_equal(errors.count, 0);
	}
	free(spec);
}

/* Texts of exactly the length that the row says, and one byte more. */
static void the_api_keeps_texts_as_long_as_the_row_says(void **state)
{
	struct service_spec *spec = calloc(1, sizeof(*spec));
	static const enum setting_id texts[] = {SETTING_IMAGE, SETTING_RUNTIME, SETTING_USER,
						SETTING_ROUTE_PREFIX};

	(void)state;
	assert_non_null(spec);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct setting *s = setting_of(texts[i]);
		struct problem_list errors;
		char value[400];

		for (int64_t n = s->max; n <= s->max + 1; n++) {
			memset(value, 'x', sizeof(value));
			value[0] = '"';
			if (s->kind == SETTING_PATH)
				value[1] = '/';
			memcpy(value + 1 + n, "\"", 2);
			read_one(s, value, spec, &errors);
			assert_int_equal(errors.count, n > s->max);
		}
	}
	free(spec);
}

static void durations_are_read_in_one_way(void **state)
{
	uint64_t ms = 7;
	static const struct {
		const char *text;
		uint64_t ms;
	} taken[] = {{"250ms", 250}, {"0s", 0},       {"2s", 2000},
		     {"3m", 180000}, {"2h", 7200000}, {"1d", 86400000}};

	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		assert_int_equal(duration_parse_ms(taken[i].text, &ms), 0);
		assert_int_equal(ms, taken[i].ms);
	}
	assert_true(duration_parse_ms("ms", &ms) < 0);
	assert_true(duration_parse_ms("5", &ms) < 0);
	assert_true(duration_parse_ms("-5s", &ms) < 0);
	assert_true(duration_parse_ms("5 s", &ms) < 0);
	assert_true(duration_parse_ms("5S", &ms) < 0);
	assert_true(duration_parse_ms("1.5s", &ms) < 0);
	assert_true(duration_parse_ms("", &ms) < 0);
	assert_true(duration_parse_ms("9223372036854775807h", &ms) < 0);
	assert_true(duration_parse_ms("99999999999999999999999s", &ms) < 0);
	assert_int_equal(ms, 86400000); /* untouched */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_whole),
		cmocka_unit_test(defaults_lie_within_bounds),
		cmocka_unit_test(the_api_takes_both_ends_and_nothing_beyond),
		cmocka_unit_test(the_api_takes_every_word),
		cmocka_unit_test(the_api_keeps_texts_as_long_as_the_row_says),
		cmocka_unit_test(durations_are_read_in_one_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

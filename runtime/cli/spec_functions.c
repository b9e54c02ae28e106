// SPDX-License-Identifier: Apache-2.0
/* functions: {"api/a.js": {"memory": 512}}, settings of a service by file. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/duration.h"
#include "runtime/base/mem.h"
#include "runtime/cli/keys.h"
#include "runtime/cli/spec_inside.h"

#define INNER_SIZE 320

/* In ms for a time; -1 for a word. */
static int64_t amount(const struct setting *s, const struct json *value)
{
	const char *text = json_string(value);
	uint64_t ms;
	int64_t n;

	if (text && s->kind == SETTING_TIME && duration_parse_ms(text, &ms) == 0)
		return (int64_t)ms;
	if (json_int(value, &n) < 0 ||
	    (s->kind == SETTING_TIME && __builtin_mul_overflow(n, s->unit_ms, &n)))
		return -1;
	return n;
}

const struct json *spec_of_functions(const struct json *functions, const struct setting *s,
				     const char **file)
{
	const struct json *largest = NULL;
	int64_t most = -1;

	for (size_t i = 0; i < json_count(functions); i++) {
		const struct json *one = json_get(json_at(functions, i), s->name);

		if (one && (!largest || amount(s, one) > most)) {
			largest = one;
			*file = json_key_at(functions, i);
			most = amount(s, one);
		}
	}
	return largest;
}

/* Settings of a service that functions have, too. */
static const char *const plain[] = {"memory", "maxDuration", "maxConcurrency"};

static bool is_plain(const char *name)
{
	for (size_t k = 0; k < ARRAY_LEN(plain); k++)
		if (strcmp(plain[k], name) == 0)
			return true;
	return false;
}

/* The settings of one file. Returns whether they have one of which a service has but one. */
static bool check_function(struct report *report, const char *path, const char *file,
			   const struct json *one, spec_check *check)
{
	bool some = false;

	for (size_t n = 0; n < json_count(one); n++) {
		const char *name = json_key_at(one, n);
		bool own = is_plain(name), triggers = strcmp(name, "experimentalTriggers") == 0;
		char inner[INNER_SIZE];
		const struct setting *s = key_setting(SETTING_OF_SERVICE, name);
		const struct json *value = json_at(one, n);

		snprintf(inner, sizeof(inner), "%.60s.%.60s.%.60s", path, file, name);
		some |= own;
		if ((own || triggers) && s)
			check(report, inner, s, value);
		else if (strcmp(name, "supportsCancellation") != 0)
			report_unsupported(report, "%s: not supported, ignored (%s)", inner,
					   "functions have memory, maxDuration, maxConcurrency and "
					   "experimentalTriggers");
		if (triggers)
			spec_check_triggers(file, value, inner, report);
	}
	return some;
}

/* Says which value of each setting counts for the whole service. */
static void report_largest(struct report *report, const char *path, const struct json *functions)
{
	char said[256] = "";

	for (size_t k = 0; k < ARRAY_LEN(plain); k++) {
		const char *file = "";
		const struct setting *s = key_setting(SETTING_OF_SERVICE, plain[k]);
		const struct json *value = spec_of_functions(functions, s, &file);
		size_t used = strlen(said);
		char shown[48];

		if (value)
			snprintf(said + used, sizeof(said) - used, "%s%s %s (of %.48s)",
				 used ? ", " : "", plain[k],
				 report_value(value, shown, sizeof(shown)), file);
	}
	report_unsupported(report,
			   "%s: a service has one setting for all its files, the largest: %s", path,
			   said);
}

void spec_check_functions(struct report *report, const char *path, const struct json *functions,
			  spec_check *check)
{
	char shown[48];
	size_t count = 0;

	if (json_kind(functions) != JSON_OBJECT) {
		report_error(report, "%s: %s is not an object of settings by file", path,
			     report_value(functions, shown, sizeof(shown)));
		return;
	}
	for (size_t i = 0; i < json_count(functions); i++)
		count += check_function(report, path, json_key_at(functions, i),
					json_at(functions, i), check);
	if (count > 1)
		report_largest(report, path, functions);
}

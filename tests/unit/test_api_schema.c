// SPDX-License-Identifier: Apache-2.0
/* Claims about the settings of a service: a fault is named with path, value and the allowed values;
 * written settings can be read again; equal settings are equal bytes. */
#include "tests/unit/api_support.h"

#include "runtime/api/service_schema.h"
#include "runtime/base/mem.h"

static void read_spec(const char *text, struct service_spec *spec, struct problem_list *errors,
		      struct problem_list *warnings)
{
	struct json *document = parse(text);

	memset(errors, 0, sizeof(*errors));
	memset(warnings, 0, sizeof(*warnings));
	service_spec_read(document, NULL, spec, errors, warnings);
	json_free(document);
}

static void absent_keys_have_the_usual_values(void **state)
{
	struct service_spec spec;
	struct problem_list errors, warnings;

	(void)state;
	read_spec("{\"image\":\"a\"}", &spec, &errors, &warnings);
	assert_int_equal(errors.count, 0);
	assert_int_equal(warnings.count, 0);
	assert_int_equal(spec.memory_mb, 512);
	assert_int_equal(spec.max_duration_ms, 300000);
	assert_int_equal(spec.concurrency_max, 0);
	assert_int_equal(spec.instances_max, 10);
	assert_int_equal(spec.init_timeout_ms, 10000);
	assert_int_equal(spec.stop_grace_ms, 10000);
	assert_int_equal(spec.freeze_after_ms, 0);
	assert_int_equal(spec.body_kb_max, 0);
}

static void units_are_those_of_each_key(void **state)
{
	struct service_spec spec;
	struct problem_list errors, warnings;

	(void)state;
	read_spec("{\"image\":\"a\",\"maxDuration\":60,\"maxConcurrency\":\"auto\",\"ebb\":"
		  "{\"freezeAfter\":250,\"initTimeout\":\"1500ms\",\"stopGrace\":\"2m\"}}",
		  &spec, &errors, &warnings);
	assert_int_equal(errors.count, 0);
	assert_int_equal(spec.max_duration_ms, 60000);
	assert_int_equal(spec.freeze_after_ms, 250);
	assert_int_equal(spec.init_timeout_ms, 1500);
	assert_int_equal(spec.stop_grace_ms, 120000);
}

static void wrong_values_are_refused_by_name(void **state)
{
	static const struct {
		const char *text, *path, *says;
	} cases[] = {
		{"{}", "image", "is missing"},
		{"[]", "service", "must be a JSON object"},
		{"{\"image\":7}", "image", "7 is not a name"},
		{"{\"image\":\"a\",\"memory\":3}", "memory", "3 is too small (64..)"},
		{"{\"image\":\"a\",\"memory\":9999999999}", "memory",
		 "9999999999 is too large (..1048576)"},
		{"{\"image\":\"a\",\"memory\":\"64\"}", "memory", "\"64\" is not a whole number"},
		{"{\"image\":\"a\",\"memory\":64.5}", "memory", "64.5 is not a whole number"},
		{"{\"image\":\"a\",\"maxDuration\":0}", "maxDuration", "0 is too small (1..)"},
		{"{\"image\":\"a\",\"maxDuration\":9223372036854775807}", "maxDuration",
		 "9223372036854775807 is too large (..86400)"},
		{"{\"image\":\"a\",\"maxConcurrency\":\"some\"}", "maxConcurrency",
		 "\"some\" is not a whole number or \"auto\""},
		{"{\"image\":\"a\",\"minInstances\":5,\"maxInstances\":4}", "minInstances",
		 "5 is more than maxInstances (..4)"},
		{"{\"image\":\"a\",\"routePrefix\":\"api\"}", "routePrefix",
		 "\"api\" is not a path such as \"/api\""},
		{"{\"image\":\"a\",\"routePrefix\":\"/a/../b\"}", "routePrefix", "is not a path"},
		{"{\"image\":\"a\",\"hosts\":[\"a..b\"]}", "hosts", "\"a..b\" is not a host name"},
		{"{\"image\":\"a\",\"hosts\":[\"a:80\"]}", "hosts", "is not a host name"},
		{"{\"image\":\"a\",\"env\":{\"A\":1}}", "env.A", "must be a string"},
		{"{\"image\":\"a\",\"env\":{\"PORT\":\"1\"}}", "env.PORT", "is set by ebb itself"},
		{"{\"image\":\"a\",\"env\":{\"A=B\":\"1\"}}", "env.A=B", "is not a name"},
		{"{\"image\":\"a\",\"env\":{\"A\\nB\":\"1\"}}", "env.A?B", "is not a name"},
		{"{\"image\":\"a\",\"env\":{\"\":\"1\"}}", "env.", "is not a name"},
		{"{\"image\":\"a\",\"env\":{\"1A\":\"1\"}}", "env.1A", "is not a name"},
		{"{\"image\":\"a\",\"env\":{\"A B\":\"1\"}}", "env.A B", "is not a name"},
		{"{\"image\":\"a\",\"routePrefix\":\"//\"}", "routePrefix", "is not a path"},
		{"{\"image\":\"a\",\"routePrefix\":\"/a//b\"}", "routePrefix", "is not a path"},
		{"{\"image\":\"a\",\"routePrefix\":\"/a/..\"}", "routePrefix", "is not a path"},
		{"{\"image\":\"a\",\"routePrefix\":\"/a\\nb\"}", "routePrefix", "is not a path"},
		{"{\"image\":\"a\",\"command\":\"sh -c\"}", "command", "must be a list"},
		{"{\"image\":\"a\",\"command\":[\"\"]}", "command", "names no program"},
		{"{\"image\":\"a\",\"ebb\":{\"egress\":\"world\"}}", "ebb.egress",
		 "\"world\" is not \"none\", \"internet\" or an object"},
		{"{\"image\":\"a\",\"ebb\":{\"freezeAfter\":\"2 s\"}}", "ebb.freezeAfter",
		 "\"2 s\" is not a time"},
		{"{\"image\":\"a\",\"ebb\":{\"freezeAfter\":\"2h\"}}", "ebb.freezeAfter",
		 "\"2h\" is too large (..3600000ms)"},
		{"{\"image\":\"a\",\"ebb\":{\"ioUring\":1}}", "ebb.ioUring",
		 "1 is not true or false"},
		{"{\"image\":\"a\",\"ebb\":{\"maxBody\":0}}", "ebb.maxBody",
		 "0 is too small (1..)"},
		{"{\"image\":\"a\",\"ebb\":{\"maxBody\":1073741825}}", "ebb.maxBody",
		 "1073741825 is too large (..1073741824)"},
		{"{\"image\":\"a\",\"ebb\":{\"maxBody\":\"4MB\"}}", "ebb.maxBody",
		 "\"4MB\" is not a whole number or \"any\""},
		{"{\"image\":\"a\",\"ebb\":7}", "ebb", "must be an object"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct service_spec spec;
		struct problem_list errors, warnings;

		read_spec(cases[i].text, &spec, &errors, &warnings);
		if (errors.count != 1 || strcmp(errors.items[0].path, cases[i].path) != 0 ||
		    !strstr(errors.items[0].message, cases[i].says))
			fail_msg("%s: %zu errors, '%s: %s'", cases[i].text, errors.count,
				 errors.items[0].path, errors.items[0].message);
	}
}

static void unknown_keys_only_warn(void **state)
{
	struct service_spec spec;
	struct problem_list errors, warnings;

	(void)state;
	read_spec("{\"image\":\"a\",\"memroy\":64,\"ebb\":{\"x\":1},\"name\":\"n\"}", &spec,
		  &errors, &warnings);
	assert_int_equal(errors.count, 0);
	assert_int_equal(warnings.count, 2);
	assert_string_equal(warnings.items[0].path, "ebb.x");
	assert_string_equal(warnings.items[1].path, "memroy");
}

static void more_errors_than_fit_are_counted_only(void **state)
{
	struct service_spec spec;
	struct problem_list errors, warnings;

	(void)state;
	read_spec(
		"{\"image\":\"a\",\"env\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,"
		"\"h\":1,\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,"
		"\"r\":1}}",
		&spec, &errors, &warnings);
	assert_int_equal(errors.count, 18);
	assert_string_equal(errors.items[PROBLEM_ITEMS_MAX - 1].path, "env.p");
}

static void what_is_written_reads_as_the_same_bytes(void **state)
{
	struct service_spec spec, again;
	struct problem_list errors, warnings;
	struct json_out o;

	(void)state;
	read_spec(
		"{\"image\":\"a\",\"maxDuration\":\"1500ms\",\"env\":{\"B\":\"x=y\",\"A\":\"\"},"
		"\"hosts\":[\"API.example.org\"],\"routePrefix\":\"/p\",\"command\":[\"/a\",\"\"],"
		"\"ebb\":{\"freezeAfter\":\"2s\",\"timers\":\"late\",\"cpu\":500,\"hibernate\":"
		"\"2s\",\"maxBody\":4096}}",
		&spec, &errors, &warnings);
	assert_int_equal(errors.count, 0);
	assert_int_equal(warnings.count, 0);
	assert_string_equal(spec.hosts[0], "api.example.org");
	json_out_init(&o);
	json_out_object(&o, NULL);
	service_spec_write(&o, &spec, SPEC_STORED);
	json_out_end_object(&o);
	assert_false(o.failed);
	read_spec(o.text, &again, &errors, &warnings);
	assert_int_equal(errors.count, 0);
	assert_memory_equal(&spec, &again, sizeof(spec));
	json_out_fini(&o);
}

static void answers_show_names_of_variables_and_no_value(void **state)
{
	struct service_spec spec, again;
	struct problem_list errors = {0}, warnings = {0};
	struct json_out o;
	struct json *document;

	(void)state;
	read_spec("{\"image\":\"a\",\"env\":{\"A\":\"hidden-1\",\"B\":\"hidden-2\"}}", &spec,
		  &errors, &warnings);
	json_out_init(&o);
	json_out_object(&o, NULL);
	service_spec_write(&o, &spec, SPEC_SHOWN);
	json_out_end_object(&o);
	assert_null(strstr(o.text, "hidden"));
	assert_non_null(strstr(o.text, "\"A\":null"));
	/* Sent back, it changes nothing; to who has no such value it says so. */
	document = parse(o.text);
	service_spec_read(document, &spec, &again, &errors, &warnings);
	assert_int_equal(errors.count, 0);
	assert_memory_equal(&spec, &again, sizeof(spec));
	service_spec_read(document, NULL, &again, &errors, &warnings);
	assert_int_equal(errors.count, 2);
	assert_string_equal(errors.items[0].path, "env.A");
	assert_non_null(strstr(errors.items[0].message, "is null"));
	json_free(document);
	json_out_fini(&o);
}

static void order_of_variables_does_not_matter(void **state)
{
	struct service_spec a, b;
	struct problem_list errors, warnings;

	(void)state;
	read_spec("{\"image\":\"a\",\"env\":{\"X\":\"1\",\"Y\":\"2\"}}", &a, &errors, &warnings);
	read_spec("{\"env\":{\"Y\":\"2\",\"X\":\"1\"},\"image\":\"a\"}", &b, &errors, &warnings);
	assert_memory_equal(&a, &b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_keys_have_the_usual_values),
		cmocka_unit_test(units_are_those_of_each_key),
		cmocka_unit_test(wrong_values_are_refused_by_name),
		cmocka_unit_test(unknown_keys_only_warn),
		cmocka_unit_test(more_errors_than_fit_are_counted_only),
		cmocka_unit_test(what_is_written_reads_as_the_same_bytes),
		cmocka_unit_test(answers_show_names_of_variables_and_no_value),
		cmocka_unit_test(order_of_variables_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

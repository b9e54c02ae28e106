// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/base/mem.h"
#include "runtime/cli/spec.h"

/* One service "api" with these members. */
#define EIGHT "\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\""

static int parse_members(const char *members, struct report *report, struct spec **spec)
{
	char text[2048];

	snprintf(text, sizeof(text), "{\"services\":{\"api\":{%s}}}", members);
	return spec_parse(text, strlen(text), report, spec);
}

static void test_wrong_values_name_path_value_and_what_is_allowed(void **state)
{
	static const struct {
		const char *members, *message;
	} cases[] = {
		{"\"memory\":3", "services.api.memory: 3 is too small (64..)"},
		{"\"memory\":-1", "services.api.memory: -1 is too small (64..)"},
		{"\"memory\":\"512\"", "services.api.memory: \"512\" is not a whole number (64..)"},
		{"\"memory\":512.5", "services.api.memory: 512.5 is not a whole number (64..)"},
		{"\"memory\":null", "services.api.memory: null is not a whole number (64..)"},
		{"\"maxDuration\":0", "services.api.maxDuration: 0 is too small (1..86400)"},
		{"\"maxDuration\":86401",
		 "services.api.maxDuration: 86401 is too large (1..86400)"},
		{"\"maxDuration\":9223372036854775807",
		 "services.api.maxDuration: 9223372036854775807 is too large (1..86400)"},
		{"\"maxDuration\":\"500ms\"",
		 "services.api.maxDuration: \"500ms\" is too small (1000ms..86400000ms)"},
		{"\"maxConcurrency\":\"many\"",
		 "services.api.maxConcurrency: \"many\" is not a whole number (1..10000 or auto)"},
		{"\"maxConcurrency\":0",
		 "services.api.maxConcurrency: 0 is too small (1..10000 or auto)"},
		{"\"maxInstances\":1001", "services.api.maxInstances: 1001 is too large (1..1000)"},
		{"\"minInstances\":3,\"maxInstances\":2",
		 "services.api.minInstances: 3 is more than maxInstances (2)"},
		{"\"ebb\":{\"egress\":\"world\"}",
		 "services.api.ebb.egress: \"world\" is not one of: none internet, or an object"},
		{"\"runtime\":\"ruby\"", "services.api.runtime: \"ruby\" is not one of: node "
					 "python native static container"},
		{"\"runtime\":\"container\"",
		 "services.api.entrypoint: missing (the image reference)"},
		{"\"root\":5", "services.api.root: 5 is not a string"},
		{"\"root\":\"\"", "services.api.root: \"\" is empty"},
		{"\"command\":1",
		 "services.api.command: 1 is not a list of strings, or one string"},
		{"\"command\":\"\"",
		 "services.api.command: \"\" is not a list of strings, or one string"},
		{"\"command\":[\"a\",1]", "services.api.command[1]: 1 is not a string"},
		{"\"env\":{\"A\":1}",
		 "services.api.env.A: 1 is neither a string nor {\"secret\": \"NAME\"}"},
		{"\"env\":{\"A=B\":\"c\"}", "services.api.env.A=B: not a name for a variable"},
		{"\"env\":[]", "services.api.env: [] is not an object of strings"},
		{"\"routePrefix\":\"api\"",
		 "services.api.routePrefix: \"api\" is not a path (\"/\" or \"/name\")"},
		{"\"routePrefix\":\"/a/\"", "services.api.routePrefix: \"/a/\" ends with a slash"},
		{"\"hosts\":[" EIGHT "," EIGHT "," EIGHT "," EIGHT ",\"i\"]",
		 "services.api.hosts: 33 names are too many (..32)"},
		{"\"ebb\":true", "services.api.ebb: true is not an object"},
		{"\"ebb\":{\"timers\":\"soon\"}",
		 "services.api.ebb.timers: \"soon\" is not one of: auto fire late"},
		{"\"ebb\":{\"hibernate\":\"2 s\"}",
		 "services.api.ebb.hibernate: \"2 s\" is not a duration (a number of ms, "
		 "\"250ms\", \"2s\", or off)"},
		{"\"ebb\":{\"hibernate\":\"50ms\"}",
		 "services.api.ebb.hibernate: \"50ms\" is too small (100ms..3600000ms or off)"},
		{"\"ebb\":{\"freezeAfter\":\"99999999999999999999h\"}",
		 "services.api.ebb.freezeAfter: \"99999999999999999999h\" is not a duration "
		 "(a number of ms, \"250ms\", \"2s\", or auto)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
		struct spec *spec = NULL;

		assert_int_equal(parse_members(cases[i].members, report, &spec), -22);
		assert_null(spec);
		assert_int_equal(report->count, 1);
		assert_string_equal(report->lines[0].text, cases[i].message);
		assert_int_equal(report->lines[0].kind, REPORT_ERROR);
	}
}

static void test_unknown_and_foreign_keys_only_warn(void **state)
{
	static const struct {
		const char *members, *message;
	} cases[] = {
		{"\"memori\":1",
		 "services.api.memori: unknown key, ignored (did you mean memory?)"},
		{"\"MaxDuration\":1",
		 "services.api.MaxDuration: unknown key, ignored (did you mean maxDuration?)"},
		{"\"MINinstances\":1",
		 "services.api.MINinstances: unknown key, ignored (did you mean minInstances?)"},
		{"\"image\":\"a\"", "services.api.image: unknown key, ignored"},
		{"\"colour\":1", "services.api.colour: unknown key, ignored"},
		{"\"functions\":{\"a/*.js\":{\"regions\":[]}}",
		 "services.api.functions.a/*.js.regions: not supported, ignored (functions have "
		 "memory, maxDuration, maxConcurrency and experimentalTriggers)"},
		{"\"ebb\":{\"timer\":\"fire\"}",
		 "services.api.ebb.timer: unknown key, ignored (did you mean timers?)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
		struct spec *spec = NULL;

		assert_int_equal(parse_members(cases[i].members, report, &spec), 0);
		assert_int_equal(report->said[REPORT_ERROR], 0);
		assert_int_equal(report->count, 1);
		assert_int_not_equal(report->lines[0].kind, REPORT_ERROR);
		assert_string_equal(report->lines[0].text, cases[i].message);
		spec_free(spec);
	}
}

static void test_every_problem_is_listed(void **state)
{
	static const char text[] = "{\"services\":{\"Api\":{\"memory\":1,\"memori\":2},"
				   "\"web\":{\"maxDuration\":\"x\"}},\"cron\":[]}";
	SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
	struct spec *spec;

	assert_int_equal(spec_parse(text, strlen(text), report, &spec), -22);
	assert_int_equal(report->said[REPORT_ERROR], 3);
	assert_int_equal(report->count, 5);
}

static void test_more_problems_than_lines_are_counted(void **state)
{
	SCOPED_MEM struct report *report = calloc(1, sizeof(*report));

	for (int i = 0; i < REPORT_LINES_MAX + 7; i++)
		report_error(report, "%d", i);
	assert_int_equal(report->count, REPORT_LINES_MAX);
	assert_int_equal(report->dropped, 7);
	assert_int_equal(report->said[REPORT_ERROR], REPORT_LINES_MAX + 7);
}

static void test_syntax_errors_name_the_line(void **state)
{
	static const char text[] = "{\n \"services\": {\n  \"api\": { \"memory\": }\n }\n}\n";
	SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
	struct spec *spec;

	assert_int_equal(spec_parse(text, strlen(text), report, &spec), -22);
	assert_int_equal(report->count, 1);
	assert_non_null(strstr(report->lines[0].text, "line 3"));
}

static void test_no_services_is_an_error(void **state)
{
	static const char *const texts[] = {"{}", "{\"services\":{}}", "[]", "{\"services\":[]}"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
		struct spec *spec;

		assert_int_equal(spec_parse(texts[i], strlen(texts[i]), report, &spec), -22);
		assert_int_equal(report->said[REPORT_ERROR], 1);
	}
}

static void test_the_body_holds_settings_and_image_only(void **state)
{
	SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
	struct spec *spec = NULL;
	struct json_out out;

	assert_int_equal(parse_members("\"root\":\".\",\"runtime\":\"node\",\"entrypoint\":\"a\","
				       "\"memory\":128,\"maxConcurrency\":\"auto\",\"x\":1,"
				       "\"ebb\":{\"timers\":\"late\"},\"regions\":[]",
				       report, &spec),
			 0);
	assert_int_equal(spec->count, 1);
	assert_string_equal(spec_string(spec->services, "entrypoint"), "a");
	json_out_init(&out);
	spec_body(spec->services, "img", NULL, &out);
	assert_string_equal(out.text, "{\"image\":\"img\",\"runtime\":\"node\",\"memory\":128,"
				      "\"maxConcurrency\":\"auto\",\"ebb\":{\"timers\":\"late\"}}");
	json_out_fini(&out);
	spec_free(spec);
}

/* The body of the service of a file that is one itself. 0, or -22 for one that is refused. */
static int triggers_of(const char *functions, char *body, size_t size, struct report *report)
{
	char text[1024];
	struct spec *spec = NULL;
	struct json_out out;
	int r;

	snprintf(text, sizeof(text), "{\"name\":\"web\",\"functions\":{%s}}", functions);
	r = spec_parse(text, strlen(text), report, &spec);
	if (r < 0)
		return r;
	json_out_init(&out);
	spec_body(spec->services, "img", NULL, &out);
	snprintf(body, size, "%s", out.text);
	json_out_fini(&out);
	spec_free(spec);
	return 0;
}

static void test_the_largest_of_functions_counts_in_whatever_unit(void **state)
{
	static const struct {
		const char *functions, *body;
	} cases[] = {
		{"\"a.js\":{\"maxDuration\":60},\"b.js\":{\"maxDuration\":\"5m\"}",
		 "\"maxDuration\":\"5m\""},
		{"\"a.js\":{\"maxDuration\":\"5m\"},\"b.js\":{\"maxDuration\":60}",
		 "\"maxDuration\":\"5m\""},
		{"\"a.js\":{\"maxDuration\":\"30s\"},\"b.js\":{\"maxDuration\":60}",
		 "\"maxDuration\":60"},
		{"\"a.js\":{\"maxDuration\":\"90s\"},\"b.js\":{\"maxDuration\":\"1m\"}",
		 "\"maxDuration\":\"90s\""},
		{"\"a.js\":{\"memory\":512},\"b.js\":{\"memory\":1024}", "\"memory\":1024"},
		{"\"a.js\":{\"maxConcurrency\":\"auto\"},\"b.js\":{\"maxConcurrency\":5}",
		 "\"maxConcurrency\":5"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
		char body[1024], expected[256];

		snprintf(expected, sizeof(expected), "{\"image\":\"img\",%s}", cases[i].body);
		assert_int_equal(triggers_of(cases[i].functions, body, sizeof(body), report), 0);
		assert_string_equal(body, expected);
	}
}

static void test_a_trigger_of_a_function_has_the_path_of_its_file(void **state)
{
	static const struct {
		const char *file, *path, *consumer;
	} cases[] = {
		{"api/bill.js", "/api/bill", "api_Sbill_Djs"},
		{"./src/api/a_b/index.ts", "/api/a_b", "_D_Ssrc_Sapi_Sa__b_Sindex_Dts"},
		{"app/api/bill/route.ts", "/api/bill", "app_Sapi_Sbill_Sroute_Dts"},
		{"src/app/(shop)/q.v1/route.ts", "/q.v1", "src_Sapp_S_28shop_29_Sq_Dv1_Sroute_Dts"},
		{"pages/api/bill.tsx", "/api/bill", "pages_Sapi_Sbill_Dtsx"},
		{"api/.well-known", "/api/.well-known", "api_S_Dwell-known"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
		char functions[256], body[1024], expected[512];

		snprintf(functions, sizeof(functions),
			 "\"%s\":{\"experimentalTriggers\":[{\"type\":\"queue/v2beta\","
			 "\"topic\":\"t\"}]}",
			 cases[i].file);
		snprintf(expected, sizeof(expected),
			 "{\"image\":\"img\",\"experimentalTriggers\":[{\"type\":\"queue/v2beta\","
			 "\"topic\":\"t\",\"path\":\"%s\",\"consumer\":\"%s\"}]}",
			 cases[i].path, cases[i].consumer);
		assert_int_equal(triggers_of(functions, body, sizeof(body), report), 0);
		assert_string_equal(body, expected);
		assert_int_equal(report->count, 0);
	}
}

static void test_a_trigger_of_a_file_without_a_path_is_refused(void **state)
{
	static const char *const files[] = {
		"server.js", "api/*.js",  "api/[id].js",    "app/route.ts",
		"api",       "apix/a.js", "pages/index.js", "app/(a)/route.ts"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
		SCOPED_MEM struct report *other = calloc(1, sizeof(*other));
		char functions[256], body[1024];

		snprintf(functions, sizeof(functions),
			 "\"%s\":{\"experimentalTriggers\":[{\"topic\":\"t\"}]}", files[i]);
		assert_int_equal(triggers_of(functions, body, sizeof(body), report), -22);
		assert_non_null(strstr(report->lines[0].text, files[i]));
		assert_non_null(strstr(report->lines[0].text, "give the trigger a \"path\""));
		snprintf(functions, sizeof(functions),
			 "\"%s\":{\"experimentalTriggers\":[{\"topic\":\"t\",\"path\":\"/p\","
			 "\"consumer\":\"c\"}]}",
			 files[i]);
		assert_int_equal(triggers_of(functions, body, sizeof(body), other), 0);
		assert_non_null(strstr(body, "[{\"topic\":\"t\",\"path\":\"/p\","
					     "\"consumer\":\"c\"}]"));
	}
}

#define FLOW(topic, path)                               \
	"{\"type\":\"queue/v2beta\",\"topic\":\"" topic \
	"\",\"path\":\"/.well-known/workflow/v1/" path  \
	"\",\"retryAfterSeconds\":5,\"maxDeliveries\":64,\"maxConcurrency\":100}"

static void test_a_service_with_workflows_has_the_triggers_of_their_routes(void **state)
{
	static const struct {
		const char *own, *triggers;
	} cases[] = {
		{"", FLOW("__wkf_workflow_web", "flow") "," FLOW("__wkf_step_web", "step")},
		{"{\"path\":\"/.well-known/workflow/v1/step\"}",
		 "{\"path\":\"/.well-known/workflow/v1/step\"}," FLOW("__wkf_workflow_web",
								      "flow")},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
		char text[512], expected[1024];
		struct spec *spec = NULL;
		struct json_out out;

		snprintf(text, sizeof(text),
			 "{\"services\":{\"web\":{\"experimentalTriggers\":[%s]}}}", cases[i].own);
		snprintf(expected, sizeof(expected),
			 "{\"image\":\"img\",\"experimentalTriggers\":[%s]}", cases[i].triggers);
		assert_int_equal(spec_parse(text, strlen(text), report, &spec), 0);
		spec->services[0].workflows = true;
		json_out_init(&out);
		spec_body(spec->services, "img", NULL, &out);
		assert_string_equal(out.text, expected);
		json_out_fini(&out);
		spec_free(spec);
	}
}

static void test_the_older_vocabulary_is_taken_with_a_warning(void **state)
{
	static const char text[] = "{\"experimentalServices\":{\"api\":{\"entrypoint\":\"a.js\","
				   "\"routePrefix\":\"/\"}}}";
	SCOPED_MEM struct report *report = calloc(1, sizeof(*report));
	struct spec *spec = NULL;

	assert_int_equal(spec_parse(text, strlen(text), report, &spec), 0);
	assert_int_equal(spec->count, 1);
	assert_string_equal(spec->services[0].name, "api");
	assert_int_equal(report->count, 1);
	assert_int_not_equal(report->lines[0].kind, REPORT_ERROR);
	spec_free(spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_values_name_path_value_and_what_is_allowed),
		cmocka_unit_test(test_unknown_and_foreign_keys_only_warn),
		cmocka_unit_test(test_every_problem_is_listed),
		cmocka_unit_test(test_more_problems_than_lines_are_counted),
		cmocka_unit_test(test_syntax_errors_name_the_line),
		cmocka_unit_test(test_no_services_is_an_error),
		cmocka_unit_test(test_the_body_holds_settings_and_image_only),
		cmocka_unit_test(test_the_largest_of_functions_counts_in_whatever_unit),
		cmocka_unit_test(test_a_trigger_of_a_function_has_the_path_of_its_file),
		cmocka_unit_test(test_a_trigger_of_a_file_without_a_path_is_refused),
		cmocka_unit_test(test_a_service_with_workflows_has_the_triggers_of_their_routes),
		cmocka_unit_test(test_the_older_vocabulary_is_taken_with_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

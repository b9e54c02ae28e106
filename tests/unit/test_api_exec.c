// SPDX-License-Identifier: Apache-2.0
/* Claims about how an image's config and a service's settings become one way to start a process. */
#include "tests/unit/api_support.h"

#include <signal.h>

#include "runtime/api/blob.h"
#include "runtime/api/exec_merge.h"
#include "runtime/base/mem.h"

static uint16_t fill(char *field, size_t size, const char *const *texts)
{
	struct blob b = {.memory = field, .size = size};

	for (; *texts; texts++)
		assert_int_equal(blob_add(&b, *texts), 0);
	return (uint16_t)b.count;
}
#define FILL(field, ...) fill(field, sizeof(field), (const char *const[]){__VA_ARGS__, NULL})

struct fixture {
	struct wire_image_config image;
	struct service_spec spec;
	struct wire_exec exec;
	struct problem_list errors;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->image.entrypoint_count = FILL(f->image.entrypoint, "/bin/node");
	f->image.cmd_count = FILL(f->image.cmd, "index.mjs", "");
	f->image.env_count = FILL(f->image.env, "PATH=/bin", "A=image", "PORT=1", "EBB_X=1", "odd");
	f->image.uid = 1000;
	f->image.port = 3000;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void merge(struct fixture *f)
{
	exec_merge(&f->image, &f->spec, NULL, "api", 7, &f->exec, &f->errors);
}

static void the_image_says_what_the_service_does_not(void **state)
{
	struct fixture *f = *state;

	merge(f);
	assert_int_equal(f->errors.count, 0);
	assert_int_equal(f->exec.argc, 3);
	assert_memory_equal(f->exec.argv, "/bin/node\0index.mjs\0\0", 21);
	assert_int_equal(f->exec.port, 3000);
	assert_int_equal(f->exec.uid, 1000);
	assert_int_equal(f->exec.stop_signal, SIGTERM);
	assert_string_equal(f->exec.cwd, "/");
	assert_string_equal(blob_find(f->exec.env, f->exec.envc, "A"), "image");
	assert_string_equal(blob_find(f->exec.env, f->exec.envc, "PATH"), "/bin");
	assert_string_equal(blob_find(f->exec.env, f->exec.envc, "HOME"), "/");
}

static void ebb_has_the_last_word_on_its_own_variables(void **state)
{
	struct fixture *f = *state;

	merge(f);
	assert_string_equal(blob_find(f->exec.env, f->exec.envc, "PORT"), "3000");
	assert_string_equal(blob_find(f->exec.env, f->exec.envc, "EBB_SERVICE"), "api");
	assert_string_equal(blob_find(f->exec.env, f->exec.envc, "EBB_REVISION"), "7");
	assert_null(blob_find(f->exec.env, f->exec.envc, "EBB_X"));
	assert_int_equal(f->exec.envc, 6 + 9); /* each once; nine tell of limits */
}

static void put_users(struct fixture *f)
{
	static const char users[] = "root:0:0::/root\0web:33:34:4,24:/var/www\0odd:7:7::relative";

	memcpy(f->image.users, users, sizeof(users));
	f->image.user_count = 3;
}

static void the_user_may_be_a_name_or_a_number(void **state)
{
	static const struct {
		const char *user, *home;
		uint32_t uid, gid, groups, capabilities;
	} cases[] = {
		{"web", "/var/www", 33, 34, 2, 0},
		{"33", "/var/www", 33, 34, 2, 0},
		{"33:5", "/var/www", 33, 5, 0, 0},
		{"root", "/root", 0, 0, 0, WIRE_CAPABILITIES_ALL},
		{"0:9", "/root", 0, 9, 0, WIRE_CAPABILITIES_ALL},
		{"odd", "/", 7, 7, 0, 0},
		{"65535:65535", "/", 65535, 65535, 0, 0},
	};
	struct fixture *f = *state;

	put_users(f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		strcpy(f->spec.user, cases[i].user);
		merge(f);
		assert_int_equal(f->errors.count, 0);
		assert_int_equal(f->exec.uid, cases[i].uid);
		assert_int_equal(f->exec.gid, cases[i].gid);
		assert_int_equal(f->exec.group_count, cases[i].groups);
		assert_int_equal(f->exec.capabilities, cases[i].capabilities);
		assert_string_equal(blob_find(f->exec.env, f->exec.envc, "HOME"), cases[i].home);
	}
}

static void no_other_user_and_right_is_taken(void **state)
{
	static const char *const wrong[] = {"nobody", "65536",     "-1", ":5",
					    "web:",   "web:staff", "0x0"};
	struct fixture *f = *state;

	put_users(f);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		f->errors.count = 0;
		strcpy(f->spec.user, wrong[i]);
		merge(f);
		assert_int_equal(f->errors.count, 1);
	}
	f->errors.count = 0;
	strcpy(f->spec.user, "web");
	f->spec.capabilities = SPEC_CAPABILITIES_GIVEN | 1;
	merge(f);
	assert_int_equal(f->errors.count, 1);
	f->errors.count = 0;
	strcpy(f->spec.user, "root");
	f->spec.capabilities = SPEC_CAPABILITIES_GIVEN;
	merge(f);
	assert_int_equal(f->errors.count, 0);
	assert_int_equal(f->exec.capabilities, 0);
}

static const char *heap_of(struct fixture *f, uint32_t memory_mb)
{
	f->spec.memory_mb = memory_mb;
	merge(f);
	return blob_find(f->exec.env, f->exec.envc, "HEAP");
}

static void a_runtime_of_ours_hears_what_its_heap_may_use(void **state)
{
	struct fixture *f = *state;

	f->image.env_count = FILL(f->image.env, "HEAP=a {heap_mb} b", "EBB_RUNTIME=1");
	assert_string_equal(heap_of(f, 64), "a 32 b");
	assert_string_equal(heap_of(f, 191), "a 95 b");
	assert_string_equal(heap_of(f, 192), "a 96 b");
	assert_string_equal(heap_of(f, 512), "a 416 b");
	assert_string_equal(heap_of(f, 2000), "a 1800 b");
	f->spec.env_count = FILL(f->spec.env, "HEAP={heap_mb}");
	assert_string_equal(heap_of(f, 512), "{heap_mb}");
	f->spec.env_count = 0;
	f->image.env_count = FILL(f->image.env, "HEAP={heap_mb}");
	assert_string_equal(heap_of(f, 512), "{heap_mb}");
}

static void the_service_overrides_the_image(void **state)
{
	struct fixture *f = *state;

	f->spec.command_count = FILL(f->spec.command, "/bin/sh", "-c", "x");
	f->spec.env_count = FILL(f->spec.env, "A=service", "PATH=/opt");
	f->spec.port = 9000;
	merge(f);
	assert_int_equal(f->errors.count, 0);
	assert_int_equal(f->exec.argc, 3);
	assert_memory_equal(f->exec.argv, "/bin/sh\0-c\0x\0", 13);
	assert_string_equal(blob_find(f->exec.env, f->exec.envc, "A"), "service");
	assert_string_equal(blob_find(f->exec.env, f->exec.envc, "PATH"), "/opt");
	assert_string_equal(blob_find(f->exec.env, f->exec.envc, "PORT"), "9000");
}

static void only_an_image_that_says_so_is_a_runtime_of_ours(void **state)
{
	struct fixture *f = *state;

	assert_false(image_is_own_runtime(&f->image));
	f->image.env_count = FILL(f->image.env, "A=1", "EBB_RUNTIME=0");
	assert_false(image_is_own_runtime(&f->image));
	f->image.env_count = FILL(f->image.env, "A=1", "EBB_RUNTIME=1");
	assert_true(image_is_own_runtime(&f->image));
	merge(f); /* LISTEN_FDS is what the program goes by */
	assert_null(blob_find(f->exec.env, f->exec.envc, "EBB_RUNTIME"));
}

static void nothing_to_run_is_an_error(void **state)
{
	struct fixture *f = *state;

	f->image.entrypoint_count = f->image.cmd_count = 0;
	merge(f);
	assert_int_equal(f->errors.count, 1);
	assert_string_equal(f->errors.items[0].path, "command");
}

static void what_does_not_fit_is_an_error(void **state)
{
	struct fixture *f = *state;

	memset(f->image.env, 'x', sizeof(f->image.env) - 1);
	memcpy(f->image.env, "BIG=", 4);
	f->image.env_count = 1;
	memset(f->spec.env, 'y', sizeof(f->spec.env) - 1);
	memcpy(f->spec.env, "TOO=", 4);
	f->spec.env_count = 1;
	merge(f);
	assert_int_equal(f->errors.count, 1);
	assert_string_equal(f->errors.items[0].path, "env");
}

static void a_config_from_the_wire_is_checked(void **state)
{
	struct fixture *f = *state;

	assert_true(image_config_valid(&f->image));
	f->image.env_count = sizeof(f->image.env) - 37 + 5; /* five strings of 37 bytes */
	assert_true(image_config_valid(&f->image));         /* padding is empty strings */
	f->image.env_count++;
	assert_false(image_config_valid(&f->image));
	f->image.env_count = 1;
	memset(f->image.env, 'x', sizeof(f->image.env)); /* no end */
	assert_false(image_config_valid(&f->image));
	f->image.env_count = 0;
	f->image.uid = 65536;
	assert_false(image_config_valid(&f->image));
	f->image.uid = 0;
	f->image.group_count = 33;
	assert_false(image_config_valid(&f->image));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_image_says_what_the_service_does_not),
		T(ebb_has_the_last_word_on_its_own_variables),
		T(the_user_may_be_a_name_or_a_number),
		T(no_other_user_and_right_is_taken),
		T(a_runtime_of_ours_hears_what_its_heap_may_use),
		T(the_service_overrides_the_image),
		T(only_an_image_that_says_so_is_a_runtime_of_ours),
		T(nothing_to_run_is_an_error),
		T(what_does_not_fit_is_an_error),
		T(a_config_from_the_wire_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

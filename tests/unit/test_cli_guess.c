// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/guess.h"

/* A static program as the kernel would take one: an ELF head and one PT_LOAD. */
#define STATIC_ELF                                                                         \
	"\x7f"                                                                             \
	"ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0"                          \
	"\0\0\x40\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                     \
	"\x40\0\x38\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x05\0\0\0"                               \
	"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" \
	"\0\0\0\0\0\0\0\0"

struct file {
	const char *name, *text;
	size_t size; /* 0: strlen */
};

static int guess_in(const struct file *files, size_t count, const char *runtime,
		    struct guess *guess)
{
	char dir[] = "/tmp/ebb-test-guess-XXXXXX";
	SCOPED_FD dir_fd = -1;
	int r;

	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir_fd >= 0);
	for (size_t i = 0; i < count && files[i].name; i++) {
		SCOPED_FD fd = -1;

		if (strchr(files[i].name, '/')) { /* one directory deep */
			char folder[16] = "";

			memcpy(folder, files[i].name, strcspn(files[i].name, "/"));
			assert_int_equal(mkdirat(dir_fd, folder, 0755), 0);
		}
		fd = openat(dir_fd, files[i].name, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);

		assert_true(fd >= 0);
		assert_int_equal(
			fd_write_all(fd, files[i].text,
				     files[i].size ? files[i].size : strlen(files[i].text)),
			0);
	}
	r = guess_directory(dir_fd, runtime, guess);
	assert_int_equal(fd_rmtree_at(AT_FDCWD, dir), 0);
	return r;
}

static void test_what_is_in_a_directory_tells_what_runs_it(void **state)
{
	static const struct {
		struct file files[4];
		const char *runtime, *entrypoint, *because;
	} cases[] = {
		{{{"package.json", "{\"main\":\"lib.js\"}"}, {"lib.js", ""}, {"index.js", ""}},
		 "node",
		 "lib.js",
		 "package.json is there"},
		{{{"package.json",
		   "{\"main\":\"lib.js\",\"scripts\":{\"start\":\"node  srv/a.js\"}}"},
		  {"srv/a.js", ""},
		  {"lib.js", ""}},
		 "node",
		 "srv/a.js",
		 "package.json is there"},
		{{{"package.json", "{}"}, {"server.js", ""}},
		 "node",
		 "server.js",
		 "package.json is there"},
		{{{"z.py", ""}, {"b.py", ""}}, "python", "b.py", "b.py is there"},
		{{{"app.py", ""}, {"a.py", ""}, {"requirements.txt", ""}},
		 "python",
		 "app.py",
		 "requirements.txt is there"},
		{{{"hello.c", ""}, {"README", ""}}, "native", "hello.c", "hello.c is there"},
		{{{"index.html", ""}, {"z.js", ""}}, "static", ".", "index.html is there"},
		{{{"index.html", ""}, {"app.js", ""}}, "static", ".", "index.html is there"},
		{{{"index.html", ""}, {"server.js", ""}},
		 "node",
		 "server.js",
		 "server.js is there"},
		{{{"public/index.html", ""}, {"README", ""}},
		 "static",
		 "public",
		 "public/index.html is there"},
		{{{"prog", STATIC_ELF, sizeof(STATIC_ELF) - 1}},
		 "native",
		 "prog",
		 "prog is a static program"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct guess guess;

		assert_int_equal(guess_in(cases[i].files, 4, NULL, &guess), 0);
		assert_string_equal(guess.runtime, cases[i].runtime);
		assert_string_equal(guess.entrypoint, cases[i].entrypoint);
		assert_string_equal(guess.because, cases[i].because);
	}
}

static void test_a_project_of_next_is_built_and_what_its_build_left_is_served(void **state)
{
#define NEXT(start) "{\"dependencies\":{\"next\":\"16\"},\"scripts\":{\"start\":\"" start "\"}}"
	static const struct {
		struct file files[4];
		const char *framework, *entrypoint;
	} cases[] = {
		{{{"package.json", NEXT("next start")}}, "nextjs", "server.js"},
		{{{"package.json", NEXT("next start -p 80")}, {"app.js", ""}},
		 "nextjs",
		 "server.js"},
		{{{"package.json", "{\"devDependencies\":{\"next\":\"15\"}}"}},
		 "nextjs",
		 "server.js"},
		{{{"package.json", NEXT("node own.js")}, {"own.js", ""}}, "", "own.js"},
		{{{"package.json", NEXT("next start")}, {"server.js", ""}, {".next/BUILD_ID", "1"}},
		 "",
		 "server.js"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct guess guess;

		assert_int_equal(guess_in(cases[i].files, 4, NULL, &guess), 0);
		assert_string_equal(guess.runtime, "node");
		assert_string_equal(guess.framework, cases[i].framework);
		assert_string_equal(guess.entrypoint, cases[i].entrypoint);
	}
}

static void test_nothing_to_go_by_is_not_guessed(void **state)
{
	static const struct file files[] = {{"README.md", "hello"}, {"script", "#!/bin/sh\n"}};
	struct guess guess = {.runtime = "kept"};

	assert_int_equal(guess_in(files, ARRAY_LEN(files), NULL, &guess), -ENOENT);
	assert_string_equal(guess.runtime, "kept");
}

static void test_what_a_package_names_is_used_or_refused(void **state)
{
	static const struct {
		const char *text, *because;
	} cases[] = {
		{"{\"main\":\"gone.js\"}", "its package.json starts gone.js, which is not there"},
		{"{\"main\":\"../../etc/passwd\"}",
		 "its package.json starts ../../etc/passwd, which is not there"},
		{"{ broken", "its package.json cannot be read: "},
		{"{\"main\":\"a.js\",\"scripts\":{\"start\":\"next start\"}}",
		 "its package.json starts it by \"next start\", which is no plain node FILE"},
		{"{\"scripts\":{\"start\":\"node a.js && x\\u001b\"}}",
		 "its package.json starts it by \"node a.js && x?\", which is no plain node FILE"},
		{"{\"scripts\":{\"start\":\"node --import=x a.js\"}}",
		 "its package.json starts it by \"node --import=x a.js\", which is no plain node "
		 "FILE"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct file files[] = {{"package.json", cases[i].text}, {"a.js", ""}};
		struct guess guess;

		assert_int_equal(guess_in(files, ARRAY_LEN(files), NULL, &guess), -EBADMSG);
		assert_memory_equal(guess.because, cases[i].because, strlen(cases[i].because));
	}
}

static void test_a_named_runtime_only_looks_for_its_entrypoint(void **state)
{
	static const struct file files[] = {{"package.json", "{}"}, {"main.py", ""}};
	static const struct file pages[] = {{"package.json", "{}"}, {"static/a.txt", ""}};
	struct guess guess;

	assert_int_equal(guess_in(files, ARRAY_LEN(files), "python", &guess), 0);
	assert_string_equal(guess.entrypoint, "main.py");
	assert_int_equal(guess_in(files, ARRAY_LEN(files), "native", &guess), -ENOENT);
	assert_int_equal(guess_in(files, ARRAY_LEN(files), "static", &guess), 0);
	assert_string_equal(guess.entrypoint, ".");
	assert_int_equal(guess_in(pages, ARRAY_LEN(pages), "static", &guess), 0);
	assert_string_equal(guess.entrypoint, "static");
}

static void test_a_program_with_workflows_is_known_by_its_packages_or_its_build(void **state)
{
	static const struct {
		const char *package;
		bool built;
		int found;
	} cases[] = {
		{"{\"dependencies\":{\"workflow\":\"4.8.9\"}}", false, 1},
		{"{\"devDependencies\":{\"workflow\":\"4.8.9\"}}", false, 1},
		{"{\"dependencies\":{\"workflows\":\"1\"}}", false, 0},
		{"{\"workflow\":\"4.8.9\"}", false, 0},
		{"no JSON", false, 0},
		{"{}", true, 1},
		{NULL, false, -ENOENT},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char dir[] = "/tmp/ebb-test-guess-XXXXXX";
		SCOPED_FD dir_fd = -1, fd = -1;

		assert_non_null(mkdtemp(dir));
		dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (cases[i].package) {
			fd = openat(dir_fd, "package.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
			assert_int_equal(
				fd_write_all(fd, cases[i].package, strlen(cases[i].package)), 0);
		}
		if (cases[i].built) {
			assert_int_equal(mkdirat(dir_fd, ".well-known", 0755), 0);
			assert_int_equal(mkdirat(dir_fd, ".well-known/workflow", 0755), 0);
			assert_int_equal(mkdirat(dir_fd, ".well-known/workflow/v1", 0755), 0);
		}
		assert_int_equal(guess_workflows(dir_fd), cases[i].found);
		assert_int_equal(fd_rmtree_at(AT_FDCWD, dir), 0);
	}
}

static void test_the_nearest_package_above_an_output_tells_of_workflows(void **state)
{
	static const char package[] = "{\"dependencies\":{\"workflow\":\"4.8.9\"}}";
	char dir[] = "/tmp/ebb-test-guess-XXXXXX", output[64], file[64], inner[64];
	SCOPED_FD dir_fd = -1, fd = -1, own_fd = -1;

	assert_non_null(mkdtemp(dir));
	snprintf(output, sizeof(output), "%s/.output/server", dir);
	snprintf(file, sizeof(file), "%s/ebb.json", dir);
	snprintf(inner, sizeof(inner), "%s/.output/ebb.json", dir);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(dir_fd, ".output", 0755), 0);
	assert_int_equal(mkdirat(dir_fd, ".output/server", 0755), 0);
	fd = openat(dir_fd, "package.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_int_equal(fd_write_all(fd, package, strlen(package)), 0);
	assert_true(guess_workflows_of(output, file));
	assert_true(guess_workflows_of(dir, file));
	assert_false(guess_workflows_of(output, inner)); /* above the file nothing is looked at */
	own_fd =
		openat(dir_fd, ".output/server/package.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_int_equal(fd_write_all(own_fd, "{}", 2), 0);
	assert_false(guess_workflows_of(output, file));
	assert_int_equal(fd_rmtree_at(AT_FDCWD, dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_in_a_directory_tells_what_runs_it),
		cmocka_unit_test(test_a_project_of_next_is_built_and_what_its_build_left_is_served),
		cmocka_unit_test(test_nothing_to_go_by_is_not_guessed),
		cmocka_unit_test(test_what_a_package_names_is_used_or_refused),
		cmocka_unit_test(test_a_named_runtime_only_looks_for_its_entrypoint),
		cmocka_unit_test(
			test_a_program_with_workflows_is_known_by_its_packages_or_its_build),
		cmocka_unit_test(test_the_nearest_package_above_an_output_tells_of_workflows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

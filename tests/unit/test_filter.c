// SPDX-License-Identifier: Apache-2.0
/* Policy text becomes a filter that does what the text says; everything unclear is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/filter.h"
#include "runtime/base/mem.h"

FILTER_EMBED(default_policy, "sandbox/policy/default.policy");
FILTER_EMBED(init_policy, "sandbox/policy/init.policy");

/* Calls that every filtered child needs to end; under a sanitizer, _exit(2) also gives up the
 * signal stack. */
#define EXITS "allow exit_group # to end\nallow sigaltstack # sanitizer\nallow munmap # free\n"

static int compile(const char *text, char *err)
{
	struct filter f = {0};
	int r = filter_compile(text, strlen(text), &f, err, 256);

	filter_fini(&f);
	return r;
}

/* Runs probe in a child under the policy; the child's wait status. */
static int run_under(const char *text, size_t size, int (*probe)(void))
{
	char err[256];
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		if (filter_apply(text, size, err, sizeof(err)) < 0)
			_exit(250);
		_exit(probe());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int refused_line_is_named(const char *text, const char *part)
{
	char err[256] = "";
	int r = compile(text, err);

	if (r == -EINVAL && strstr(err, part))
		return 1;
	print_error("%d: %s\n", r, err);
	return 0;
}

static void unclear_texts_are_refused_with_line_and_word(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{"", "no default"},
		{"allow read # r\n", "line 1: the first rule must be the default"},
		{"default kill\n", "line 1: needs a reason"},
		{"default kill #  \n", "needs a reason"},
		{"default sometimes # r\n", "'sometimes'"},
		{"default errno EWHAT # r\n", "'EWHAT'"},
		{"default kill # r\ndefault kill # r\n", "line 2: a second default"},
		{"default kill # r\n\nallow reed # r\n", "line 3: not a system call here"},
		{"default kill # r\nallow read arg6 == 1 # r\n", "'arg6'"},
		{"default kill # r\nallow read arg0 = 1 # r\n", "'='"},
		{"default kill # r\nallow read arg0 == 1x # r\n", "'1x'"},
		{"default kill # r\nallow read arg0 & 1 # r\n", "mask"},
		{"default kill # r\nallow read arg0 == # r\n", "a value is missing"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_true(refused_line_is_named(cases[i].text, cases[i].part));
}

static void a_line_may_repeat_the_default(void **state)
{
	char err[256];

	assert_int_equal(compile("default errno ENOSYS # r\nerrno clone3 ENOSYS # r\n", err), 0);
}

static void optional_names_may_be_unknown(void **state)
{
	char err[256];

	assert_int_equal(compile("default kill # r\noptional allow not_yet_made # r\n", err), 0);
}

static int probe_getppid(void)
{
	return syscall(SYS_getppid) < 0 ? errno : 0;
}

static void actions_do_what_they_say(void **state)
{
	static const char refuses[] = "default kill # r\n" EXITS "errno getppid EROFS # r\n";
	static const char kills[] = "default allow # r\nkill getppid # r\n";
	static const char unknown[] = "default errno ENOSYS # r\n" EXITS;
	int status = run_under(refuses, sizeof(refuses) - 1, probe_getppid);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EROFS);
	status = run_under(unknown, sizeof(unknown) - 1, probe_getppid);
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
	status = run_under(kills, sizeof(kills) - 1, probe_getppid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int probe_conditions(void)
{
	/* Stray high bits do not turn a family into another one. */
	if (syscall(SYS_socket, UINT64_C(0x100000000) | AF_UNIX, SOCK_STREAM, 0) < 0)
		return 1;
	if (socket(AF_PACKET, SOCK_RAW, 0) != -1 || errno != EPERM)
		return 2;
	if (dup3(0, 40, 0) != 40)
		return 3;
	return dup3(0, 41, 0) == -1 ? 0 : 4;
}

static void conditions_hold_together_and_lines_are_alternatives(void **state)
{
	static const char text[] =
		"default errno EPERM # r\n" EXITS "allow socket arg0 & LOW32 == AF_UNIX # r\n"
		"allow socket arg0 & LOW32 == AF_INET arg1 == 1 # r\n"
		"allow dup3 arg0 <= 3 arg1 < 41 # r\n";

	assert_int_equal(run_under(text, sizeof(text) - 1, probe_conditions), 0);
}

static int probe_x32(void)
{
	syscall(0x40000000 | SYS_getpid);
	return 0;
}

static void other_calling_conventions_are_killed(void **state)
{
	static const char text[] = "default allow # r\nerrno ptrace EPERM # r\n";
	int status;

#ifndef __x86_64__
	skip(); /* x32 exists on x86_64 only */
#endif
	status = run_under(text, sizeof(text) - 1, probe_x32);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void shipped_policies_compile(void **state)
{
	struct filter f = {0};
	char err[256] = "";

	if (filter_compile(default_policy_start,
			   (size_t)(default_policy_end - default_policy_start), &f, err,
			   sizeof(err)) < 0)
		fail_msg("default.policy: %s", err);
	print_message("default.policy: %u instructions\n", f.count);
	filter_fini(&f);
	if (filter_compile(init_policy_start, (size_t)(init_policy_end - init_policy_start), &f,
			   err, sizeof(err)) < 0)
		fail_msg("init.policy: %s", err);
	filter_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unclear_texts_are_refused_with_line_and_word),
		cmocka_unit_test(a_line_may_repeat_the_default),
		cmocka_unit_test(optional_names_may_be_unknown),
		cmocka_unit_test(actions_do_what_they_say),
		cmocka_unit_test(conditions_hold_together_and_lines_are_alternatives),
		cmocka_unit_test(other_calling_conventions_are_killed),
		cmocka_unit_test(shipped_policies_compile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

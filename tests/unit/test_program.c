// SPDX-License-Identifier: Apache-2.0
/* The life of a program under ebbd: its steps in their order, and an end that names its cause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/program.h"

static const char allows_all[] = "default allow # r\nkill getppid # r\n";
static const char nonsense[] = "default\n";

/* The words of the steps, and the end of the program. */
struct life {
	int status;
	char said[2048];
};

static void word(const char *text)
{
	assert_int_equal(write(STDERR_FILENO, text, strlen(text)), (ssize_t)strlen(text));
}

static int prepare(const char **step)
{
	(void)step;
	word("[prepare]");
	return 0;
}

static int prepare_badly(const char **step)
{
	*step = "find the library";
	return -ENOENT;
}

static int open_all(void *self, const char **step)
{
	(void)step;
	word(self);
	return 0;
}

static int open_badly(void *self, const char **step)
{
	(void)self;
	*step = "make the tables";
	return -ENOMEM;
}

static int run(void *self)
{
	(void)self;
	word("[run]");
	return signal(SIGPIPE, SIG_DFL) == SIG_IGN ? 0 : -EINVAL;
}

static int run_badly(void *self)
{
	(void)self;
	return -EPROTO;
}

static struct life live(struct program p, const char *rehearsal)
{
	char *argv[] = {"test", "--rehearse", (char *)(uintptr_t)rehearsal, NULL};
	struct life life = {0};
	int pipe_fds[2];
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	p.name = "ebb-test";
	p.policy = p.policy ? p.policy : allows_all;
	p.policy_end = p.policy + strlen(p.policy);
	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fds[1], STDERR_FILENO);
		setenv("EBB_LOG", "info", 1);
		_exit(program_main(&p, rehearsal ? 3 : 1, argv));
	}
	close(pipe_fds[1]);
	while ((n = read(pipe_fds[0], life.said + used, sizeof(life.said) - 1 - used)) > 0)
		used += (size_t)n;
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &life.status, 0), pid);
	return life;
}

static void assert_said(const struct life *life, const char *wanted)
{
	if (!strstr(life->said, wanted))
		fail_msg("not said: %s\nbut: %s", wanted, life->said);
}

static void its_steps_come_in_order(void **state)
{
	struct life life = live(
		(struct program){
			.prepare = prepare, .open = open_all, .run = run, .self = "[open]"},
		NULL);

	assert_int_equal(life.status, 0);
	assert_said(&life, "[prepare][open]");
	assert_said(&life, "[run]");
}

static void a_step_that_fails_is_named_and_the_last(void **state)
{
	struct life life = live((struct program){.prepare = prepare_badly, .run = run}, NULL);

	assert_int_equal(WEXITSTATUS(life.status), EXIT_FAILURE);
	assert_said(&life, "event=start_failed step=\"find the library\" error=\"No such file");
	assert_null(strstr(life.said, "[run]"));
	life = live((struct program){.open = open_badly, .run = run}, NULL);
	assert_int_equal(WEXITSTATUS(life.status), EXIT_FAILURE);
	assert_said(&life, "step=\"make the tables\" error=\"Cannot allocate memory\"");
	assert_null(strstr(life.said, "[run]"));
	life = live((struct program){.run = run_badly}, NULL);
	assert_int_equal(WEXITSTATUS(life.status), EXIT_FAILURE);
	assert_said(&life, "event=failed error=\"Protocol error\"");
}

static void without_its_filter_it_does_not_run(void **state)
{
	struct life life = live((struct program){.policy = nonsense, .run = run}, NULL);

#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(WEXITSTATUS(life.status), EXIT_FAILURE);
	assert_said(&life, "step=\"load the filter\"");
	assert_null(strstr(life.said, "[run]"));
#else
	assert_said(&life, "event=unconfined");
#endif
}

static void a_rehearsal_prepares_and_opens_nothing(void **state)
{
	struct life life = live(
		(struct program){.prepare = prepare, .open = open_badly, .run = run_badly}, "word");

	assert_int_equal(WEXITSTATUS(life.status), EXIT_FAILURE); /* there is no such rehearsal */
	assert_said(&life, "[prepare]");
	assert_null(strstr(life.said, "start_failed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_steps_come_in_order),
		cmocka_unit_test(a_step_that_fails_is_named_and_the_last),
		cmocka_unit_test(without_its_filter_it_does_not_run),
		cmocka_unit_test(a_rehearsal_prepares_and_opens_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

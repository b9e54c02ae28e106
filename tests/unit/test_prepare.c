// SPDX-License-Identifier: Apache-2.0
/* The lock of a run directory ends with the ebbd that took it, whatever children of it live on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/supervisor/host/prepare.h"

static int setup(void **state)
{
	static char dir[] = "/tmp/ebb-prepare-XXXXXX";

	*state = mkdtemp(dir);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/lock", (char *)*state);
	unlink(path);
	return rmdir(*state);
}

/* An ebbd that ends at once, and leaves a child that has not reached its exec. */
static pid_t child_of_one_that_ended(const char *dir)
{
	int ends[2], fd, status;
	struct fault fault = {0};
	pid_t ebbd, child = -1;

	assert_int_equal(pipe(ends), 0);
	ebbd = fork();
	if (ebbd == 0) {
		if (host_take_lock(dir, &fd, &fault) < 0)
			_exit(1);
		child = fork();
		if (child == 0)
			for (;;)
				pause();
		_exit(write(ends[1], &child, sizeof(child)) != (ssize_t)sizeof(child));
	}
	assert_int_equal(waitpid(ebbd, &status, 0), ebbd);
	assert_int_equal(status, 0);
	assert_int_equal(read(ends[0], &child, sizeof(child)), sizeof(child));
	close(ends[0]);
	close(ends[1]);
	return child;
}

static void the_lock_ends_with_its_ebbd(void **state)
{
	pid_t child = child_of_one_that_ended(*state);
	struct fault fault = {0};
	int fd = -1;

	assert_true(child > 0);
	assert_int_equal(host_take_lock(*state, &fd, &fault), 0);
	close(fd);
	kill(child, SIGKILL);
}

static void nobody_takes_it_from_one_that_lives(void **state)
{
	struct fault fault = {0};
	int fd = -1, other_fd, status;
	pid_t other;

	assert_int_equal(host_take_lock(*state, &fd, &fault), 0);
	other = fork();
	if (other == 0)
		_exit(host_take_lock(*state, &other_fd, &fault) == -EBUSY ? 0 : 1);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(status, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lock_ends_with_its_ebbd),
		cmocka_unit_test(nobody_takes_it_from_one_that_lives),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

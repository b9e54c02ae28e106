// SPDX-License-Identifier: Apache-2.0
/* Short turns, as the kernel reports them for this thread and for its children. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/turn.h"

/* The time of a turn in us: at byte 24 of struct sched_attr; and the niceness, at 16. */
static unsigned int turn_us(int *nice_value)
{
	unsigned char attr[56] = {0};

	assert_int_equal(syscall(SYS_sched_getattr, 0, attr, sizeof(attr), 0), 0);
	*nice_value = *(int *)(void *)(attr + 16);
	return (unsigned int)(*(uint64_t *)(void *)(attr + 24) / 1000);
}

/* Before Linux 6.12 all of them are 0. */
static unsigned int as_kept(unsigned int us)
{
	struct utsname kernel;
	unsigned int major = 0, minor = 0;

	uname(&kernel);
	sscanf(kernel.release, "%u.%u", &major, &minor);
	return major > 6 || (major == 6 && minor >= 12) ? us : 0;
}

static void a_turn_is_as_long_as_it_was_set(void **state)
{
	int nice_value;

	assert_int_equal(turn_set(TURN_OF_EBB_US), 0);
	assert_int_equal(turn_us(&nice_value), as_kept(TURN_OF_EBB_US));
	assert_int_equal(turn_set(TURN_OF_INSTANCE_US), 0);
	assert_int_equal(turn_us(&nice_value), as_kept(TURN_OF_INSTANCE_US));
	assert_int_equal(turn_set(TURN_OF_OTHERS_US), 0);
	assert_true(turn_us(&nice_value) >= as_kept(TURN_OF_INSTANCE_US));
}

static void niceness_stays_and_children_inherit(void **state)
{
	pid_t pid;
	int status = 0;

	assert_int_equal(setpriority(PRIO_PROCESS, 0, 7), 0);
	assert_int_equal(turn_set(TURN_OF_INSTANCE_US), 0);
	pid = fork();
	if (pid == 0) {
		int nice_value;

		_exit(turn_us(&nice_value) == as_kept(TURN_OF_INSTANCE_US) && nice_value == 7 ? 0
											      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_is_as_long_as_it_was_set),
		cmocka_unit_test(niceness_stays_and_children_inherit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* A file that a link to a program cannot open is named, with the cause. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/prepare.h"
#include "runtime/supervisor/peers/apilink.h"
#include "runtime/supervisor/peers/ledgerlink.h"

struct rig {
	char base[64];
	struct config config;
	struct loop *loop;
	struct estate *estate;
	struct program_host host;
	struct fault fault;
};

static void below(char *out, size_t size, const struct rig *rig, const char *name)
{
	assert_int_equal(text_format(out, size, "%s/%s", rig->base, name), 0);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct config *c = &rig->config;
	const struct estate_rows rows[ESTATE_KIND_COUNT] = {
		[ESTATE_SETTINGS] = {1, 1},
		[ESTATE_FILES] = {8, sizeof(struct estate_file)},
		[ESTATE_PROGRAMS] = {8, sizeof(struct estate_program)},
		[ESTATE_SPECS] = {1, 1},
		[ESTATE_SERVICES] = {1, 1},
		[ESTATE_NETWORK] = {1, 1},
		[ESTATE_EVENTS] = {4, sizeof(struct wire_event)},
		[ESTATE_INSTANCES] = {1, 1},
	};

	log_init("test", LOG_ERROR_LEVEL);
	strcpy(rig->base, "/tmp/ebb-test-links-XXXXXX");
	assert_non_null(mkdtemp(rig->base));
	below(c->run_dir, sizeof(c->run_dir), rig, "run");
	below(c->state_dir, sizeof(c->state_dir), rig, "state");
	below(c->log_dir, sizeof(c->log_dir), rig, "log");
	below(c->ledger_dir, sizeof(c->ledger_dir), rig, "ledger");
	assert_int_equal(mkdir(c->run_dir, 0700), 0);
	assert_int_equal(mkdir(c->state_dir, 0700), 0);
	assert_int_equal(loop_new(&rig->loop), 0);
	assert_int_equal(estate_new(rows, LEDGERLINK_WAITING_BYTES, &rig->estate), 0);
	rig->host = (struct program_host){.loop = rig->loop, .config = c, .estate = rig->estate};
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	loop_free(rig->loop);
	estate_free(rig->estate);
	assert_int_equal(fd_rmtree_at(AT_FDCWD, rig->base), 0);
	free(rig);
	return 0;
}

static void the_apis_missing_directory_is_named_with_the_cause(void **state)
{
	struct rig *rig = *state;
	struct apilink_options options = {.host = &rig->host};
	struct apilink *api = NULL;
	int r = apilink_new(&options, &api, &rig->fault);

	assert_int_equal(r, -ENOENT);
	assert_null(api);
	assert_non_null(strstr(rig->fault.what, rig->config.log_dir));
	assert_non_null(strstr(rig->fault.what, "No such file"));
}

static void the_ledgers_missing_directory_is_named_with_the_cause(void **state)
{
	struct rig *rig = *state;
	struct ledgerlink_options options = {.host = &rig->host};
	struct ledgerlink *ledger = NULL;
	int r = ledgerlink_new(&options, &ledger, &rig->fault);

	assert_int_equal(r, -ENOENT);
	assert_null(ledger);
	assert_non_null(strstr(rig->fault.what, rig->config.ledger_dir));
	assert_non_null(strstr(rig->fault.what, "No such file"));
	assert_null(strstr(rig->fault.what, "cannot start"));
}

static void a_lock_that_cannot_be_opened_is_nobodys(void **state)
{
	struct rig *rig = *state;
	char missing[128];
	int fd = -1, r;

	below(missing, sizeof(missing), rig, "missing");
	r = host_take_lock(missing, &fd, &rig->fault);
	assert_int_equal(r, -ENOENT);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(rig->fault.what, "No such file"));
	assert_null(strstr(rig->fault.what, "another ebbd"));
}

/* Makes a process that takes the lock and forks a child, and kills the process. Returns the pid of
 * the child, which lives on and has the descriptor of the lock. The caller kills it. */
static pid_t orphan_of_one_that_had_the_lock(const struct rig *rig)
{
	int ready_fds[2], fd = -1;
	pid_t pid, orphan = 0;

	assert_int_equal(pipe(ready_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct fault fault = {0};
		bool taken = host_take_lock(rig->config.run_dir, &fd, &fault) == 0;

		orphan = taken ? fork() : -1;
		if (orphan != 0)
			(void)fd_write_all(ready_fds[1], &orphan, sizeof(orphan));
		for (;;)
			pause();
	}
	assert_int_equal(fd_read_all(ready_fds[0], &orphan, sizeof(orphan)), sizeof(orphan));
	assert_true(orphan > 0);
	assert_int_equal(host_take_lock(rig->config.run_dir, &fd, NULL), -EBUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ready_fds[0]);
	close(ready_fds[1]);
	return orphan;
}

static void a_child_of_a_killed_ebbd_does_not_hold_its_lock(void **state)
{
	struct rig *rig = *state;
	pid_t orphan = orphan_of_one_that_had_the_lock(rig);
	int fd = -1, r = host_take_lock(rig->config.run_dir, &fd, &rig->fault);

	assert_int_equal(kill(orphan, SIGKILL), 0);
	assert_int_equal(r, 0);
	fd_close(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_apis_missing_directory_is_named_with_the_cause,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_ledgers_missing_directory_is_named_with_the_cause, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lock_that_cannot_be_opened_is_nobodys, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_child_of_a_killed_ebbd_does_not_hold_its_lock,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

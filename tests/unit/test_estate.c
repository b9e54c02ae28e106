// SPDX-License-Identifier: Apache-2.0
/* The estate of an ebbd: rows that a death in the middle of a write leaves whole, and the keeper.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/supervisor/host/keeper.h"

struct row {
	uint64_t words[32];
};

static const struct estate_rows kinds[ESTATE_KIND_COUNT] = {
	[ESTATE_SETTINGS] = {1, 1},
	[ESTATE_FILES] = {4, sizeof(struct estate_file)},
	[ESTATE_PROGRAMS] = {2, sizeof(struct estate_program)},
	[ESTATE_SPECS] = {2, 100000},
	[ESTATE_SERVICES] = {2, 1},
	[ESTATE_NETWORK] = {1, 1},
	[ESTATE_EVENTS] = {1, 1},
	[ESTATE_INSTANCES] = {3, sizeof(struct row)},
};

static struct estate *estate_made(void)
{
	struct estate *e;

	assert_int_equal(estate_new(kinds, 64, &e), 0);
	return e;
}

static struct row filled(uint64_t with)
{
	struct row row;

	for (size_t i = 0; i < 32; i++)
		row.words[i] = with;
	return row;
}

static void rows_are_read_as_written_and_apart(void **state)
{
	struct estate *e = estate_made();
	struct row one = filled(1), two = filled(2), three = filled(3);

	assert_null(estate_read(e, ESTATE_INSTANCES, 0));
	assert_int_equal(estate_find_free(e, ESTATE_INSTANCES), 0);
	estate_write(e, ESTATE_INSTANCES, 0, &one);
	estate_write(e, ESTATE_INSTANCES, 2, &three);
	estate_write(e, ESTATE_INSTANCES, 1, &two);
	assert_int_equal(estate_find_free(e, ESTATE_INSTANCES), -ENOSPC);
	assert_memory_equal(estate_read(e, ESTATE_INSTANCES, 0), &one, sizeof(one));
	assert_memory_equal(estate_read(e, ESTATE_INSTANCES, 1), &two, sizeof(two));
	estate_write(e, ESTATE_INSTANCES, 1, &one);
	assert_memory_equal(estate_read(e, ESTATE_INSTANCES, 1), &one, sizeof(one));
	assert_memory_equal(estate_read(e, ESTATE_INSTANCES, 2), &three, sizeof(three));
	estate_clear(e, ESTATE_INSTANCES, 1);
	assert_null(estate_read(e, ESTATE_INSTANCES, 1));
	assert_int_equal(estate_find_free(e, ESTATE_INSTANCES), 1);
	atomic_store(&estate_words(e)->meters_given, 7);
	estate_clear_all(e);
	assert_null(estate_read(e, ESTATE_INSTANCES, 2));
	assert_int_equal(atomic_load(&estate_words(e)->meters_given), 7);
	estate_free(e);
}

/* A child writes the row and is stopped behind each of its instructions; a reader must find
 * the old row or the new one. */
static void a_death_behind_any_instruction_leaves_a_whole_row(void **state)
{
	struct estate *e = estate_made();
	struct row before = filled(0x1111), after = filled(0x2222);
	unsigned int cuts = 0, old = 0, new = 0;
	int status;
	pid_t pid;

	estate_write(e, ESTATE_INSTANCES, 0, &before);
	pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		raise(SIGSTOP);
		estate_write(e, ESTATE_INSTANCES, 0, &after);
		_exit(0);
	}
	assert_true(pid > 0);
	for (;;) {
		const struct row *now;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			break;
		now = estate_read(e, ESTATE_INSTANCES, 0);
		assert_non_null(now);
		if (memcmp(now, &before, sizeof(before)) == 0)
			old++;
		else if (memcmp(now, &after, sizeof(after)) == 0)
			new ++;
		else
			fail_msg("a mixture behind instruction %u", cuts);
		cuts++;
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(old > 5 && new > 0);
	assert_memory_equal(estate_read(e, ESTATE_INSTANCES, 0), &after, sizeof(after));
	estate_free(e);
}

static void files_are_known_by_name_and_inode(void **state)
{
	struct estate *e = estate_made();
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), other_fd, kept;

	assert_int_equal(estate_file(e, "a"), -1);
	assert_int_equal(estate_keep_file(e, "a", fd), 0);
	assert_int_equal(estate_file(e, "a"), fd);
	kept = fd;
	fd_close(&fd);
	assert_int_equal(estate_file(e, "a"), -1); /* closed */
	other_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(other_fd, kept);
	assert_int_equal(estate_file(e, "a"), -1); /* another one under that number */
	assert_int_equal(estate_keep_file(e, "a", other_fd), 0);
	assert_int_equal(estate_file(e, "a"), other_fd);
	estate_drop_file(e, "a");
	assert_int_equal(estate_file(e, "a"), -1);
	fd_close(&other_fd);
	estate_free(e);
}

static void a_sweep_closes_what_is_not_kept(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct estate_set keep;
		int kept = open("/", O_PATH | O_CLOEXEC), left = open("/", O_PATH | O_CLOEXEC);

		if (estate_set_new(&keep) < 0)
			_exit(2);
		estate_set_add(&keep, kept);
		estate_set_add(&keep, -1);
		if (estate_sweep(&keep) < 0)
			_exit(3);
		estate_set_free(&keep);
		_exit(fcntl(kept, F_GETFD) >= 0 && fcntl(left, F_GETFD) < 0 &&
				      fcntl(STDERR_FILENO, F_GETFD) >= 0
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void deaths_in_a_row_begin_afresh_and_are_given_up(void **state)
{
	assert_int_equal(keeper_plan(1, 1).wait_ms, 0); /* somebody waits */
	assert_int_equal(keeper_plan(1, 1).life, KEEPER_ADOPT);
	assert_int_equal(keeper_plan(2, 2).life, KEEPER_ADOPT);
	assert_true(keeper_plan(2, 2).wait_ms > 0);
	assert_int_equal(keeper_plan(3, 3).life, KEEPER_AFRESH);
	assert_false(keeper_plan(5, 5).give_up);
	assert_true(keeper_plan(6, 6).give_up);
	assert_true(keeper_plan(UINT32_MAX, UINT32_MAX).give_up);
	/* A SIGKILL from outside does not make it worse. */
	assert_int_equal(keeper_plan(1000, 2).life, KEEPER_ADOPT);
	assert_false(keeper_plan(1000, 2).give_up);
	assert_true(keeper_plan(1000, 2).wait_ms <= 1000);
}

/* The life of an ebbd of this test; the descriptor it made is there in the next one. */
static int live(struct estate *e, enum keeper_life life)
{
	uint64_t count = 0;
	int fd = estate_file(e, "counter");

	if (life == KEEPER_FIRST) {
		fd = eventfd(5, EFD_CLOEXEC | EFD_NONBLOCK);
		if (estate_keep_file(e, "counter", fd) < 0)
			return 10;
		raise(SIGKILL);
	}
	if (life != KEEPER_ADOPT || fd < 0 || read(fd, &count, sizeof(count)) != sizeof(count))
		return 11;
	return count == 5 ? 42 : 12;
}

/* Code 42 comes from the second life, which was ready: it is the keeper's, too. */
static void a_descriptor_outlives_its_maker_and_the_last_code_is_the_keepers(void **state)
{
	struct estate *e = estate_made();
	enum keeper_life life;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
		if (keeper_begin(&(struct keeper_options){.estate = e}, &life) < 0)
			_exit(9);
		status = live(e, life);
		atomic_store(&estate_words(e)->stopping, 1);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	estate_free(e);
}

/* As the next binary does it; rows of another size are those of a build that cannot be followed. */
static void another_build_takes_over_the_same_rows_and_no_others(void **state)
{
	struct estate_rows others[ESTATE_KIND_COUNT];
	struct estate *e = estate_made(), *again;
	struct row row = filled(6);
	int fd = dup(estate_memory(e)), short_fd = memfd_create("short", MFD_CLOEXEC);

	estate_write(e, ESTATE_INSTANCES, 2, &row);
	memcpy(others, kinds, sizeof(others));
	others[ESTATE_INSTANCES].size += 8;
	assert_int_equal(estate_open(fd, others, 64, &again), -EPROTO);
	memcpy(others, kinds, sizeof(others));
	others[ESTATE_SERVICES].size += 1; /* the memory is as large */
	assert_int_equal(estate_open(fd, others, 64, &again), -EPROTO);
	assert_int_equal(estate_open(short_fd, kinds, 64, &again), -EPROTO);
	close(short_fd);
	assert_int_equal(estate_open(fd, kinds, 64, &again), 0);
	assert_memory_equal(estate_read(again, ESTATE_INSTANCES, 2), &row, sizeof(row));
	row = filled(7);
	estate_write(e, ESTATE_INSTANCES, 2, &row);
	assert_memory_equal(estate_read(again, ESTATE_INSTANCES, 2), &row, sizeof(row));
	estate_free(again);
	estate_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_read_as_written_and_apart),
		cmocka_unit_test(a_death_behind_any_instruction_leaves_a_whole_row),
		cmocka_unit_test(files_are_known_by_name_and_inode),
		cmocka_unit_test(a_sweep_closes_what_is_not_kept),
		cmocka_unit_test(deaths_in_a_row_begin_afresh_and_are_given_up),
		cmocka_unit_test(a_descriptor_outlives_its_maker_and_the_last_code_is_the_keepers),
		cmocka_unit_test(another_build_takes_over_the_same_rows_and_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
